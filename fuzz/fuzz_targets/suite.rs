//! A suite: reading it, and what is computed of it before any model is opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undetected_fuzz::written;
use undetected_onnx::suite::Suites;

fuzz_target!(|bytes: &[u8]| {
    let Ok(suites) = Suites::read(&written("suite.toml", bytes)) else { return };
    let _ = suites.fingerprint();
    for suite in suites.iter() {
        let _ = (suite.needs_gradients(), suite.model().overrides());
        suite.attacks.iter().for_each(|attack| drop((attack.name(), attack.budget())));
    }
});
