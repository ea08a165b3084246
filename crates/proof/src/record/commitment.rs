//! What the log holds of an event: a commitment that opens only to whoever has its nonce, and its unit's key.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// HMAC-SHA-256 under the unit's key (zero where the event is nobody's) over a random nonce and everything the event says, each part behind
/// its length: nobody can test a guess against it without the nonce, and nobody at all once the key is gone.
#[must_use]
pub fn commitment(key: &[u8; 32], nonce: &[u8], seq: i64, at: &str, actor: &str, body: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [nonce, &seq.to_le_bytes(), at.as_bytes(), actor.as_bytes(), body.as_bytes()] {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The log's entry for an event: its number, kind and commitment; no personal data.
#[must_use]
pub fn log_entry(seq: i64, kind: &str, commitment: &[u8]) -> Vec<u8> {
    format!("{{\"v\":1,\"seq\":{seq},\"kind\":\"{kind}\",\"commitment\":\"{}\"}}", hex::encode(commitment)).into_bytes()
}
