//! Where backgrounds come from: CIFAR-10 or photographs, split between training and test.

use std::{collections::BTreeMap, fs, path::Path};

use rand::{Rng, RngExt, seq::SliceRandom};
use rayon::prelude::*;
use serde::Serialize;
use undetected_theory::Streams;

use super::{
    grey::{Grey, Window},
    manifest::FileSum,
    photograph,
};
use crate::{
    dataset::{Images, Pixels, cifar10},
    error::{Error, Result},
};

/// Photographs are shrunk to this long side first, in pixels.
pub const LONG_SIDE: usize = 512;

/// Sides of the windows cut from photographs, in sides of a digit: a window of 4 sides shows four
/// times as much of the scene, averaged down to the digit's size.
///
/// A window of one side, in a photograph of this size, is a detail of nearly one grey value, which
/// would make the data far easier than CIFAR-10's whole scenes do. Over these scales the fetched
/// photographs come close to them: neighbours in a row differ by 10 grey values on average, in
/// CIFAR-10 (JPEG 75) by 12.
pub const SCALES: [usize; 5] = [2, 3, 4, 6, 8];

/// One of so many photographs is kept for the test split, at least one.
pub const TEST_ONE_IN: usize = 5;

const TRAIN_FILES: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];

/// The pictures of one split, and the sides of the square windows that are cut from them.
#[derive(Debug, Clone)]
pub struct Backgrounds {
    pictures: Vec<Grey>,
    windows: Vec<usize>,
    side: usize,
}

impl Backgrounds {
    /// `pictures`, of which squares with a side of one of `windows` are cut and averaged down to
    /// `side` pixels. Windows that a picture has no room for are not drawn from it.
    ///
    /// # Panics
    /// Where a picture has no room for any window, or a window is smaller than `side`.
    pub fn new(pictures: Vec<Grey>, mut windows: Vec<usize>, side: usize) -> Self {
        windows.sort_unstable();
        assert!(side > 0 && windows.first().is_some_and(|&window| window >= side));
        assert!(pictures.iter().all(|picture| room(picture) >= windows[0]));
        Self { pictures, windows, side }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// One background, side x side values of [0, 255]: picture, scale and place each uniform.
    pub fn draw(&self, rng: &mut impl Rng) -> Vec<f64> {
        let picture = &self.pictures[rng.random_range(0..self.pictures.len())];
        let fitting = self.windows.partition_point(|&window| window <= room(picture));
        let window = self.windows[rng.random_range(0..fitting)];
        let place = Window {
            left: rng.random_range(0..=picture.width() - window),
            top: rng.random_range(0..=picture.height() - window),
            width: window,
            height: window,
        };
        picture.shrunk(place, self.side, self.side)
    }
}

fn room(picture: &Grey) -> usize {
    picture.width().min(picture.height())
}

/// Backgrounds for the two parts of a data set.
#[derive(Debug, Clone)]
pub struct Split {
    /// Of the training digits.
    pub train: Backgrounds,
    /// Of the test digits.
    pub test: Backgrounds,
    /// Where both come from.
    pub source: Source,
}

/// Where backgrounds come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// CIFAR-10 with its own split.
    Cifar10 {
        /// The files, training first.
        files: Vec<FileSum>,
    },
    /// A folder of photographs.
    Photographs {
        /// Who split them: `folders` named train and test, or the `seed`.
        split_by: SplitBy,
        /// Long side that they are shrunk to, in pixels.
        long_side: usize,
        /// Sides of the windows, in sides of a digit.
        scales: Vec<usize>,
        /// Behind the training digits.
        train: Vec<FileSum>,
        /// Behind the test digits.
        test: Vec<FileSum>,
    },
}

/// What puts a photograph into the training or into the test part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// The subfolder, `train` or `test`, that it lies in.
    Folders,
    /// A shuffle by the seed.
    Seed,
}

impl Split {
    /// Reads CIFAR-10 in its binary layout (`folder`, or `cifar-10-batches-bin` in it), or the
    /// photographs of any other folder, for digits of `side` pixels.
    ///
    /// Photographs are JPEG and PNG files. Where `folder` holds the folders `train` and `test`, they
    /// are the split; otherwise a fifth of the photographs, by a shuffle of stream (seed,
    /// "bg-digits/split", 0), is kept for test. Photographs are split, not windows of them: two
    /// windows of one photograph may show the same thing. Order and split do not depend on file
    /// names, only on contents.
    ///
    /// # Errors
    /// [`Error::Dataset`] where there are fewer than two photographs, one lies twice in the folder,
    /// beside the folders `train` and `test`, is too small, or cannot be decoded: all such
    /// photographs are counted and the first ones named. None is left out silently.
    pub fn open(folder: &Path, side: usize, seed: u64) -> Result<Self> {
        let inner = folder.join("cifar-10-batches-bin");
        let holds = |folder: &Path| folder.join(cifar10::TEST_FILE).is_file();
        match [folder, &inner].into_iter().find(|folder| holds(folder)) {
            Some(cifar) => open_cifar10(cifar, side),
            None => open_photographs(folder, side, seed),
        }
    }
}

fn open_cifar10(folder: &Path, side: usize) -> Result<Split> {
    let mut files = Vec::new();
    let mut read = |name: &str| -> Result<Vec<Grey>> {
        let path = folder.join(name);
        let images = Images::open(&path, None)?;
        files.push(FileSum::read(folder, name)?);
        Ok(grey_images(&images))
    };
    let train = TRAIN_FILES.iter().map(|name| read(name)).collect::<Result<Vec<_>>>()?.concat();
    let test = read(cifar10::TEST_FILE)?;
    let whole = train[0].width();
    if side > whole {
        let found = format!("digits of {side} pixels");
        return Err(Error::dataset(folder, "size", format!("digits of at most {whole}"), found));
    }
    let backgrounds = |pictures| Backgrounds::new(pictures, vec![whole], side);
    let source = Source::Cifar10 { files };
    Ok(Split { train: backgrounds(train), test: backgrounds(test), source })
}

/// The images of a CIFAR-10 file, whose planes of red, green and blue follow each other.
fn grey_images(images: &Images) -> Vec<Grey> {
    let Pixels::Bytes(bytes) = &images.pixels else {
        unreachable!("CIFAR-10 is read as bytes");
    };
    let plane = images.shape.height * images.shape.width;
    let grey = |image: &[u8]| {
        let colours = |pixel: usize| [image[pixel], image[plane + pixel], image[2 * plane + pixel]];
        Grey::from_rgb(images.shape.width, &(0..plane).flat_map(colours).collect::<Vec<_>>())
    };
    bytes.chunks_exact(3 * plane).map(grey).collect()
}

struct Photograph {
    file: FileSum,
    grey: Grey,
}

fn open_photographs(folder: &Path, side: usize, seed: u64) -> Result<Split> {
    let [train, test] = ["train", "test"].map(|part| folder.join(part));
    let split_by = match train.is_dir() && test.is_dir() {
        true => SplitBy::Folders,
        false => SplitBy::Seed,
    };
    let mut all = read_photographs(folder, side)?;
    // By content, so that neither names nor the order in the folder matter.
    all.sort_by(|one, other| one.file.sha256.cmp(&other.file.sha256));
    check_distinct(folder, &all)?;
    let (train, test) = match split_by {
        SplitBy::Folders => by_folders(folder, all)?,
        SplitBy::Seed => by_seed(all, seed),
    };
    if train.is_empty() || test.is_empty() {
        let found = format!("{} for training and {} for test", train.len(), test.len());
        let expected = "JPEG or PNG files, at least one for each part of the data";
        return Err(Error::dataset(folder, "photographs", expected, found));
    }
    let windows = SCALES.map(|scale| scale * side).to_vec();
    let take = |photographs: Vec<Photograph>| {
        let (files, pictures) =
            photographs.into_iter().map(|photograph| (photograph.file, photograph.grey)).unzip();
        (files, Backgrounds::new(pictures, windows.clone(), side))
    };
    let ((train_files, train), (test_files, test)) = (take(train), take(test));
    let source = Source::Photographs {
        split_by,
        long_side: LONG_SIDE,
        scales: SCALES.to_vec(),
        train: train_files,
        test: test_files,
    };
    Ok(Split { train, test, source })
}

fn read_photographs(folder: &Path, side: usize) -> Result<Vec<Photograph>> {
    let paths = photograph::find(folder)?;
    let read: Vec<_> = paths.par_iter().map(|path| read_photograph(folder, path, side)).collect();
    let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().partition(|one| one.is_ok());
    let bad: Vec<String> = bad.into_iter().filter_map(|one| one.err()).collect();
    if !bad.is_empty() {
        let what = format!("{} of {} photographs", bad.len(), paths.len());
        let named = bad[..bad.len().min(5)].join("; ");
        let more =
            if bad.len() > 5 { format!("; and {} more", bad.len() - 5) } else { String::new() };
        let expected = "only JPEG and PNG files that can be used (move the others away)";
        return Err(Error::dataset(folder, what, expected, named + &more));
    }
    Ok(good.into_iter().filter_map(|one| one.ok()).collect())
}

fn read_photograph(
    folder: &Path,
    path: &Path,
    side: usize,
) -> std::result::Result<Photograph, String> {
    let file = name_in(folder, path);
    let bytes = fs::read(path).map_err(|error| format!("{file}: {error}"))?;
    let grey = photograph::decode(&bytes).map_err(|error| format!("{file}: {error}"))?;
    let grey = grey.limited(LONG_SIDE);
    let window = SCALES[0] * side;
    if room(&grey) < window {
        let size = format!("{} x {}", grey.width(), grey.height());
        return Err(format!("{file}: {size} pixels, no room for a window of {window}"));
    }
    Ok(Photograph { file: FileSum::of(file, &bytes), grey })
}

/// The path of a file in `folder`, with `/` between its parts on every system.
fn name_in(folder: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn check_distinct(folder: &Path, sorted: &[Photograph]) -> Result<()> {
    match sorted.windows(2).find(|pair| pair[0].file.sha256 == pair[1].file.sha256) {
        None => Ok(()),
        Some(pair) => {
            let found = format!("the same in {} and {}", pair[0].file.file, pair[1].file.file);
            let expected = "every photograph once, or it may lie in both splits";
            Err(Error::dataset(folder, "photographs", expected, found))
        }
    }
}

type Parts = (Vec<Photograph>, Vec<Photograph>);

fn by_folders(folder: &Path, all: Vec<Photograph>) -> Result<Parts> {
    let mut parts: BTreeMap<&str, Vec<Photograph>> = BTreeMap::new();
    for photograph in all {
        let part = ["train", "test"].into_iter().find(|part| {
            let inside = photograph.file.file.strip_prefix(part);
            inside.is_some_and(|rest| rest.starts_with('/'))
        });
        let part = part.ok_or_else(|| {
            let expected = "every photograph in the folder train or test, since both exist";
            Error::dataset(folder, "photographs", expected, &photograph.file.file)
        })?;
        parts.entry(part).or_default().push(photograph);
    }
    let mut take = |part| parts.remove(part).unwrap_or_default();
    Ok((take("train"), take("test")))
}

fn by_seed(mut all: Vec<Photograph>, seed: u64) -> Parts {
    all.shuffle(&mut Streams::new(seed, "bg-digits/split").get(0));
    // One photograph alone cannot be split, and is told so by the empty test part.
    let test = (all.len() / TEST_ONE_IN).max(usize::from(all.len() > 1));
    let train = all.split_off(test);
    (train, all)
}
