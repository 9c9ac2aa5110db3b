//! Result files: whole or absent.

use std::{
    fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use serde::Serialize;
use undetected_onnx::Error;

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

/// Writes a whole file, in one step as well.
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
    Ok(write().map_err(Error::unwritable(path))?)
}

/// A file of its own name in the folder, readable by whom the user lets read new files.
fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder.tempfile_in(folder)
}

/// A CSV file that grows row by row, and is seen by others only as [`publish`](Self::publish) left
/// it: whole.
pub struct GrowingCsv {
    path: PathBuf,
    writer: csv::Writer<tempfile::NamedTempFile>,
    rows: u64,
    /// Rows and bytes that [`rewind`](Self::rewind) leaves.
    kept: (u64, u64),
}

impl GrowingCsv {
    /// One that is to be at `path`, without a row yet. A file that is there stays until then.
    ///
    /// # Errors
    /// Where the folder cannot be written, naming the file.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = new_file(folder.unwrap_or(Path::new("."))).map_err(Error::unwritable(path))?;
        let writer = csv::Writer::from_writer(file);
        Ok(Self { path: path.to_owned(), writer, rows: 0, kept: (0, 0) })
    }

    /// One row more.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn push<T: Serialize>(&mut self, row: &T) -> std::io::Result<()> {
        self.rows += 1;
        self.writer.serialize(row).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => std::io::Error::other(format!("{other:?}")),
        })
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Where it is to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes back every row since the last [`publish`](Self::publish).
    ///
    /// # Errors
    /// Where it cannot be written, naming the file.
    pub fn rewind(self) -> anyhow::Result<Self> {
        let Self { path, writer, kept: (rows, bytes), .. } = self;
        let rewind = || -> std::io::Result<_> {
            let mut file = writer.into_inner().map_err(|error| error.into_error())?;
            file.as_file().set_len(bytes)?;
            file.seek(std::io::SeekFrom::End(0))?;
            Ok(csv::WriterBuilder::new().has_headers(rows == 0).from_writer(file))
        };
        let writer = rewind().map_err(Error::unwritable(&path))?;
        Ok(Self { path, writer, rows, kept: (rows, bytes) })
    }

    /// Puts what there is so far in its place, in one step; more can follow. Without a row there is
    /// no file: one of an earlier run goes.
    ///
    /// # Errors
    /// Where it cannot be written, naming the file.
    pub fn publish(&mut self) -> anyhow::Result<()> {
        if self.rows == 0 {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::unwritable(&self.path)(error).into())
                }
                _ => Ok(()),
            };
        }
        let mut publish = || -> std::io::Result<()> {
            self.writer.flush()?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut copy = new_file(folder.unwrap_or(Path::new(".")))?;
            std::io::copy(&mut self.writer.get_ref().reopen()?, &mut copy)?;
            copy.as_file().sync_all()?;
            copy.persist(&self.path)?;
            self.kept = (self.rows, self.writer.get_ref().as_file().metadata()?.len());
            Ok(())
        };
        Ok(publish().map_err(Error::unwritable(&self.path))?)
    }
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
