//! Files that are durable before they are visible, and secrets that only their owner can read.

use crate::failure::Failure;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use zeroize::Zeroizing;

/// Writes a file under a temporary name, flushes it, renames it, flushes the folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_with_mode(path, bytes, 0o644)
}

/// The same, readable by its owner alone.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_with_mode(path, bytes, 0o600)
}

fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let attempt = || -> std::io::Result<()> {
        // What an interrupted run left behind would keep its old mode.
        if temporary.exists() {
            fs::remove_file(&temporary)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)
    };
    attempt().map_err(|e| io("write", path, &e))
}

/// Flushes the folder that holds `path`, so that a rename in it survives a power cut.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        // Of a bare name it is empty: the folder one is in.
        Some(folder) if cfg!(unix) => File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all(),
        _ => Ok(()),
    }
}

/// A secret of 32 bytes in a file that only its owner reads; made from the system's generator where absent.
pub(crate) fn secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    match read_secret(path)? {
        Some(key) => Ok(key),
        None => new_secret(path),
    }
}

/// Makes the secret.
pub(crate) fn new_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
    write_with_mode(path, Zeroizing::new(hex::encode(*key)).as_bytes(), 0o600)?;
    Ok(key)
}

/// Reads the secret, where there is one.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => Zeroizing::new(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io("read", path, &e)),
    };
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), &mut *key).map_err(|_| {
        Failure::failed(format!("{} is no key of 64 hexadecimal digits", path.display()))
            .hint("bring the key file back from where you keep it")
    })?;
    Ok(Some(key))
}

/// Overwrites and removes a secret. On storage that copies on write, older blocks may survive: the file system decides.
pub(crate) fn shred(path: &Path) -> Result<(), Failure> {
    let attempt = || -> std::io::Result<()> {
        let length = fs::metadata(path)?.len() as usize;
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(&vec![0; length])?;
        file.sync_all()?;
        fs::remove_file(path)?;
        sync_folder(path)
    };
    match attempt() {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("shred", path, &e)),
        _ => Ok(()),
    }
}

pub(crate) fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| io("create", path, &e))
}

/// A folder that only its owner may enter.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| io("create", path, &e))
}

pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|e| io("read", path, &e))
}

pub(crate) fn io(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::failed(format!("cannot {what} {}: {}", path.display(), plain(error)));
    match error.kind() {
        std::io::ErrorKind::NotFound => failure.hint("check the path; `--dir` names the workspace"),
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            failure.hint("choose a folder that you may write to, with `--dir`")
        }
        std::io::ErrorKind::StorageFull => failure.hint("free some space and run the same command again: nothing was lost"),
        _ => failure,
    }
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
