//! `evaluate report` as its user meets it: one whole page, its links, its errors.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Output,
};

use assert_cmd::Command;

const CHECKPOINT: &str = "onnx/checkpoints/glow-mnist-reweight-small.onnx";
const IMAGES: &str = "onnx/data/mnist-t10k-500-images-idx3-ubyte.gz";

fn evaluate(arguments: &[&str]) -> Output {
    Command::cargo_bin("evaluate")
        .expect("built")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("it starts")
}

/// A run of a few images, with a contact sheet of an attack beside its figures.
fn small_run(out: &Path) {
    let folder = out.to_str().unwrap();
    let arguments =
        ["run", "--model", CHECKPOINT, "--data", IMAGES, "--limit", "80", "--pairs", "4"];
    let more = ["--alphas", "5", "--engine", "tract", "--out", folder];
    let ran = evaluate(&[&arguments[..], &more].concat());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let figures = out.join("figures/glow-mnist-reweight-small");
    fs::copy(figures.join("reliability.png"), figures.join("attack-boundary.png")).unwrap();
}

fn report(out: &Path) -> String {
    let ran = evaluate(&["report", out.to_str().unwrap()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("Written: "));
    fs::read_to_string(out.join("report.html")).unwrap()
}

/// A tag of the page, opened or closed.
struct Tag<'a> {
    name: &'a str,
    is_closing: bool,
    attributes: BTreeMap<&'a str, &'a str>,
}

/// Every tag, in order. Values are quoted, and no text or value holds a bare angle bracket but CSS.
fn tags(page: &str) -> Vec<Tag<'_>> {
    let body = page.strip_prefix("<!DOCTYPE html>").expect("it starts with its type");
    let (head, rest) = body.split_once("<style>").expect("its style is in it");
    let (_, rest) = rest.split_once("</style>").expect("the style ends");
    [head, rest].into_iter().flat_map(|part| part.split('<').skip(1)).map(tag).collect()
}

fn tag(text: &str) -> Tag<'_> {
    let (inside, after) = text.split_once('>').expect("a tag ends");
    assert!(!after.contains('>'), "a bare bracket in '{after}'");
    let is_closing = inside.starts_with('/');
    let inside = inside.trim_start_matches('/');
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut attributes = BTreeMap::new();
    while let Some((key, value)) = rest.split_once("=\"") {
        let (value, more) = value.split_once('"').expect("a value ends");
        assert!(attributes.insert(key.trim(), value).is_none(), "{key} twice in {name}");
        rest = more;
    }
    assert_eq!(rest.trim(), "", "{name}");
    Tag { name, is_closing, attributes }
}

/// Every element is closed in the order in which it was opened.
fn check_nesting(tags: &[Tag<'_>]) {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags.iter().filter(|tag| !["meta", "img"].contains(&tag.name)) {
        match tag.is_closing {
            false => open.push(tag.name),
            true => assert_eq!(open.pop(), Some(tag.name)),
        }
    }
    assert_eq!(open, [""; 0]);
}

fn values<'a>(tags: &'a [Tag<'a>], name: &str, key: &str) -> Vec<&'a str> {
    let named = tags.iter().filter(|tag| tag.name == name && !tag.is_closing);
    named
        .map(|tag| *tag.attributes.get(key).unwrap_or_else(|| panic!("{name} without {key}")))
        .collect()
}

/// One run serves them all.
#[test]
fn the_report_of_a_run() {
    let out = tempfile::tempdir().unwrap();
    small_run(out.path());
    let page = report(out.path());
    let tags = tags(&page);
    check_nesting(&tags);
    check_links(&tags);
    check_figures(&page, &tags, out.path());
    check_that_nothing_is_loaded(&page, &tags);
    check_structure(&tags);
    check_numbers(&page, out.path());
    assert_eq!(page, report(out.path()), "the same every time");
}

fn check_links(tags: &[Tag<'_>]) {
    let ids: Vec<_> = tags.iter().filter_map(|tag| tag.attributes.get("id").copied()).collect();
    let distinct: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an id twice in {ids:?}");
    let links = values(tags, "a", "href");
    assert!(links.len() > 10);
    for link in links {
        assert!(distinct.contains(link.strip_prefix('#').expect("a link within")), "{link}");
    }
}

/// Every figure of the folder once, the drawing rather than its picture, and each with a text.
fn check_figures(page: &str, tags: &[Tag<'_>], out: &Path) {
    let sources = values(tags, "img", "src");
    assert!(sources.iter().all(|source| source.starts_with("data:image/")));
    let figures = fs::read_dir(out.join("figures/glow-mnist-reweight-small")).unwrap();
    let stems: BTreeSet<_> =
        figures.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
    assert_eq!(sources.len(), stems.len());
    assert!(values(tags, "img", "alt").iter().all(|alt| !alt.trim().is_empty()));
    assert!(page.contains("Images before and after: Boundary attack on the classifier"));
}

fn check_that_nothing_is_loaded(page: &str, tags: &[Tag<'_>]) {
    let names: BTreeSet<_> = tags.iter().map(|tag| tag.name).collect();
    for loading in ["script", "link", "iframe", "object", "video", "base"] {
        assert!(!names.contains(loading), "{loading}");
    }
    for remote in ["http:", "https:", "url(", "@import"] {
        assert!(!page.contains(remote), "{remote}");
    }
}

/// What a screen reader goes by.
fn check_structure(tags: &[Tag<'_>]) {
    assert_eq!(values(tags, "html", "lang"), ["en"]);
    let opened = || tags.iter().filter(|tag| !tag.is_closing);
    let level = |tag: &Tag<'_>| tag.name.strip_prefix('h').and_then(|level| level.parse().ok());
    let levels: Vec<u8> = opened().filter_map(level).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    let count = |name: &str| opened().filter(|tag| tag.name == name).count();
    assert_eq!(count("table"), count("caption"));
    assert!(values(tags, "th", "scope").len() > 50);
    let first = opened().find(|tag| tag.name == "a").unwrap();
    assert_eq!(first.attributes["class"], "skip");
}

/// The page and the Markdown say what results.csv says.
fn check_numbers(page: &str, out: &Path) {
    let results = fs::read_to_string(out.join("results.csv")).unwrap();
    let accuracy = results.lines().find(|line| line.contains(",accuracy,")).unwrap();
    let share: f64 = accuracy.split(',').nth(7).unwrap().parse().unwrap();
    let per_cent = format!("{:.2}", 100.0 * share);
    assert!(page.contains(&format!("<span class=\"value\">{per_cent}</span>")), "{per_cent}");
    assert!(page.contains("The paper's counterpart (table 1): 99.0 % at 1.10."));
    let sha256 = "4abc42ddb9caffe689e731ce8f33f95fe488ba2b5c879e7773134017ef06b211";
    assert!(page.contains(sha256), "the model's hash");

    let ran = evaluate(&["report", out.to_str().unwrap(), "--markdown"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(text.matches("## Table").count(), 4);
    assert!(text.contains(&format!("| % Acc | this run | – | {per_cent} [")), "{text}");
}

#[test]
fn what_is_no_run_is_refused_with_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    let refused = |folder: &str| {
        let ran = evaluate(&["report", folder]);
        assert_eq!(ran.status.code(), Some(2));
        assert!(!Path::new(folder).join("report.html").exists());
        String::from_utf8(ran.stderr).unwrap()
    };
    let missing = refused(folder);
    assert!(missing.contains("results.csv") && missing.contains("evaluate run"), "{missing}");
    fs::write(empty.path().join("results.csv"), "model,dataset\n").unwrap();
    let column = refused(folder);
    assert!(column.contains("no column 'task'") && column.contains("run again"), "{column}");
}
