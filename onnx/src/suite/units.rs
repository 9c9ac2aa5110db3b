//! Work that is done: small results in files of their own, so that an interrupted run goes on.

use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use blake3::{Hasher, OUT_LEN};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    whole_file,
};

/// Bytes that are hashed at once: what comes number by number takes seven times as long without.
const BUFFER: usize = 1 << 16;

/// A folder of finished units of work.
///
/// A unit is found by the BLAKE3 hash of everything that its result depends on: another model, setting,
/// seed, engine or version is another unit, and what was computed for one is never taken for the
/// other. A file comes into its place whole, by renaming, and begins with the hash of the rest.
#[derive(Debug, Clone)]
pub struct Units {
    folder: PathBuf,
}

impl Units {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// [`Error::Unwritable`] where it cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        whole_file::make_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The result of a unit, if it is done.
    ///
    /// # Errors
    /// [`Error::Io`] where its file cannot be read, [`Error::Setting`] where it is damaged.
    pub fn load<T: DeserializeOwned>(&self, unit: &Unit) -> Result<Option<T>> {
        let path = self.path(unit);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path)(error)),
        };
        let damaged = || {
            let problem = "is damaged; delete it, and what it holds is computed again";
            Error::setting(path.display().to_string(), problem)
        };
        let (digest, payload) = bytes.split_at_checked(OUT_LEN).ok_or_else(damaged)?;
        if digest != blake3::hash(payload).as_slice() {
            return Err(damaged());
        }
        postcard::from_bytes(payload).map(Some).map_err(|_| damaged())
    }

    /// Puts the result of a unit in its place.
    ///
    /// # Errors
    /// [`Error::Unwritable`]; what was there before still is.
    pub fn save<T: Serialize>(&self, unit: &Unit, result: &T) -> Result<()> {
        self.put(unit, &encode(result))
    }

    /// [`save`](Self::save) of what is encoded already.
    pub(super) fn put(&self, unit: &Unit, payload: &[u8]) -> Result<()> {
        whole_file::write(&self.path(unit), |file| {
            file.write_all(blake3::hash(payload).as_slice())?;
            file.write_all(payload)
        })
    }

    fn path(&self, unit: &Unit) -> PathBuf {
        self.folder.join(format!("{}.unit", unit.0))
    }
}

/// The name of a unit of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit(String);

impl Unit {
    /// That of a result which depends on `basis` and nothing else.
    pub fn of(basis: &impl Serialize) -> Self {
        let mut hasher = Hasher::new();
        let writer = BufWriter::with_capacity(BUFFER, &mut hasher);
        let written = postcard::to_io(basis, writer).map(|mut writer| writer.flush());
        written.expect("results have lengths that are known").expect("hashing cannot fail");
        let mut name = hasher.finalize().to_hex().to_string();
        name.truncate(OUT_LEN); // half of the hash, two letters a byte
        Self(name)
    }
}

/// The bytes of a result in its file.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("results have lengths that are known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let units = Units::open(&folder.path().join("units")).unwrap();
        let unit = Unit::of(&("model", 1_u64));
        assert_eq!(units.load::<Vec<f64>>(&unit).unwrap(), None);
        let values = vec![0.1 + 0.2, f64::MIN_POSITIVE / 3.0, -0.0, f64::NEG_INFINITY];
        units.save(&unit, &values).unwrap();
        let found: Vec<f64> = units.load(&unit).unwrap().unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(&values));
        assert_eq!(units.load::<Vec<f64>>(&Unit::of(&("model", 2_u64))).unwrap(), None);
    }

    /// Wherever a file is cut or changed, it is said so, and never read as a result.
    #[test]
    fn damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let units = Units::open(folder.path()).unwrap();
        let unit = Unit::of(&1_u64);
        units.save(&unit, &vec![1.0_f64, 2.0]).unwrap();
        let path = units.path(&unit);
        let whole = fs::read(&path).unwrap();
        let changed = |place: usize| {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            bytes
        };
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        for bytes in cut.chain((0..whole.len()).map(changed)) {
            fs::write(&path, bytes).unwrap();
            let error = units.load::<Vec<f64>>(&unit).unwrap_err().to_string();
            assert!(error.contains("damaged; delete it"), "{error}");
        }
    }
}
