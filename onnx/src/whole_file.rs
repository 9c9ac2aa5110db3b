//! Files that are whole or absent: written under another name, then renamed.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Puts a file at `path` that `fill` writes; until then what was there stays.
///
/// # Errors
/// [`Error::Unwritable`] where it cannot be written or `fill` fails; nothing is left behind.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = new_file(folder.unwrap_or(Path::new(".")))?;
        fill(file.as_file_mut())?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(Error::unwritable(path))
}

/// Makes a folder, where it is not there.
///
/// # Errors
/// [`Error::Unwritable`].
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::unwritable(folder))
}

/// A file of its own name, readable by whom the user lets read new files.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder.tempfile_in(folder)
}
