//! Data readers: what they read, and what they say of damaged files.

mod common;

use std::{
    io::{Cursor, Write},
    path::Path,
};

use common::{file, message};
use flate2::{Compression, write::GzEncoder};
use ndarray::{Array1, Array3, Array4};
use ndarray_npy::NpzWriter;
use proptest::prelude::*;
use undetected_onnx::{
    dataset::{ImageStream, Images, Pixels},
    model::ImageShape,
};

fn idx(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| out.extend(dim.to_be_bytes()));
    out.extend(bytes);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn open(path: &Path) -> undetected_onnx::Result<Images> {
    Images::open(path, None)
}

#[test]
fn idx_with_labels_beside_plain_and_gzip() {
    for compressed in [false, true] {
        let pack = |bytes: Vec<u8>| if compressed { gzip(&bytes) } else { bytes };
        let (folder, path) =
            file("a-images-idx3-ubyte", &pack(idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6])));
        std::fs::write(folder.path().join("a-labels-idx1-ubyte"), pack(idx(&[2], &[7, 9])))
            .unwrap();
        let images = open(&path).unwrap();
        assert_eq!(images.name, "a");
        assert_eq!(images.shape, ImageShape { channels: 1, height: 1, width: 3 });
        assert_eq!(images.pixels, Pixels::Bytes(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(images.labels, Some(vec![7, 9]));
    }
}

#[test]
fn idx_that_announces_more_or_fewer_bytes_than_it_has() {
    for (bytes, found) in [(5, "found 5"), (7, "found more than 6")] {
        let (_folder, path) = file("a-images-idx3-ubyte", &idx(&[2, 1, 3], &vec![0; bytes]));
        let message = message(open(&path));
        assert!(message.contains("expected 6 for [2, 1, 3]"), "{message}");
        assert!(message.contains(found) && message.contains("a-images"), "{message}");
    }
}

#[test]
fn idx_of_another_type_or_rank() {
    let (_folder, path) =
        file("a-images-idx3-ubyte", &[0, 0, 8, 1, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0]);
    let message = message(open(&path));
    assert!(message.contains("IDX mark") && message.contains("3 dimensions"), "{message}");
}

#[test]
fn idx_sizes_that_overflow() {
    let (_folder, path) = file("a-images-idx3-ubyte", &idx(&[u32::MAX, u32::MAX, u32::MAX], &[]));
    assert!(message(open(&path)).contains("dimensions"));
}

/// No image, so that no byte is missing, but one that would have 2^62 pixels.
#[test]
fn images_of_no_possible_size() {
    let (_folder, path) = file("a-images-idx3-ubyte", &idx(&[0, 1 << 31, 1 << 31], &[]));
    assert_eq!(message(ImageStream::open(&path, None)), message(open(&path)));
    assert!(message(open(&path)).contains("1 to 268435456 pixels"), "{}", message(open(&path)));
}

#[test]
fn idx_with_another_number_of_labels() {
    let (folder, path) = file("a-images-idx3-ubyte", &idx(&[2, 1, 1], &[1, 2]));
    std::fs::write(folder.path().join("a-labels-idx1-ubyte"), idx(&[3], &[1, 2, 3])).unwrap();
    let message = message(open(&path));
    assert!(
        message.contains("expected 2, as many as images") && message.contains("found 3"),
        "{message}"
    );
}

#[test]
fn damaged_gzip() {
    let mut bytes = gzip(&idx(&[2, 2, 3], &[9; 12]));
    bytes.truncate(bytes.len() - 12);
    let (_folder, path) = file("a-images-idx3-ubyte.gz", &bytes);
    assert!(message(open(&path)).contains("a-images-idx3-ubyte.gz"));
}

proptest! {
    #[test]
    fn idx_truncated_anywhere_is_an_error(kept in 0_usize..22) {
        let whole = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let (_folder, path) = file("a-images-idx3-ubyte", &whole[..kept]);
        prop_assert!(open(&path).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..3) {
        let name = ["a.bin", "a.npz", "a-images-idx3-ubyte"][kind as usize];
        let starts: [&[u8]; 3] = [&[], b"PK\x03\x04", &[0, 0, 8, 3]];
        let (_folder, path) = file(name, &[starts[kind as usize], &bytes].concat());
        // A valid file by chance is fine; what is asked is that reading returns.
        let _ = open(&path);
    }
}

fn cifar(labels: &[u8]) -> Vec<u8> {
    labels
        .iter()
        .flat_map(|&label| std::iter::once(label).chain(std::iter::repeat_n(label, 3072)))
        .collect()
}

#[test]
fn cifar10_from_its_folder() {
    let (folder, _path) = file("test_batch.bin", &cifar(&[3, 9]));
    let images = open(folder.path()).unwrap();
    assert_eq!(images.shape, ImageShape { channels: 3, height: 32, width: 32 });
    assert_eq!((images.len(), images.labels), (2, Some(vec![3, 9])));
}

#[test]
fn cifar10_damaged() {
    let mut cut = cifar(&[3, 9]);
    cut.pop();
    let (_folder, path) = file("cut.bin", &cut);
    let text = message(open(&path));
    assert!(text.contains("a multiple of 3073") && text.contains("found 6145 bytes"), "{text}");
    let (_folder, path) = file("labels.bin", &cifar(&[3, 10]));
    let text = message(open(&path));
    assert!(text.contains("label of record 1") && text.contains("found 10"), "{text}");
}

#[test]
fn a_folder_without_data() {
    let folder = tempfile::tempdir().unwrap();
    assert!(message(open(folder.path())).contains("test_batch.bin"));
}

fn npz(write: impl FnOnce(&mut NpzWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = NpzWriter::new_compressed(Cursor::new(Vec::new()));
    write(&mut writer);
    writer.finish().unwrap().into_inner()
}

#[test]
fn npz_of_bytes_and_of_floats() {
    let bytes = npz(|writer| {
        writer.add_array("x", &Array3::<u8>::from_elem((2, 4, 5), 7)).unwrap();
        writer.add_array("y", &Array1::<i64>::from_vec(vec![1, 0])).unwrap();
    });
    let (_folder, path) = file("grey.npz", &bytes);
    let images = open(&path).unwrap();
    assert_eq!(images.shape, ImageShape { channels: 1, height: 4, width: 5 });
    assert_eq!((images.labels, images.pixels), (Some(vec![1, 0]), Pixels::Bytes(vec![7; 40])));

    let floats = npz(|writer| {
        writer.add_array("images", &Array4::<f32>::from_elem((2, 3, 4, 5), 0.5)).unwrap();
    });
    let (_folder, path) = file("colour.npz", &floats);
    let images = open(&path).unwrap();
    assert_eq!(images.shape, ImageShape { channels: 3, height: 4, width: 5 });
    assert_eq!((images.labels, images.pixels), (None, Pixels::Unit(vec![0.5; 120])));
}

#[test]
fn npz_that_cannot_be_meant() {
    let with = |array: Array4<f32>| npz(|writer| writer.add_array("x", &array).unwrap());
    for (array, expected) in [
        (Array4::from_elem((2, 1, 4, 4), 1.5), "float32 pixels on [0, 1], found 1.5"),
        (Array4::from_elem((2, 1, 4, 4), f32::NAN), "found NaN"),
        (Array4::from_elem((2, 8, 8, 3), 0.5), "channels first"),
    ] {
        let (_folder, path) = file("a.npz", &with(array));
        let text = message(open(&path));
        assert!(text.contains(expected), "{text}");
    }
    let labels = |labels: Vec<i64>| {
        npz(|writer| {
            writer.add_array("x", &Array3::<u8>::zeros((2, 4, 5))).unwrap();
            writer.add_array("y", &Array1::from_vec(labels)).unwrap();
        })
    };
    for (given, expected) in
        [(vec![1], "expected 2 labels"), (vec![1, -1], "labels from 0, found -1")]
    {
        let (_folder, path) = file("a.npz", &labels(given));
        let text = message(open(&path));
        assert!(text.contains(expected), "{text}");
    }
    let unnamed =
        npz(|writer| writer.add_array("pictures", &Array3::<u8>::zeros((2, 4, 5))).unwrap());
    let (_folder, path) = file("a.npz", &unnamed);
    assert!(message(open(&path)).contains("pictures"));
}

/// A few hundred bytes that announce 100 GB.
#[test]
fn npz_that_announces_more_than_it_has() {
    let mut bytes = Vec::new();
    let mut archive = zip::ZipWriter::new(Cursor::new(&mut bytes));
    archive.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
    let header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (25000000, 4, 1000), }";
    archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
    archive.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    archive.write_all(header).unwrap();
    archive.write_all(&[7; 40]).unwrap();
    archive.finish().unwrap();
    let (_folder, path) = file("a.npz", &bytes);
    let text = message(open(&path));
    assert!(
        text.contains("'x.npy'") && text.contains("40 bytes for [25000000, 4, 1000]"),
        "{text}"
    );
}

#[test]
fn a_file_of_another_kind() {
    let (_folder, path) = file("a.txt", b"hello");
    let text = message(open(&path));
    assert!(text.contains("IDX (plain or gzip), NPZ, or CIFAR-10"), "{text}");
}

#[test]
fn labels_must_name_classes() {
    let (folder, path) = file("a-images-idx3-ubyte", &idx(&[2, 1, 1], &[1, 2]));
    std::fs::write(folder.path().join("a-labels-idx1-ubyte"), idx(&[2], &[1, 4])).unwrap();
    let images = open(&path).unwrap();
    images.check_labels(5).unwrap();
    let text = message(images.check_labels(4));
    assert!(text.contains("label of image 1") && text.contains("0 to 3, found 4"), "{text}");
}

#[test]
fn padding_puts_the_image_in_the_middle_of_zeros() {
    let shape = ImageShape { channels: 1, height: 1, width: 2 };
    let images = Images {
        name: "a".to_owned(),
        path: None,
        shape,
        pixels: Pixels::Bytes(vec![5, 6]),
        labels: None,
    };
    let wanted = ImageShape { channels: 1, height: 3, width: 4 };
    let padded = images.clone().fit(wanted, 1).unwrap();
    assert_eq!(padded.pixels, Pixels::Bytes(vec![0, 0, 0, 0, 0, 5, 6, 0, 0, 0, 0, 0]));
    assert_eq!(images.clone().fit(shape, 1).unwrap(), images);
    let text = message(images.fit(wanted, 0));
    assert!(text.contains("expected 1x3x4") && text.contains("found 1x1x2"), "{text}");
}

/// Every block of a stream, one after the other, and pixels of any order.
fn assert_streamed(path: &Path, whole: &Images) {
    let stream = ImageStream::open(path, None).unwrap();
    assert_eq!((stream.name(), stream.len()), (whole.name.as_str(), whole.len()));
    assert_eq!((stream.shape(), stream.labels()), (whole.shape, whole.labels.as_deref()));
    let all: Vec<usize> = (0..whole.len()).collect();
    assert_eq!(stream.pick(&all).unwrap(), *whole);
    let shape =
        ImageShape { height: whole.shape.height + 2, width: whole.shape.width + 2, ..whole.shape };
    let (stream, whole) = (stream.fit(shape, 1).unwrap(), whole.clone().fit(shape, 1).unwrap());
    for size in [1, 2, 100] {
        // Twice: a pass leaves nothing behind.
        for _ in 0..2 {
            let mut firsts = vec![];
            let see = &mut |first: usize, block: Images| {
                let indices: Vec<usize> = (first..first + block.len()).collect();
                assert_eq!(ImageStream::from(whole.clone()).pick(&indices).unwrap(), block);
                firsts.push(first);
                Ok(())
            };
            stream.for_each_block(size, see).unwrap();
            assert_eq!(firsts, (0..whole.len()).step_by(size).collect::<Vec<_>>());
        }
    }
    assert_eq!(stream.pick(&[2, 0, 2]).unwrap().pixels, {
        let ends = ImageStream::from(whole).pick(&[0, 2]).unwrap();
        ImageStream::from(ends).pick(&[1, 0, 1]).unwrap().pixels
    });
}

#[test]
fn streams_are_what_is_read_at_once() {
    let images = idx(&[3, 2, 2], &(1..=12).collect::<Vec<u8>>());
    for bytes in [images.clone(), gzip(&images)] {
        let (folder, path) = file("a-images-idx3-ubyte", &bytes);
        std::fs::write(folder.path().join("a-labels-idx1-ubyte"), idx(&[3], &[7, 9, 8])).unwrap();
        assert_streamed(&path, &open(&path).unwrap());
        let npz = folder.path().join("a.npz");
        open(&path).unwrap().write_npz(&npz).unwrap();
        assert_streamed(&npz, &open(&npz).unwrap());
    }
    let records: Vec<u8> = (0..3 * 3073_u32)
        .map(|place| if place % 3073 == 0 { 4 } else { (place % 251) as u8 })
        .collect();
    let (_folder, path) = file("batch.bin", &records);
    assert_streamed(&path, &open(&path).unwrap());
}

/// What is damaged is found when the stream is opened, and said as of a file that is read at once.
#[test]
fn streams_of_damaged_files() {
    let whole = gzip(&idx(&[2, 1, 3], &[0; 6]));
    let mut records = vec![0; 2 * 3073];
    records[3073] = 10;
    for (name, bytes) in [
        ("a-images-idx3-ubyte", idx(&[2, 1, 3], &[0; 5])),
        ("a-images-idx3-ubyte", idx(&[2, 1, 3], &[0; 7])),
        ("a-images-idx3-ubyte", idx(&[0, 1, 3], &[])),
        ("a-images-idx3-ubyte", gzip(&idx(&[2, 1, 3], &[0; 5]))),
        ("a-images-idx3-ubyte", whole[..whole.len() - 9].to_vec()),
        ("batch.bin", records.clone()),
        ("batch.bin", records[..4000].to_vec()),
    ] {
        let (_folder, path) = file(name, &bytes);
        assert_eq!(message(ImageStream::open(&path, None)), message(open(&path)));
    }
}
