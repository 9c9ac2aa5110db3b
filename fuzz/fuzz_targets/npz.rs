//! An NPZ archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undetected_fuzz::{read_data, written};

fuzz_target!(|bytes: &[u8]| read_data(&written("data.npz", bytes)));
