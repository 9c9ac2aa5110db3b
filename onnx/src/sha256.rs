//! SHA-256 of files of any size, and of what is written.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Bytes that are hashed at once.
const BUFFER: usize = 1 << 16;

/// Adds a file's bytes to a digest.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub(crate) fn add_file(digest: &mut Sha256, path: &Path) -> Result<()> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(bytes) => digest.update(&buffer[..bytes]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path)(error)),
        }
    }
}

/// A file's digest in hexadecimal.
///
/// # Errors
/// Those of [`add_file`].
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    add_file(&mut digest, path)?;
    Ok(hex(digest))
}

/// In hexadecimal.
pub(crate) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what `write` writes, which is never in memory as a whole.
///
/// # Errors
/// That of `write`; hashing has none.
pub(crate) fn of_written<E>(
    write: impl FnOnce(&mut BufWriter<Hashing>) -> std::result::Result<(), E>,
) -> std::result::Result<Sha256, E> {
    let mut writer = BufWriter::with_capacity(BUFFER, Hashing(Sha256::new()));
    write(&mut writer)?;
    let hashing = writer.into_inner().unwrap_or_else(|_| unreachable!("hashing cannot fail"));
    Ok(hashing.0)
}

/// A digest that can be written to.
pub(crate) struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
