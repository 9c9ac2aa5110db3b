//! A suite: reading it, and what is computed of it before any model is opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undetected_fuzz::written;
use undetected_onnx::suite::Suite;

fuzz_target!(|bytes: &[u8]| {
    let Ok(suite) = Suite::read(&written("suite.toml", bytes)) else { return };
    let _ = (suite.fingerprint(), suite.needs_gradients());
    suite.models.iter().for_each(|model| drop(model.overrides()));
    suite.attacks.iter().for_each(|attack| drop((attack.name(), attack.budget())));
});
