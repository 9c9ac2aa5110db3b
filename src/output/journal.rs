//! A CSV file that survives interruption: at all times a beginning of the finished file.

use super::csv_of;
use anyhow::{Context, Result, bail, ensure};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use undetected_onnx::Error;

/// Rows on their way to a file, which takes them in order and one at a time.
///
/// A row that is finished early waits for those before it. Each is handed to the operating system
/// whole, with its line break, so that a killed process leaves whole rows and at most one torn
/// line, which the next run redoes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    next: usize,
    waiting: BTreeMap<usize, String>,
}

impl Journal {
    /// Opens `path` for the rows of `plan`, and returns the rows that it already holds.
    ///
    /// The first `question` columns say what a row is about; those of `plan` are filled, and a row
    /// of the file is taken over where its own are the same.
    ///
    /// # Errors
    /// Where the file cannot be read or written, another process is writing it, or it holds
    /// anything but the beginning of this plan; it is then left as it is.
    pub fn resume<T>(path: &Path, plan: &[T], question: usize) -> Result<(Self, Vec<T>)>
    where
        T: Serialize + DeserializeOwned,
    {
        let (mut file, text) = open(path).with_context(|| format!("cannot use {}", shown(path)))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let planned = csv_of(plan)?;
        let header = planned.lines().next().unwrap_or_default();
        let rows = if whole.is_empty() {
            ensure!(header.starts_with(&text), foreign(path, "it does not start like one"));
            Vec::new()
        } else {
            let found = whole.lines().next();
            ensure!(found == Some(header), foreign(path, "it has other columns"));
            rows_of(whole, &planned, question).map_err(|why| foreign(path, &why))?
        };
        let mut start = || -> std::io::Result<()> {
            file.set_len(whole.len() as u64)?;
            file.seek(SeekFrom::End(0))?;
            if whole.is_empty() { file.write_all(format!("{header}\n").as_bytes()) } else { Ok(()) }
        };
        start().map_err(Error::unwritable(path))?;
        let (path, next, waiting) = (path.to_owned(), rows.len(), BTreeMap::new());
        Ok((Journal { path, file, next, waiting }, rows))
    }

    /// Takes the row at `index` of the plan, and writes every row whose turn it is.
    ///
    /// # Errors
    /// Where the file cannot be written, naming it.
    pub fn push<T: Serialize>(&mut self, index: usize, row: &T) -> Result<()> {
        let text = csv_of(std::slice::from_ref(row))?;
        let line = text.split_inclusive('\n').nth(1).unwrap_or_default();
        self.waiting.insert(index, line.to_owned());
        while let Some(line) = self.waiting.remove(&self.next) {
            self.file.write_all(line.as_bytes()).map_err(Error::unwritable(&self.path))?;
            self.next += 1;
        }
        Ok(())
    }

    /// Waits until the storage has every row.
    ///
    /// # Errors
    /// Where the file cannot be written, naming it.
    pub fn finish(self) -> Result<()> {
        Ok(self.file.sync_all().map_err(Error::unwritable(&self.path))?)
    }
}

/// The file, alone to this process until it is closed, and its text.
fn open(path: &Path) -> Result<(File, String)> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("another process is writing it"),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((file, text))
}

/// The rows of a file, or what in it is not a beginning of what is planned.
fn rows_of<T: DeserializeOwned>(
    found: &str,
    planned: &str,
    question: usize,
) -> Result<Vec<T>, String> {
    let mut found = csv::Reader::from_reader(found.as_bytes());
    let mut planned = csv::Reader::from_reader(planned.as_bytes());
    let header = found.headers().map_err(|error| error.to_string())?.clone();
    let mut planned = planned.records();
    let mut rows = Vec::new();
    for record in found.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let Some(Ok(wanted)) = planned.next() else {
            return Err(format!("line {line} is more than this one asks for"));
        };
        for ((name, found), wanted) in header.iter().zip(&record).zip(&wanted).take(question) {
            if found != wanted {
                let [found, wanted] = [found, wanted].map(or_none);
                return Err(format!("line {line} has {name} {found}, this one {wanted}"));
            }
        }
        let row = record.deserialize(Some(&header));
        rows.push(row.map_err(|error| format!("line {line} is damaged: {error}"))?);
    }
    Ok(rows)
}

fn or_none(cell: &str) -> &str {
    if cell.is_empty() { "none" } else { cell }
}

fn foreign(path: &Path, why: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{} was not made by this command: {why}\n  \
         Name another file, repeat the command that made it, or delete it.",
        shown(path)
    )
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::fs;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Row {
        place: u64,
        method: String,
        value: Option<f64>,
    }

    fn plan(method: &str, places: u64) -> Vec<Row> {
        let row = |place| Row { place, method: method.to_string(), value: None };
        (0..places).map(row).collect()
    }

    fn answer(row: &Row) -> Row {
        Row { value: (row.place != 2).then_some(1.0 / (row.place as f64 + 3.0)), ..row.clone() }
    }

    /// Works off a plan from its end, so that rows have to wait, and returns what was taken over.
    fn work(path: &Path, plan: &[Row]) -> Result<Vec<Row>> {
        let (mut journal, rows) = Journal::resume(path, plan, 2)?;
        for index in (rows.len()..plan.len()).rev() {
            journal.push(index, &answer(&plan[index]))?;
        }
        journal.finish()?;
        Ok(rows)
    }

    /// Wherever the file ends when the process dies, the next run completes it to the same bytes.
    #[test]
    fn resumes_from_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let plan = plan("a", 5);
        assert_eq!(work(&path, &plan).unwrap(), []);
        let finished = fs::read(&path).unwrap();
        assert!(finished.starts_with(b"place,method,value\n0,a,0.3333333333333333\n"));
        for length in 0..=finished.len() {
            fs::write(&path, &finished[..length]).unwrap();
            let rows = work(&path, &plan).unwrap();
            let breaks = finished[..length].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(rows.len(), breaks.saturating_sub(1), "{length} bytes");
            assert!(rows.iter().zip(&plan).all(|(row, asked)| *row == answer(asked)));
            assert_eq!(fs::read(&path).unwrap(), finished, "{length} bytes");
        }
    }

    #[test]
    fn refuses_and_keeps_what_it_did_not_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        work(&path, &plan("a", 3)).unwrap();
        let finished = fs::read_to_string(&path).unwrap();
        let damaged = finished.replace("0.25", "x");
        let other = "name,value\n1,2\n".to_string();
        for (text, asked, part) in [
            (&finished, plan("b", 3), "line 2 has method a, this one b"),
            (&finished, plan("a", 2), "line 4 is more than this one asks for"),
            (&damaged, plan("a", 3), "line 3 is damaged"),
            (&other, plan("a", 3), "other columns"),
            (&"a letter".to_string(), plan("a", 3), "does not start like one"),
        ] {
            fs::write(&path, text).unwrap();
            let error = format!("{:#}", Journal::resume(&path, &asked, 2).unwrap_err());
            assert!(error.contains(part) && error.contains("delete it"), "{error}");
            assert_eq!(&fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let first = Journal::resume(&path, &plan("a", 3), 2).unwrap();
        let error = format!("{:#}", Journal::resume(&path, &plan("a", 3), 2).unwrap_err());
        assert!(error.contains("another process is writing it"), "{error}");
        drop(first);
        assert!(Journal::resume(&path, &plan("a", 3), 2).is_ok());
    }
}
