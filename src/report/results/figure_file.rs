//! Figures of a run's folder, read back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// A figure of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureFile {
    /// The file's name without its ending.
    pub name: String,
    /// `image/svg+xml` or `image/png`.
    pub media_type: &'static str,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Width and height in pixels, where the file says them.
    pub size: Option<(u32, u32)>,
    /// What is seen, where the file says it.
    pub title: Option<String>,
    /// The same for who cannot see it, where the file says it.
    pub description: Option<String>,
}

/// The figures in a folder by name; the drawing where there is a picture of it too. None where there
/// is no such folder.
///
/// # Errors
/// Where a file cannot be read.
pub fn read_all(folder: &Path) -> anyhow::Result<Vec<FigureFile>> {
    if !folder.exists() {
        return Ok(vec![]);
    }
    let cannot = || format!("cannot read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()
        .with_context(cannot)?;
    paths.retain(|path| {
        let is = |ending: &str| path.extension().is_some_and(|found| found == ending);
        is("svg") || is("png") && !path.with_extension("svg").exists()
    });
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<FigureFile> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if path.extension().is_some_and(|ending| ending == "png") {
        let size = png_size(&bytes);
        let media_type = "image/png";
        return Ok(FigureFile { name, media_type, bytes, size, title: None, description: None });
    }
    let text = String::from_utf8_lossy(&bytes);
    let (title, description) = (element(&text, "title"), element(&text, "desc"));
    let size = attribute(&text, "width").zip(attribute(&text, "height"));
    Ok(FigureFile { name, media_type: "image/svg+xml", size, title, description, bytes })
}

/// The text of a drawing's first element of this kind.
fn element(svg: &str, name: &str) -> Option<String> {
    let (_, rest) = svg.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescaped(text)).filter(|text| !text.is_empty())
}

/// A whole number among the attributes of the drawing itself.
fn attribute(svg: &str, name: &str) -> Option<u32> {
    let (head, _) = svg.split_once('>')?;
    let (_, rest) = head.split_once(&format!(" {name}=\""))?;
    rest.split_once('"')?.0.parse().ok()
}

/// XML's five entities as what they stand for.
fn unescaped(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'")];
    // The ampersand last: what it brings to light is text.
    entities
        .iter()
        .fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
        .replace("&amp;", "&")
}

/// Width and height from the header chunk, which comes first.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().ok()?;
    let info = reader.info();
    Some((info.width, info.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg width=\"30\" height=\"20\" viewBox=\"0 0 1 1\"><title>A &lt; B</title>\
                       <desc>&quot;x&quot; &amp;amp; y</desc><rect width=\"7\"/></svg>";

    #[test]
    fn a_drawing_goes_before_its_picture_and_says_what_it_shows() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        put("b.svg", SVG.as_bytes());
        put("b.png", b"not looked at");
        put("a.png", b"no picture");
        put("notes.txt", b"");
        let found = read_all(folder.path()).unwrap();
        let names: Vec<_> =
            found.iter().map(|file| (file.name.as_str(), file.media_type)).collect();
        assert_eq!(names, [("a", "image/png"), ("b", "image/svg+xml")]);
        assert_eq!((found[0].size, &found[0].title), (None, &None));
        assert_eq!(found[1].size, Some((30, 20)));
        assert_eq!(found[1].title.as_deref(), Some("A < B"));
        assert_eq!(found[1].description.as_deref(), Some("\"x\" &amp; y"));
        assert_eq!(read_all(&folder.path().join("absent")).unwrap(), []);
    }
}
