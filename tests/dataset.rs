//! `evaluate dataset bg-digits` as its user meets it: files, messages, exit status.

use std::{fs, path::Path};

use assert_cmd::Command;

/// What a run printed, and how it ended.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn bg_digits(folder: &Path, blur: &str, out: &str, threads: &str) -> Ran {
    let output = Command::cargo_bin("evaluate")
        .expect("built")
        .current_dir(folder)
        .env("RAYON_NUM_THREADS", threads)
        .args(["dataset", "bg-digits", "--digits", "digits", "--backgrounds", "photographs"])
        .args(["--blur", blur, "--out", out, "--seed", "3", "--npz"])
        .output()
        .expect("it starts");
    Ran {
        status: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let header = [0, 0, 8, dims.len() as u8].into_iter();
    header.chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).chain(bytes.to_vec()).collect()
}

/// Digits of 4 x 4 pixels, 20 and 10 of them, and six photographs.
fn given() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("digits")).unwrap();
    for (part, count) in [("train", 20_u8), ("t10k", 10)] {
        let pixel = |index: usize| if index.is_multiple_of(5) { 50 } else { 0 };
        let pixels: Vec<u8> = (0..16 * usize::from(count)).map(pixel).collect();
        let labels: Vec<u8> = (0..count).map(|index| index % 10).collect();
        let images = idx(&[count.into(), 4, 4], &pixels);
        fs::write(path(&format!("digits/{part}-images-idx3-ubyte")), images).unwrap();
        let labels = idx(&[count.into()], &labels);
        fs::write(path(&format!("digits/{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    fs::create_dir(path("photographs")).unwrap();
    for which in 1..=6_u32 {
        let value = |index: u32| (index * index * which / 64 % 256) as u8;
        let file = fs::File::create(path(&format!("photographs/{which}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, 48, 40);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&(0..48 * 40).map(value).collect::<Vec<_>>()).unwrap();
    }
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_same_files_from_any_number_of_threads() {
    let folder = given();
    for (out, threads) in [("one", "1"), ("three", "3")] {
        let ran = bg_digits(folder.path(), "1", out, threads);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for part in ["blur 1 px, seed 3", "split by the seed", "train", "t10k", "contact-sheet.png"]
        {
            assert!(ran.stdout.contains(part), "'{part}' is missing in {}", ran.stdout);
        }
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 120), "{}", ran.stdout);
    }
    let [one, three] = ["one", "three"].map(|out| folder.path().join(out));
    let expected = [
        "contact-sheet.png",
        "manifest.json",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        "test.npz",
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "train.npz",
    ];
    assert_eq!(names(&one), expected);
    for name in expected {
        let [one, three] = [&one, &three].map(|out| fs::read(out.join(name)).unwrap());
        assert!(one == three, "{name} depends on the number of threads");
    }
    let labels = fs::read(one.join("t10k-labels-idx1-ubyte")).unwrap();
    assert_eq!(labels, fs::read(folder.path().join("digits/t10k-labels-idx1-ubyte")).unwrap());
}

#[test]
fn bad_input_is_one_message_and_leaves_nothing() {
    let folder = given();
    let before = names(folder.path());
    let refused = |blur: &str, out: &str, part: &str| {
        let ran = bg_digits(folder.path(), blur, out, "1");
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(part), "no '{part}' in {}", ran.stderr);
    };
    refused("-1", "out", "--blur: -1 does not lie between 0 and 4");
    refused("nan", "out", "--blur: NaN does not lie");
    refused("1", "digits", "digits exists already; name another folder");
    assert_eq!(names(folder.path()), before);
    fs::write(folder.path().join("photographs/7.jpg"), "text").unwrap();
    refused("1", "out", "1 of 7 photographs");
    fs::remove_dir_all(folder.path().join("photographs")).unwrap();
    refused("1", "out", "photographs: ");
    fs::remove_file(folder.path().join("digits/train-labels-idx1-ubyte")).unwrap();
    refused("1", "out", "fetch mnist");
    assert_eq!(names(folder.path()), ["digits"]);
}
