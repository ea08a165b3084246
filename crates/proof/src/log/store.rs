//! The log's folder: bounded reads, durable writes, and nothing that knows what a tile means.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::Error;

/// Ending of a file that is still being written.
pub(crate) const UNFINISHED: &str = ".tmp";

pub(crate) struct Store {
    root: PathBuf,
    /// Folders whose listing changed since the last [`Self::sync_folders`].
    changed: BTreeSet<PathBuf>,
    /// How many more file operations succeed: the crash tests' hook.
    #[cfg(test)]
    pub(crate) steps_left: Option<usize>,
}

impl Store {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            changed: BTreeSet::new(),
            #[cfg(test)]
            steps_left: None,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The file's bytes, `None` where there is no such file. More than `most` bytes come back as `most + 1`.
    pub(crate) fn read(&self, file: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let path = self.root.join(file);
        let opened = match File::open(&path) {
            Ok(opened) => opened,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(Error::io(path)(e)),
        };
        let mut bytes = Vec::new();
        opened.take(most as u64 + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
        Ok(Some(bytes))
    }

    /// Puts the file in place whole: written beside, synced, renamed. Its folder is synced with
    /// [`Self::sync_folders`].
    pub(crate) fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.root.join(file);
        let beside = self.root.join(format!("{file}{UNFINISHED}"));
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let whole = self.step();
        let written = File::create(&beside).and_then(|mut out| {
            out.write_all(if whole.is_ok() { bytes } else { &bytes[..bytes.len() / 2] })?;
            out.sync_all()
        });
        written.map_err(Error::io(&beside))?;
        whole?;
        self.step()?;
        fs::rename(&beside, &path).map_err(Error::io(&path))?;
        self.touch(file);
        Ok(())
    }

    pub(crate) fn remove(&mut self, file: &str) -> Result<(), Error> {
        self.step()?;
        let path = self.root.join(file);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io(path)(e)),
            _ => self.touch(file),
        }
        if let Some(folder) = path.parent().filter(|folder| folder.extension().is_some_and(|e| e == "p")) {
            // fails while other unfilled tiles remain, as it should
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Marks the folders above a file for the next [`Self::sync_folders`].
    pub(crate) fn touch(&mut self, file: &str) {
        let folders = Path::new(file).ancestors().skip(1).map(|folder| self.root.join(folder));
        self.changed.extend(folders);
    }

    /// Makes every rename and removal so far durable.
    pub(crate) fn sync_folders(&mut self) -> Result<(), Error> {
        self.step()?;
        for folder in std::mem::take(&mut self.changed) {
            if cfg!(unix) && folder.exists() {
                File::open(&folder).and_then(|open| open.sync_all()).map_err(Error::io(folder))?;
            }
        }
        Ok(())
    }

    /// Every path under the folder that is not a folder, `/`-separated, and whether it is an ordinary file.
    pub(crate) fn list(&self) -> Result<Vec<(String, bool)>, Error> {
        let mut found = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            let listing = match fs::read_dir(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                listing => listing.map_err(Error::io(&path))?,
            };
            for item in listing {
                let item = item.map_err(Error::io(&path))?;
                let kind = item.file_type().map_err(Error::io(item.path()))?;
                let name = item.file_name();
                let name = name.to_string_lossy();
                let relative = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
                if kind.is_dir() {
                    folders.push(relative);
                } else {
                    found.push((relative, kind.is_file()));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Where the crash tests stop.
    #[cfg(not(test))]
    fn step(&self) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&mut self) -> Result<(), Error> {
        match &mut self.steps_left {
            Some(0) => Err(Error::io(&self.root)(std::io::Error::other("the test stops here"))),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
