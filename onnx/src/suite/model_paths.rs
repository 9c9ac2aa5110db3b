//! The files that a model's path means: one, or all that fit a pattern.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::refusal::Refusal;

const SIGNS: [char; 3] = ['*', '?', '['];

/// Whether a path that starts at `folder` is a pattern: it has a sign of one, and is no file that is
/// there as it stands.
pub(super) fn is_pattern(folder: &Path, path: &Path) -> bool {
    path.to_string_lossy().contains(SIGNS) && !folder.join(path).exists()
}

/// The files of a path that starts at `folder`; those of a pattern (`*`, `?`, `[...]`, `**`) in the
/// order of their names. A path without signs is one file, there or not.
///
/// # Errors
/// Where the pattern is none, no file fits it, or a folder cannot be looked through.
pub(super) fn model_paths(folder: &Path, path: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let whole = folder.join(path);
    if !is_pattern(folder, path) {
        return Ok(vec![whole]);
    }
    let refuse = |problem: String| {
        Refusal::new("path", problem).called(format!("model: path = \"{}\"", path.display()))
    };
    let found = glob::glob(&pattern(folder, path));
    let found = found.map_err(|error| refuse(format!("is no pattern: {error}")))?;
    let mut paths = found
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(|error| refuse(format!("cannot be followed: {error}")))?;
    paths.sort();
    if paths.is_empty() {
        return Err(refuse(format!("fits no file in {}", start(folder, path).display())));
    }
    Ok(paths)
}

/// What the folder is called is no pattern.
fn pattern(folder: &Path, path: &Path) -> String {
    let folder = Pattern::escape(&folder.to_string_lossy());
    Path::new(&folder).join(path).to_string_lossy().into_owned()
}

/// The folder in which a pattern begins.
fn start(folder: &Path, path: &Path) -> PathBuf {
    let plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(SIGNS);
    let start: PathBuf = folder.components().chain(path.components().take_while(plain)).collect();
    if start.as_os_str().is_empty() { ".".into() } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs in the folder's own name, and in a file's, are no pattern.
    #[test]
    fn files_that_fit_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("models [old]");
        std::fs::create_dir_all(folder.join("more")).unwrap();
        for name in ["b.onnx", "a.onnx", "c.txt", "d[1].onnx", "more/e.onnx"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let names = |path: &str| -> Vec<String> {
            let paths = model_paths(&folder, Path::new(path)).unwrap();
            let name = |path: PathBuf| path.strip_prefix(&folder).unwrap().display().to_string();
            paths.into_iter().map(name).collect()
        };
        assert_eq!(names("*.onnx"), ["a.onnx", "b.onnx", "d[1].onnx"]);
        assert_eq!(names("[ab].onnx"), ["a.onnx", "b.onnx"]);
        assert_eq!(names("**/e.onnx"), ["more/e.onnx"]);
        assert_eq!(names("d[1].onnx"), ["d[1].onnx"]);
        assert_eq!(names("absent.onnx"), ["absent.onnx"]);
        let refused = |path: &str| model_paths(&folder, Path::new(path)).unwrap_err();
        let none = refused("more/x*.onnx");
        assert!(none.field.contains("more/x*.onnx") && none.problem.ends_with("models [old]/more"));
        assert!(refused("***").problem.contains("is no pattern"));
    }
}
