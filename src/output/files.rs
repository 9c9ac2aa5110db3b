//! Result files: whole or absent.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, ensure};
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
    write_bytes(path, text.as_bytes())
}

/// Writes bytes, in one step as well.
///
/// # Errors
/// Where the folder cannot be written, naming the file.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = new_file(folder.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
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

/// Makes a new folder, in one step as well: `fill` writes its files into another one beside it.
///
/// # Errors
/// Where `path` exists, its parent cannot be written, or `fill` fails; nothing is left behind.
pub fn write_folder<T>(
    path: &Path,
    fill: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    ensure_absent(path)?;
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let cannot = || format!("cannot write {}", path.display());
    fs::create_dir_all(parent).with_context(cannot)?;
    let work = tempfile::tempdir_in(parent).with_context(cannot)?;
    // A folder in the private one, so that it gets the rights that the user's folders get.
    let filled = work.path().join("filled");
    fs::create_dir(&filled).with_context(cannot)?;
    let result = fill(&filled)?;
    ensure_absent(path)?;
    fs::rename(&filled, path).with_context(cannot)?;
    Ok(result)
}

/// Refuses a path where something is.
///
/// # Errors
/// Where it exists, naming it and the remedy.
pub fn ensure_absent(path: &Path) -> anyhow::Result<()> {
    let exists = fs::symlink_metadata(path).is_ok();
    ensure!(!exists, "{} exists already; name another folder or delete it", path.display());
    Ok(())
}
