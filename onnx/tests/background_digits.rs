//! Background digits: each step against a second method, the split, and the data set as a whole.

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use common::message;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use undetected_onnx::{
    dataset::{
        Images, Pixels,
        background_digits::{
            BackgroundDigits, Backgrounds, Blur, Digits, Grey, LONG_SIDE, MANIFEST, SCALES, Source,
            Split, SplitBy, Window, decode, luma, overlay, rounded,
        },
    },
    model::ImageShape,
};
use undetected_theory::Streams;

/// A 20 x 12 gradient of colours as JPEG: subsampled, the same in progressive scans, and its luma.
/// Written by Pillow 12 at quality 90.
const JPEGS: [&str; 3] = [
    "\
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R\
    DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU\
    FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAMABQDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAA\
    CAAG/8QAHxAAAQMEAwEAAAAAAAAAAAAAAAEFIwQGB6EDEjIi/8QAFgEBAQEAAAAAAAAAAAAAAAAACAYH/8QAHhEA\
    AAUFAQAAAAAAAAAAAAAAAAIEBjEBAwcTIiH/2gAMAwEAAhEDEQA/ADuy4c8waN8yYc8waEMyWu3/ADCb1kthvXrC\
    WDuyYt6kZ8xHuq4kHCkw5CkGiGHS2w3pwpCQaruTFuw3lZDBsPdVqLMD/9k=",
    "\
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R\
    DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU\
    FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAMABQDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAA\
    BwAF/8QAFgEBAQEAAAAAAAAAAAAAAAAABwUG/9oADAMBAAIQAxAAAAE730PesZ44mGNGH//EABoQAAIDAQEAAAAA\
    AAAAAAAAAAADAgQFESH/2gAIAQEAAQUCTjiccjj+JqrE1lkay+f/xAAaEQACAgMAAAAAAAAAAAAAAAAABQEDAhIh\
    /9oACAEDAQE/AUTu3hg7t1g//8QAGxEAAQQDAAAAAAAAAAAAAAAAAAECAwYFEiH/2gAIAQIBAT8By9mm6Os02yn/\
    xAAVEAEBAAAAAAAAAAAAAAAAAAAAMf/aAAgBAQAGPwKIiIj/xAAXEAADAQAAAAAAAAAAAAAAAAAAECEx/9oACAEB\
    AAE/IczmvyGZd//aAAwDAQACAAMAAAAQFO//xAAXEQEAAwAAAAAAAAAAAAAAAAAAMUFR/9oACAEDAQE/EN1eof/E\
    ABcRAAMBAAAAAAAAAAAAAAAAAAABMVH/2gAIAQIBAT8Q0iUdP//EABkQAAIDAQAAAAAAAAAAAAAAAAABECHxwf/a\
    AAgBAQABPxDFM0rcxB4EkH//2Q==",
    "\
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R\
    DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAMABQBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABgcI/8QAHxAA\
    AQMEAwEAAAAAAAAAAAAABQABIwQGB6EDEjIi/9oACAEBAAA/AM7hcOeYNJ8Ew55g0mlJhyFoNKpBLXH/ADCnoS2B\
    79YU0pbYHtwtCv/Z",
];
/// Column, row and what Pillow reads there as luma, the same in all three.
const JPEG_LUMA: [(usize, usize, i32); 6] =
    [(0, 0, 29), (19, 0, 83), (0, 11, 147), (19, 11, 201), (9, 5, 108), (10, 6, 123)];

/// Digits have this side in most tests here.
const SIDE: usize = 4;

fn png(width: u32, colour: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let height = samples.len() as u32 / width / colour.samples() as u32;
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A photograph of one grey value, by which it can be told in whatever is made of it.
fn flat(grey: u8) -> Vec<u8> {
    png(40, png::ColorType::Grayscale, &[grey; 40 * 36])
}

type NamedFile<'a> = (&'a str, Vec<u8>);

fn folder_of(files: &[NamedFile]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// `count` photographs of the grey values 10, 20, ... under names that `name` gives.
fn flat_photographs(count: u8, name: impl Fn(u8) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 1..=count {
        fs::write(folder.path().join(name(index)), flat(10 * index)).unwrap();
    }
    folder
}

fn images(count: usize, pixel: impl Fn(usize) -> u8) -> Images {
    Images {
        name: "digits".to_owned(),
        path: None,
        shape: ImageShape { channels: 1, height: SIDE, width: SIDE },
        pixels: Pixels::Bytes((0..count * SIDE * SIDE).map(pixel).collect()),
        labels: Some((0..count).map(|index| index % 10).collect()),
    }
}

fn write_digits(folder: &Path, train: &Images, test: &Images) {
    for (part, images) in [("train", train), ("t10k", test)] {
        let path = |kind: &str| folder.join(format!("{part}-{kind}-ubyte"));
        images.write_idx(&path("images-idx3"), &path("labels-idx1")).unwrap();
    }
}

fn digits_of(train: &Images, test: &Images) -> Digits {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), train, test);
    Digits::open(folder.path()).unwrap()
}

/// Digits that are all background.
fn blank(count: usize) -> Digits {
    digits_of(&images(count, |_| 0), &images(count, |_| 0))
}

fn make(digits: Digits, split: &Split, blur: f64, seed: u64) -> BackgroundDigits {
    let blur = Blur::new(blur, digits.side()).unwrap();
    BackgroundDigits::make(digits, split, &blur, seed, &|| {})
}

fn bytes(images: &Images) -> &[u8] {
    match &images.pixels {
        Pixels::Bytes(bytes) => bytes,
        Pixels::Unit(_) => panic!("bytes were expected"),
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn greys(images: &Images) -> BTreeSet<u8> {
    bytes(images).iter().copied().collect()
}

#[test]
fn luma_of_rec_601() {
    let of = |colour| luma(&colour);
    assert_eq!([of([255, 255, 255]), of([0, 0, 0]), of([100, 100, 100])], [255, 0, 100]);
    assert_eq!([of([255, 0, 0]), of([0, 255, 0]), of([0, 0, 255])], [76, 150, 29]);
    for colour in [[1_u8, 2, 3], [200, 17, 90], [254, 255, 250]] {
        let [red, green, blue] = colour.map(f64::from);
        assert_eq!(f64::from(of(colour)), (0.299 * red + 0.587 * green + 0.114 * blue).round());
    }
}

#[test]
fn three_pixels_become_two_by_area() {
    let grey = Grey::new(3, vec![10, 40, 100]);
    // Each of the two covers one pixel and half of the middle one.
    let expected = [(10.0 + 20.0) / 1.5, (20.0 + 100.0) / 1.5];
    assert_eq!(grey.shrunk(grey.whole(), 2, 1), expected);
}

proptest! {
    /// The second way: repeat every pixel `width` times along a row and `height` times along a
    /// column, so that the smaller image's pixels are whole blocks, and average those.
    #[test]
    fn shrinking_is_averaging_blocks_of_the_enlarged_window(
        pixels in proptest::collection::vec(any::<u8>(), 9 * 7),
        left in 0_usize..3, top in 0_usize..2, width in 1_usize..=6, height in 1_usize..=5,
    ) {
        let window = Window { left, top, width: 6, height: 5 };
        let grey = Grey::new(9, pixels.clone());
        let found = grey.shrunk(window, width, height);
        for (index, value) in found.iter().enumerate() {
            let (row, column) = (index / width, index % width);
            let mut sum = 0.0;
            for y in row * 5..(row + 1) * 5 {
                for x in column * 6..(column + 1) * 6 {
                    sum += f64::from(pixels[(top + y / height) * 9 + left + x / width]);
                }
            }
            // Means of at most 30 whole numbers: a few roundings of 255.
            prop_assert!((value - sum / 30.0).abs() < 1e-12 * 255.0);
        }
    }

    #[test]
    fn the_overlay_keeps_every_stroke_and_takes_the_rest_from_the_background(
        digit in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 16),
        background in proptest::collection::vec(any::<u8>(), 16),
    ) {
        let mut image = digit.clone();
        overlay(&mut image, &background);
        for index in 0..16 {
            let stroke = digit[index] > 0;
            prop_assert_eq!(image[index], if stroke { digit[index] } else { background[index] });
        }
    }

    /// The second way: one sum over the whole plane, in which the image repeats mirrored.
    #[test]
    fn the_blur_is_the_direct_convolution(
        image in proptest::collection::vec(0.0..255.0_f64, SIDE * SIDE),
        bandwidth in 0.2..=4.0_f64,
    ) {
        let filtered = Blur::new(bandwidth, SIDE).unwrap().apply(image.clone(), SIDE);
        let radius = (4.0 * bandwidth + 0.5).floor() as i64;
        let mirrored = |place: i64| {
            let tile = place.div_euclid(SIDE as i64);
            let inside = place.rem_euclid(SIDE as i64) as usize;
            if tile % 2 == 0 { inside } else { SIDE - 1 - inside }
        };
        let reach = || -radius..=radius;
        let weight = |y: i64, x: i64| (-((y * y + x * x) as f64) / (2.0 * bandwidth * bandwidth)).exp();
        let total: f64 = reach().flat_map(|y| reach().map(move |x| weight(y, x))).sum();
        for (index, value) in filtered.iter().enumerate() {
            let (row, column) = ((index / SIDE) as i64, (index % SIDE) as i64);
            let mut sum = 0.0;
            for y in reach() {
                for x in reach() {
                    sum += weight(y, x) * image[mirrored(row + y) * SIDE + mirrored(column + x)];
                }
            }
            // At most 33^2 terms of one sign: far fewer than 1e4 roundings.
            prop_assert!((value - sum / total).abs() <= 1e4 * f64::EPSILON * 255.0);
        }
        // Mirroring gives every pixel the same weight in all: no grey is lost or gained.
        let sums = [&image, &filtered].map(|pixels| pixels.iter().sum::<f64>());
        prop_assert!((sums[0] - sums[1]).abs() < 1e-9 * sums[0].max(1.0));
    }
}

#[test]
fn the_blur_is_scipys() {
    let table = fs::read_to_string(common::shipped("tests/reference/gaussian_filter.csv")).unwrap();
    let pixel = |index: usize| {
        ((37 * (index / 8) + 101 * (index % 8) + 53 * (index / 8) * (index % 8)) % 256) as f64
    };
    let image: Vec<f64> = (0..64).map(pixel).collect();
    let mut compared = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let filtered = Blur::new(cells[0], 8).unwrap().apply(image.clone(), 8);
        let value = filtered[8 * cells[1] as usize + cells[2] as usize];
        assert!((value - cells[3]).abs() < 1e-11, "{line}: {value}");
        compared += 1;
    }
    assert_eq!(compared, 3 * 64);
}

#[test]
fn no_blur_changes_nothing_and_impossible_ones_are_refused() {
    let image = vec![1.0, 250.0, 3.0, 77.0];
    assert_eq!(Blur::new(0.0, 2).unwrap().apply(image.clone(), 2), image);
    for bandwidth in [-1.0, f64::NAN, f64::INFINITY, 28.5] {
        let text = message(Blur::new(bandwidth, 28));
        assert!(text.contains("--blur") && text.contains("between 0 and 28"), "{text}");
    }
}

#[test]
fn jpeg_is_read_as_pillow_reads_it() {
    for text in JPEGS {
        let grey = decode(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
        assert_eq!((grey.width(), grey.height()), (20, 12));
        for (column, row, expected) in JPEG_LUMA {
            let found = i32::from(grey.pixels()[row * 20 + column]);
            // JPEG leaves the rounding of transform and colours to the decoder.
            assert!((found - expected).abs() <= 2, "({column}, {row}): {found}, {expected}");
        }
    }
}

#[test]
fn png_of_every_colour() {
    let colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
    let expected = Grey::new(2, vec![76, 150, 29, 9]);
    assert_eq!(decode(&png(2, png::ColorType::Rgb, &colours)).unwrap(), expected);
    let grey = png(2, png::ColorType::Grayscale, expected.pixels());
    assert_eq!(decode(&grey).unwrap(), expected);
    let with = |opacity: u8| {
        let pixels = colours.as_chunks::<3>().0.iter();
        pixels.flat_map(|&[r, g, b]| [r, g, b, opacity]).collect::<Vec<_>>()
    };
    assert_eq!(decode(&png(2, png::ColorType::Rgba, &with(255))).unwrap(), expected);
    let refused = decode(&png(2, png::ColorType::Rgba, &with(254))).unwrap_err();
    assert!(refused.contains("transparent"), "{refused}");
}

#[test]
fn large_photographs_are_shrunk_to_the_long_side_and_small_ones_left() {
    let limited = |width: usize, height: usize| {
        let grey = Grey::new(width, vec![7; width * height]).limited(LONG_SIDE);
        assert!(grey.pixels().iter().all(|&pixel| pixel == 7));
        (grey.width(), grey.height())
    };
    assert_eq!(limited(1024, 640), (512, 320));
    assert_eq!(limited(300, 900), (171, 512));
    assert_eq!(limited(512, 40), (512, 40));
    assert_eq!(limited(2000, 1), (512, 1));
}

/// Pictures, scales and places are drawn evenly. A ramp tells all three: its step from pixel to
/// pixel is 1/4 in one picture and 1/8 in the other, times the scale.
#[test]
fn pictures_scales_and_places_are_uniform() {
    let ramp = |divisor: usize| {
        Grey::new(240, (0..240 * 64).map(|index| (index % 240 / divisor) as u8).collect())
    };
    // Multiples of 8, so that averages over a window of either ramp have exact steps.
    let windows = vec![8 * SIDE, 16 * SIDE];
    let backgrounds = Backgrounds::new(vec![ramp(4), ramp(8)], windows, SIDE);
    let (streams, draws) = (Streams::new(1, "test"), 4000);
    let mut counts = std::collections::BTreeMap::<i64, usize>::new();
    let mut left = Vec::new();
    for index in 0..draws {
        let drawn = backgrounds.draw(&mut streams.get(index));
        let step = (drawn[3] - drawn[0]) / 3.0;
        *counts.entry((8.0 * step).round() as i64).or_default() += 1;
        if (step - 2.0).abs() < 0.1 && drawn[0] < 20.0 {
            left.push(drawn[0]);
        }
    }
    // Steps 8/8 and 16/8 from one picture, 8/4 and 16/4 from the other.
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [8, 16, 32]);
    for (step, share) in [(8, 0.25), (16, 0.5), (32, 0.25)] {
        let (expected, n) = (share * draws as f64, draws as f64);
        // Five standard deviations of a binomial: fails by chance once in a million seeds.
        let allowed = 5.0 * (n * share * (1.0 - share)).sqrt();
        assert!((counts[&step] as f64 - expected).abs() < allowed, "{step}: {counts:?}");
    }
    let mean = left.iter().sum::<f64>() / left.len() as f64;
    assert!(left.len() > 500 && (5.0..16.0).contains(&mean), "{} of mean {mean}", left.len());
}

#[test]
fn windows_that_do_not_fit_are_not_drawn() {
    let backgrounds = Backgrounds::new(vec![Grey::new(40, vec![9; 40 * 9])], vec![32, 8, 16], SIDE);
    for index in 0..50 {
        assert_eq!(backgrounds.draw(&mut Streams::new(0, "test").get(index)), [9.0; 16]);
    }
}

fn files(split: &Split) -> (SplitBy, Vec<&str>, Vec<&str>) {
    match &split.source {
        Source::Cifar10 { .. } => panic!("photographs were expected"),
        Source::Photographs { split_by, train, test, .. } => {
            let train = train.iter().map(|file| file.file.as_str()).collect();
            let test = test.iter().map(|file| file.file.as_str()).collect();
            (*split_by, train, test)
        }
    }
}

/// The images themselves are asked, not the record: photographs of one grey value each.
#[test]
fn no_photograph_is_behind_both_training_and_test_digits() {
    let folder = flat_photographs(24, |index| format!("{index}.png"));
    for seed in 0..5 {
        let split = Split::open(folder.path(), SIDE, seed).unwrap();
        let made = make(blank(300), &split, 0.0, seed);
        let (train, test) = (greys(&made.train), greys(&made.test));
        assert_eq!((train.len(), test.len()), (20, 4), "seed {seed}");
        assert!(train.is_disjoint(&test), "seed {seed}");
        let (by, of_train, of_test) = files(&split);
        assert_eq!((by, of_train.len(), of_test.len()), (SplitBy::Seed, 20, 4));
    }
}

#[test]
fn the_split_depends_on_the_seed_and_on_contents_alone() {
    let made = |folder: &tempfile::TempDir, seed| {
        let split = Split::open(folder.path(), SIDE, seed).unwrap();
        let made = make(blank(40), &split, 1.0, seed);
        (bytes(&made.train).to_vec(), bytes(&made.test).to_vec())
    };
    let one = flat_photographs(12, |index| format!("{index}.png"));
    let renamed = flat_photographs(12, |index| format!("x{}.PNG", 99 - index));
    assert_eq!(made(&one, 3), made(&renamed, 3));
    assert_ne!(made(&one, 3), made(&one, 4));
}

#[test]
fn folders_named_train_and_test_are_the_split() {
    let folder = folder_of(&[
        ("train/a.png", flat(10)),
        ("train/deeper/b.jpeg", BASE64_STANDARD.decode(JPEGS[0]).unwrap()),
        ("test/c.png", flat(30)),
        ("LICENCES.md", b"text".to_vec()),
    ]);
    // The JPEG file has room for windows of 2 x 4 pixels.
    let split = Split::open(folder.path(), SIDE, 0).unwrap();
    let (by, mut train, test) = files(&split);
    train.sort_unstable();
    assert_eq!(
        (by, train, test),
        (SplitBy::Folders, vec!["train/a.png", "train/deeper/b.jpeg"], vec!["test/c.png"])
    );
    fs::write(folder.path().join("d.png"), flat(40)).unwrap();
    let text = message(Split::open(folder.path(), SIDE, 0));
    assert!(text.contains("folder train or test") && text.ends_with("d.png"), "{text}");
}

#[test]
fn folders_without_usable_photographs_are_refused() {
    let jpeg = BASE64_STANDARD.decode(JPEGS[0]).unwrap();
    let truncated_png = flat(50)[..flat(50).len() - 14].to_vec();
    let cases: [(Vec<NamedFile>, &[&str]); 6] = [
        (vec![("a.txt", b"text".to_vec())], &["0 for training and 0 for test"]),
        (vec![("a.png", flat(1))], &["1 for training and 0 for test"]),
        (
            vec![("a.png", flat(1)), ("b.png", flat(2)), ("in/c.png", flat(1))],
            &["the same in", "a.png", "in/c.png"],
        ),
        (
            vec![
                ("a.png", flat(1)),
                ("b.jpg", b"text".to_vec()),
                ("c.jpg", jpeg[..jpeg.len() - 40].to_vec()),
                ("d.png", truncated_png),
            ],
            &[
                "3 of 4 photographs",
                "b.jpg: neither JPEG nor PNG",
                "c.jpg: its end is missing",
                "d.png: ",
            ],
        ),
        (
            vec![("a.png", flat(1)), ("b.png", png(40, png::ColorType::Grayscale, &[7; 40 * 7]))],
            &["1 of 2", "b.png: 40 x 7 pixels, no room for a window of 8"],
        ),
        (
            vec![
                ("1.jpg", vec![]),
                ("2.jpg", vec![1]),
                ("3.jpg", vec![2]),
                ("4.jpg", vec![3]),
                ("5.jpg", vec![4]),
                ("6.jpg", vec![5]),
            ],
            &["6 of 6", "5.jpg", "and 1 more"],
        ),
    ];
    for (given, parts) in cases {
        let text = message(Split::open(folder_of(&given).path(), SIDE, 0));
        parts.iter().for_each(|part| assert!(text.contains(part), "no '{part}' in {text}"));
    }
    assert!(message(Split::open(Path::new("nowhere"), SIDE, 0)).contains("nowhere"));
}

proptest! {
    #[test]
    fn damaged_photographs_never_panic(place in 0_usize..613, byte in any::<u8>(), which in 0_usize..3) {
        let mut jpeg = BASE64_STANDARD.decode(JPEGS[which]).unwrap();
        let mut png = flat(77);
        for file in [&mut jpeg, &mut png] {
            let place = place % file.len();
            file[place] = byte;
            let _ = decode(file);
            let _ = decode(&file[..place]);
        }
    }
}

/// A batch of CIFAR-10's, each image of one colour.
fn cifar(colours: &[[u8; 3]]) -> Vec<u8> {
    let record = |colour: &[u8; 3]| {
        let planes = colour.iter().flat_map(|&value| std::iter::repeat_n(value, 32 * 32));
        std::iter::once(3).chain(planes).collect::<Vec<_>>()
    };
    colours.iter().flat_map(record).collect()
}

#[test]
fn cifar10_with_its_own_split() {
    let batches: Vec<(String, Vec<u8>)> = (1..=5)
        .map(|batch| {
            (
                format!("cifar-10-batches-bin/data_batch_{batch}.bin"),
                cifar(&[[batch * 40; 3], [255, 0, 0]]),
            )
        })
        .collect();
    let mut given: Vec<NamedFile> =
        batches.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    given.push(("cifar-10-batches-bin/test_batch.bin", cifar(&[[0, 0, 255], [5, 5, 5]])));
    let folder = folder_of(&given);
    for path in [folder.path().to_owned(), folder.path().join("cifar-10-batches-bin")] {
        let split = Split::open(&path, 28, 0).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (10, 2));
        let split = Split::open(&path, SIDE, 0).unwrap();
        let made = make(blank(200), &split, 0.0, 0);
        assert_eq!(greys(&made.train), BTreeSet::from([40, 76, 80, 120, 160, 200]));
        assert_eq!(greys(&made.test), BTreeSet::from([29, 5]));
        let Source::Cifar10 { files } = split.source else { panic!("CIFAR-10 was expected") };
        assert_eq!(files.len(), 6);
        assert_eq!(
            (files[5].file.as_str(), &files[5].sha256),
            ("test_batch.bin", &hash(&given[5].1))
        );
    }
    let text = message(Split::open(folder.path(), 33, 0));
    assert!(text.contains("digits of at most 32"), "{text}");
    fs::remove_file(folder.path().join("cifar-10-batches-bin/data_batch_3.bin")).unwrap();
    assert!(message(Split::open(folder.path(), 28, 0)).contains("data_batch_3.bin"));
}

/// Photographs with structure, made by arithmetic: the same on every machine.
fn patterns() -> tempfile::TempDir {
    let pattern = |which: usize| {
        let value = |index: usize| {
            let (row, column) = (index / 72, index % 72);
            ((row * column * which + 31 * row + 7 * column * which) % 251) as u8
        };
        png(72, png::ColorType::Grayscale, &(0..72 * 60).map(value).collect::<Vec<_>>())
    };
    let folder = tempfile::tempdir().unwrap();
    for which in 1..=6 {
        fs::write(folder.path().join(format!("{which}.png")), pattern(which)).unwrap();
    }
    folder
}

fn strokes(count: usize) -> Digits {
    let of =
        |count| images(count, |index| if index % 3 == 0 { (index % 250 + 1) as u8 } else { 0 });
    digits_of(&of(count), &of(count / 2))
}

#[test]
fn the_same_bytes_from_any_number_of_threads() {
    let folder = patterns();
    let made = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let split = Split::open(folder.path(), SIDE, 5).unwrap();
            let made = make(strokes(200), &split, 1.0, 5);
            let record = serde_json::to_string(made.manifest()).unwrap();
            (bytes(&made.train).to_vec(), bytes(&made.test).to_vec(), record)
        })
    };
    let alone = made(1);
    for threads in [2, 3, 8] {
        assert!(made(threads) == alone, "{threads} threads");
    }
}

/// A data set that changes with the version of a dependency would be another data set under the
/// same name.
#[test]
fn tiny_data_sets_have_the_hashes_they_had() {
    let folder = patterns();
    let split = Split::open(folder.path(), SIDE, 11).unwrap();
    let found = [0.0, 1.0].map(|blur| {
        let made = make(strokes(40), &split, blur, 11);
        hash(&[bytes(&made.train), bytes(&made.test)].concat())
    });
    let expected = [
        "63a9fa1dcf5209eacee71474908602127b9b1b79a6775762d496af7386bedb67",
        "47fefa3499d3ecac5689c2a3deba81dc288964982c3dc14f8a83c46397d27c20",
    ];
    assert_eq!(found, expected);
}

/// What is drawn does not depend on the blur, nor on how many digits there are, and every pixel of
/// a stroke is the digit's.
#[test]
fn blur_and_number_of_digits_change_no_draw() {
    let folder = patterns();
    let split = Split::open(folder.path(), SIDE, 2).unwrap();
    let sharp = make(blank(60), &split, 0.0, 2);
    let fewer = make(blank(20), &split, 0.0, 2);
    assert_eq!(bytes(&fewer.train), &bytes(&sharp.train)[..20 * SIDE * SIDE]);
    let blurred = make(blank(60), &split, 1.0, 2);
    let blur = Blur::new(1.0, SIDE).unwrap();
    let pairs =
        bytes(&sharp.train).chunks(SIDE * SIDE).zip(bytes(&blurred.train).chunks(SIDE * SIDE));
    for (sharp, blurred) in pairs {
        let again =
            rounded(&blur.apply(sharp.iter().map(|&pixel| f64::from(pixel)).collect(), SIDE));
        // The data set blurs the background before rounding it to bytes: half a step of each.
        assert!(again.iter().zip(blurred).all(|(one, other)| one.abs_diff(*other) <= 1));
    }
    let digits = strokes(60);
    let before = digits.train.clone();
    let made = make(digits, &split, 0.0, 2);
    for ((digit, image), background) in
        bytes(&before).iter().zip(bytes(&made.train)).zip(bytes(&sharp.train))
    {
        assert_eq!(image, if *digit > 0 { digit } else { background });
    }
}

#[test]
fn the_recorded_moments_are_those_of_the_backgrounds() {
    let folder = patterns();
    let split = Split::open(folder.path(), SIDE, 7).unwrap();
    let made = make(blank(100), &split, 0.0, 7);
    for (record, images) in made.manifest().parts.iter().zip([&made.train, &made.test]) {
        let values: Vec<f64> = bytes(images).iter().map(|&pixel| f64::from(pixel)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance =
            values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((record.background_mean - mean).abs() < 1e-9, "{record:?}");
        assert!((record.background_sd - variance.sqrt()).abs() < 1e-9, "{record:?}");
        assert_eq!(
            (record.images, record.pictures),
            (100, if record.part == "train" { 5 } else { 1 })
        );
    }
}

#[test]
fn what_is_written_reads_back_and_the_manifest_holds_its_sums() {
    let folder = patterns();
    let split = Split::open(folder.path(), SIDE, 1).unwrap();
    let made = make(strokes(30), &split, 1.0, 1);
    let out = tempfile::tempdir().unwrap();
    made.write(out.path(), true).unwrap();
    for (part, npz, images) in
        [("train", "train.npz", &made.train), ("t10k", "test.npz", &made.test)]
    {
        for name in [format!("{part}-images-idx3-ubyte"), npz.to_owned()] {
            let read = Images::open(&out.path().join(&name), None).unwrap();
            assert_eq!(
                (&read.pixels, &read.labels, read.shape),
                (&images.pixels, &images.labels, images.shape),
                "{name}"
            );
        }
    }
    let text = fs::read_to_string(out.path().join(MANIFEST)).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&manifest["seed"], &manifest["blur"]), (&1.into(), &1.0.into()));
    assert_eq!(manifest["backgrounds"]["scales"].as_array().unwrap().len(), SCALES.len());
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len(), 6);
    for file in listed {
        let content = fs::read(out.path().join(file["file"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], hash(&content));
    }
    let again = tempfile::tempdir().unwrap();
    made.write(again.path(), true).unwrap();
    for file in listed.iter().map(|file| file["file"].as_str().unwrap()).chain([MANIFEST]) {
        let [one, other] = [&out, &again].map(|folder| fs::read(folder.path().join(file)).unwrap());
        assert!(one == other, "{file} differs from one writing to the next");
    }
}

#[test]
fn digits_that_are_missing_or_not_square() {
    let folder = tempfile::tempdir().unwrap();
    let text = message(Digits::open(folder.path()));
    assert!(text.contains("train-images-idx3-ubyte") && text.contains("fetch mnist"), "{text}");
    write_digits(folder.path(), &images(3, |_| 1), &images(2, |_| 1));
    assert_eq!(Digits::open(folder.path()).unwrap().test.len(), 2);
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    assert!(message(Digits::open(folder.path())).contains("t10k-labels-idx1-ubyte"));
    let mut wide = images(2, |_| 1);
    wide.shape = ImageShape { channels: 1, height: 2, width: 8 };
    write_digits(folder.path(), &images(3, |_| 1), &wide);
    assert!(message(Digits::open(folder.path())).contains("square digits"));
}

#[test]
fn idx_holds_grey_bytes_with_labels_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |images: &Images| {
        message(images.write_idx(&folder.path().join("images"), &folder.path().join("labels")))
    };
    let good = images(2, |_| 1);
    let unlabelled = Images { labels: None, ..good.clone() };
    let real = Images { pixels: Pixels::Unit(vec![0.5; 32]), ..good.clone() };
    let coloured =
        Images { shape: ImageShape { channels: 4, height: 2, width: 2 }, ..good.clone() };
    for images in [&unlabelled, &real, &coloured] {
        assert!(refused(images).contains("one channel of 8 bits, with labels"));
    }
    let large = Images { labels: Some(vec![0, 256]), ..good };
    assert!(refused(&large).contains("label 256"));
}
