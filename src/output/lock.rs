//! One run at a time in a folder of results.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use anyhow::{Context, bail};

/// A folder that this process alone writes to, until it is dropped or the process ends.
pub struct FolderLock(#[allow(dead_code)] File);

impl FolderLock {
    /// Makes the folder if it is not there, takes it, and removes what an interrupted run has left
    /// half written in it.
    ///
    /// # Errors
    /// Where it cannot be written, or another process has it.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        let shown = folder.display();
        fs::create_dir_all(folder).with_context(|| format!("cannot make {shown}"))?;
        let file = File::create(folder.join(".lock"))
            .with_context(|| format!("cannot write into {shown}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another process is writing to {shown}; wait for it, or name another folder with --out"
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {shown}"));
            }
        }
        for folder in [folder, &folder.join("units")] {
            remove_leftovers(folder)?;
        }
        Ok(Self(file))
    }
}

/// Files of the names that temporary ones have.
fn remove_leftovers(folder: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(".tmp") && path.is_file() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
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
        fs::write(out.join(".tmpabc"), "half").unwrap();
        fs::write(out.join("results.csv"), "whole").unwrap();
        drop(first);
        let _again = FolderLock::take(&out).unwrap();
        assert!(!out.join(".tmpabc").exists() && out.join("results.csv").exists());
    }
}
