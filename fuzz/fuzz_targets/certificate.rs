//! A certificate: reading and verifying it.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde_json::Value;
use undetected_theory::certificate::Certificate;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(certificate) = serde_json::from_str::<Certificate>(text) else { return };
    // A right certificate is not found by chance: one of the seeds.
    if certificate.verify().is_ok() {
        let again = serde_json::to_string(&certificate).expect("JSON");
        assert_eq!(serde_json::from_str::<Certificate>(&again).expect("as written"), certificate);
    }
});

// Half of the changes are to a parameter: nothing else decides what the checker computes.
fuzz_mutator!(|data: &mut [u8], size: usize, room: usize, seed: u32| {
    match seed % 2 {
        0 => changed_parameter(data, size, room, seed / 2),
        _ => None,
    }
    .unwrap_or_else(|| fuzzer_mutate(data, size, room))
});

fn changed_parameter(data: &mut [u8], size: usize, room: usize, seed: u32) -> Option<usize> {
    const NAMES: [&str; 6] = ["shell", "kl_epsilon", "delta", "lambda1", "lambda2", "d"];
    let mut certificate: Value = serde_json::from_slice(&data[..size]).ok()?;
    let parameters = certificate.get_mut("parameters")?;
    let name = NAMES[seed as usize % NAMES.len()];
    let value = parameters.get_mut(name)?;
    let mut text = value.as_str().map_or_else(|| value.to_string(), str::to_owned).into_bytes();
    let length = text.len();
    let longest = length.max(64);
    text.resize(longest, 0);
    let length = fuzzer_mutate(&mut text, length, longest);
    let text = String::from_utf8(text[..length].to_vec()).ok()?;
    *value = match name {
        "d" => text.parse::<u64>().ok()?.into(),
        _ => text.into(),
    };
    let bytes = serde_json::to_vec_pretty(&certificate).ok()?;
    let fits = bytes.len() <= room;
    fits.then(|| data[..bytes.len()].copy_from_slice(&bytes))?;
    Some(bytes.len())
}
