//! SHA-256 of files of any size.

use std::{fs::File, io::Read, path::Path};

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
