//! An IDX file, plain or gzip; beside it lie no labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undetected_fuzz::{read_data, written};

fuzz_target!(|bytes: &[u8]| read_data(&written("images-idx3-ubyte", bytes)));
