//! `evaluate attack` as its user meets it, on the embedded engine.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use assert_cmd::cargo::CommandCargoExt;

const CHECKPOINT: &str = "onnx/checkpoints/glow-mnist-reweight-small.onnx";
const IMAGES: &str = "onnx/data/mnist-t10k-500-images-idx3-ubyte.gz";
const MODEL: &str = "glow-mnist-reweight-small";

/// Twelve images, three at a time, within a ball in which some are found early.
fn attack(out: &Path, more: &[&str]) -> Command {
    let mut command = Command::cargo_bin("evaluate").expect("built");
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["attack", "--model", CHECKPOINT, "--data", IMAGES, "--engine", "tract"]);
    command.args(["--limit", "100", "--images", "12", "--batch-size", "3", "--out"]).arg(out);
    command.args(more);
    command
}

const PROJECTED: [&str; 6] =
    ["--method", "projected_gradient", "--epsilon", "0.2", "--steps", "12"];

/// Images whose attack is done: units of work but for those in which the 100 images were scored, 32 at
/// a time.
fn done(out: &Path) -> usize {
    let files = fs::read_dir(out.join("units")).into_iter().flatten().flatten();
    let units = files.filter(|file| file.path().extension().is_some_and(|e| e == "unit"));
    units.count().saturating_sub(4)
}

/// Killed as soon as the first outcomes are there, and run again: the same bytes as a run that nobody
/// disturbed, without attacking again what was done.
#[test]
fn a_killed_attack_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let ran = attack(&whole, &PROJECTED).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let mut child =
        attack(&killed, &PROJECTED).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(300);
    while done(&killed) == 0 {
        assert!(Instant::now() < patience, "no outcome in five minutes");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = done(&killed);
    assert!((1..12).contains(&done), "{done} of 12 were done when it was killed");

    let ran = attack(&killed, &PROJECTED).output().unwrap();
    let stdout = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && stdout.contains(&format!("({done} from an earlier run)")),
        "{stdout}"
    );
    let npz = format!("attacks/{MODEL}/projected_gradient.npz");
    let sheet = format!("figures/{MODEL}/attack_projected_gradient.png");
    let curve = format!("figures/{MODEL}/attack_success.svg");
    for file in ["attacks.csv", "results.csv", &npz, &sheet, &curve] {
        assert!(
            fs::read(whole.join(file)).unwrap() == fs::read(killed.join(file)).unwrap(),
            "{file}"
        );
    }
    let rows = fs::read_to_string(whole.join("attacks.csv")).unwrap();
    assert_eq!(rows.lines().count(), 13);
}

/// The Boundary attack that minds the detector, and the table that it ends with.
#[test]
fn a_boundary_attack_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--method", "boundary", "--evade-detector", "--steps", "20"];
    let ran = attack(&folder.path().join("out"), &more).output().unwrap();
    let stdout = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for part in ["boundary_aware", "0.1294", "1.5000", "could", "12 images", "attacks/"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[test]
fn what_is_wrong_is_said_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    for (more, expected) in [
        (&["--method", "projected_gradient"][..], "one distance"),
        (&["--restarts", "2"], "restarts: is an option of projected_gradient"),
        (&["--detector-weight", "1"], "evade_detector"),
        (&["--epsilon=-1"], "epsilons = -1"),
        (&["--images", "0"], "--images"),
        (&["--method", "gradient"], "carlini_wagner"),
        (&["--threshold-nats", "100000"], "no image can be attacked"),
        (&["--method", "boundary", "--guided", "--stepsize", "0.1"], "stepsize"),
    ] {
        let ran = attack(&folder.path().join("out"), more).output().unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{more:?}: {stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("panicked"), "{more:?}: {stderr}");
    }
}
