//! Result files: whole or absent.

use std::{io::Write, path::Path};

use anyhow::Context;
use serde::Serialize;

/// Rows as CSV text with a header.
///
/// # Errors
/// Where a row is not flat.
pub fn csv_of<T: Serialize>(rows: &[T]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Writes rows as CSV, in one step: a reader, or a crash, never sees half a file.
///
/// # Errors
/// Where the folder cannot be written, naming the file.
pub fn write_csv<T: Serialize>(path: &Path, rows: &[T]) -> anyhow::Result<()> {
    write_text(path, &csv_of(rows)?)
}

/// Writes a text, in one step as well.
///
/// # Errors
/// Where the folder cannot be written, naming the file.
pub fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = new_file(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A file of its own name in the folder, readable by whom the user lets read new files.
fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder.tempfile_in(folder)
}
