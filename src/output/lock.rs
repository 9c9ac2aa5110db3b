//! One run at a time in a folder of results.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use undetected_onnx::Error;

/// A folder that this process alone writes to, until it is dropped or the process ends.
pub struct FolderLock(#[allow(dead_code)] File);

impl FolderLock {
    /// Makes the folder if it is not there, takes it, and removes what an interrupted run has left
    /// half written in it.
    ///
    /// The lock is the operating system's and ends with the process, however that ends: a killed run
    /// locks nobody out. Between machines it holds where the file system shares locks (NFS from
    /// version 4 on).
    ///
    /// # Errors
    /// Where it cannot be written, or another process has it.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        let shown = folder.display();
        fs::create_dir_all(folder).map_err(Error::unwritable(folder))?;
        let path = folder.join(".lock");
        let file = File::create(&path).map_err(Error::unwritable(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another process is writing to {shown}; wait for it, or name another folder with --out"
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {shown}"));
            }
        }
        remove_leftovers(folder)?;
        Ok(Self(file))
    }
}

/// Removes files of the names that temporary ones have from this folder, its folder of units and those
/// of its models.
fn remove_leftovers(folder: &Path) -> anyhow::Result<()> {
    let mut folders = vec![folder.to_owned(), folder.join("units")];
    for kind in ["attacks", "detectors", "figures"] {
        folders.extend(entries(&folder.join(kind))?.into_iter().filter(|path| path.is_dir()));
    }
    for folder in folders {
        for path in entries(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".tmp") && path.is_file() {
                fs::remove_file(&path).map_err(Error::unwritable(&path))?;
            }
        }
    }
    Ok(())
}

/// What is in a folder; nothing is in one that is not there, or is a file.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(vec![]);
        }
        found => found.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()),
    };
    found.with_context(|| format!("cannot read {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let first = FolderLock::take(&out).unwrap();
        let Err(error) = FolderLock::take(&out) else { panic!("taken twice") };
        assert!(error.to_string().contains("another process is writing"), "{error}");
        fs::create_dir_all(out.join("attacks/a")).unwrap();
        fs::write(out.join("attacks/a/.tmpdef"), "half").unwrap();
        fs::write(out.join(".tmpabc"), "half").unwrap();
        fs::write(out.join("results.csv"), "whole").unwrap();
        drop(first);
        let _again = FolderLock::take(&out).unwrap();
        assert!(!out.join(".tmpabc").exists() && out.join("results.csv").exists());
        assert!(!out.join("attacks/a/.tmpdef").exists());
    }
}
