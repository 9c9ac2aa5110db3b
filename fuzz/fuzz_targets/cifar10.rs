//! A file of CIFAR-10 records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undetected_fuzz::{read_data, written};

fuzz_target!(|bytes: &[u8]| read_data(&written("batch.bin", bytes)));
