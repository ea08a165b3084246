//! Which build runs on which machine: a run goes on with its own noise only where it computes the same sums, bit for bit.

use crate::{Binding, Error, PrivacyPlan};
use reticent_proof::Permit;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::OnceLock;

impl Binding {
    /// Binds noise to a plan, a permit, the rows ([`Examples::digest`](crate::Examples::digest)) and this program on this machine.
    ///
    /// # Errors
    /// [`Error::Io`] where the program cannot read its own file.
    pub fn here(plan: &PrivacyPlan, permit: &Permit, data: String) -> Result<Self, Error> {
        Ok(Self { plan: plan.digest(), permit: permit.digest().into(), data, machine: machine()? })
    }
}

/// SHA-256 over this program's file, the number of threads and the instruction set.
fn machine() -> Result<String, Error> {
    static MACHINE: OnceLock<String> = OnceLock::new();
    if let Some(machine) = MACHINE.get() {
        return Ok(machine.clone());
    }
    let io = |source| Error::Io { what: "cannot read this program's own file".into(), source };
    let mut file = std::fs::File::open(std::env::current_exe().map_err(io)?).map_err(io)?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part).map_err(io)? {
            0 => break,
            read => hash.update(&part[..read]),
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    hash.update(format!("{threads} {} {}", std::env::consts::ARCH, instructions()));
    Ok(MACHINE.get_or_init(|| hex::encode(hash.finalize())).clone())
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> String {
    format!(
        "avx2={} avx512f={} fma={}",
        is_x86_feature_detected!("avx2"),
        is_x86_feature_detected!("avx512f"),
        is_x86_feature_detected!("fma")
    )
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> String {
    String::new()
}
