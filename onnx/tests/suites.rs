//! Suite files: several data sets, patterns of models, thresholds of one model, and mistakes with
//! their lines.

mod common;

use std::{fs, path::Path};

use common::{message, shipped};
use undetected_onnx::suite::{Suite, Suites, Task, Threshold, Workload};

/// Two data sets and three models of them, in a folder with three empty files of models.
const TEXT: &str = r#"name = "s"
tasks = ["detect", "attack"]

[[model]]
path = "models/a-*.onnx"
data = "digits"
threshold = { bits_per_dim = 1.4 }

[[model]]
path = "models/b.onnx"
data = "clothes"
contract = { name = "other" }

[[data]]
name = "digits"
images = "d/images"
labels = "d/labels"

[[data.out_of_distribution]]
images = "noise"

[[data]]
name = "clothes"
images = "c/images"
limit = 7

[[out_of_distribution]]
name = "both"
images = "both"

[threshold]
nats = 5.0

[[attack]]
method = "boundary"

[[attack]]
method = "carlini_wagner"
epsilons = [0.5, 1.5]
stepsize = 0.1
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    for name in ["a-2.onnx", "a-1.onnx", "b.onnx"] {
        fs::write(folder.path().join("models").join(name), "").unwrap();
    }
    folder
}

fn read(folder: &Path, text: &str) -> undetected_onnx::Result<Suites> {
    let path = folder.join("s.toml");
    fs::write(&path, text).unwrap();
    Suites::read(&path)
}

#[test]
fn each_model_has_its_own_data_and_threshold() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    let suites = read(folder.path(), TEXT).unwrap();
    let suites: Vec<&Suite> = suites.iter().collect();
    let models: Vec<_> = suites.iter().map(|suite| suite.model().path.clone()).collect();
    assert_eq!(models, ["models/a-1.onnx", "models/a-2.onnx", "models/b.onnx"].map(at));
    let data = |suite: &Suite| suite.data.images.clone();
    assert_eq!(
        suites.iter().map(|suite| data(suite)).collect::<Vec<_>>(),
        [at("d/images"), at("d/images"), at("c/images")]
    );
    assert_eq!(suites[0].data.labels, Some(at("d/labels")));
    assert_eq!((&suites[2].data.labels, suites[2].data.limit), (&None, Some(7)));
    let others = |suite: &Suite| -> Vec<_> {
        suite.out_of_distribution.iter().map(|entry| entry.images.clone()).collect()
    };
    assert_eq!(others(suites[0]), ["both", "noise"].map(at));
    assert_eq!(others(suites[2]), ["both"].map(at));
    assert_eq!(suites[1].threshold, Threshold::BitsPerDim(1.4));
    assert_eq!(suites[2].threshold, Threshold::Nats(5.0));
    assert_eq!(suites[2].model().contract["name"], "other");
    for suite in suites {
        assert_eq!((suite.models.len(), suite.attacks.len()), (1, 2));
        assert_eq!(suite.tasks, [Task::Detect, Task::Attack]);
    }
}

/// One data set needs no name, and one of several tables is an array of one.
#[test]
fn one_data_set_is_every_models() {
    let folder = folder();
    let text = "name = \"s\"\nmodel = [{ path = \"models/*.onnx\" }]\n[[data]]\nimages = \"d\"\n";
    let suites = read(folder.path(), text).unwrap();
    assert_eq!(suites.count(), 3);
    let table = text.replace("[[data]]", "[data]");
    assert_eq!(read(folder.path(), &table).unwrap(), suites);
    assert_eq!(read(folder.path(), &table).unwrap().fingerprint(), suites.fingerprint());
    let named = text
        .replace("images =", "name = \"x\"\nimages =")
        .replace("onnx\"", "onnx\", data = \"x\"");
    let named = read(folder.path(), &named).unwrap();
    assert_eq!(named.first().data.images, suites.first().data.images);
    assert_ne!(named.fingerprint(), suites.fingerprint());
}

/// Where folders are, changes nothing; every setting that decides does.
#[test]
fn a_fingerprint_is_that_of_the_settings() {
    let (one, other) = (folder(), folder());
    let of = |folder: &Path, text: &str| read(folder, text).unwrap().fingerprint();
    let whole = of(one.path(), TEXT);
    assert_eq!(whole, of(other.path(), TEXT));
    for (from, to) in [
        ("bits_per_dim = 1.4", "bits_per_dim = 1.5"),
        ("data = \"clothes\"", "data = \"digits\""),
        ("images = \"noise\"", "images = \"noise2\""),
        ("stepsize = 0.1", "stepsize = 0.2"),
        ("models/a-*", "models/a-1*"),
    ] {
        assert_ne!(of(one.path(), &TEXT.replacen(from, to, 1)), whole, "{to}");
    }
}

/// Each mistake is shown with file, line and column, what stands there, and what is allowed.
#[test]
fn mistakes_are_shown_where_they_are() {
    let folder = folder();
    for (from, to, place, found, allowed) in [
        (
            "data = \"digits\"\n",
            "data = \"digit\"\n",
            "6:8",
            "data = \"digit\"",
            "Did you mean digits?",
        ),
        ("data = \"clothes\"\n", "", "9:1", "[[model]]", "the suite has digits, clothes"),
        ("name = \"clothes\"", "name = \"digits\"", "23:8", "\"digits\"", "choose another"),
        ("name = \"clothes\"\n", "", "22:1", "[[data]]", "each needs one"),
        ("models/a-*.onnx", "models/c-*.onnx", "5:8", "c-*.onnx", "fits no file in"),
        ("models/a-*.onnx", "models/***", "5:8", "***", "is no pattern"),
        (
            "data = \"digits\"\n",
            "data = \"digits\"\ncontract = { name = \"n\" }\n",
            "7:21",
            "\"n\"",
            "name the files one by one",
        ),
        (
            "{ name = \"other\" }",
            "{ pixelrange = \"0,1\" }",
            "12:27",
            "\"0,1\"",
            "Did you mean pixel_range?",
        ),
        ("bits_per_dim = 1.4", "bits_per_dim = nan", "7:30", "nan", "must be finite"),
        ("nats = 5.0", "nats = -inf", "32:8", "-inf", "must be finite"),
        ("nats = 5.0", "false_alarm_rate = 0", "32:20", "= 0", "strictly between 0 and 1"),
        ("nats = 5.0", "false_alarm = 0.1", "32:1", "false_alarm", "false_alarm_rate"),
        ("[0.5, 1.5]", "[0.5, -1.5]", "39:18", "-1.5", "must be above 0 and finite"),
        ("[0.5, 1.5]", "[]", "39:12", "[]", "give a distance, or leave it out"),
        ("epsilons", "epsilon", "39:1", "epsilon", "Did you mean `epsilons`?"),
        ("stepsize = 0.1", "stepsize = -0.1", "40:12", "-0.1", "must be above 0 and finite"),
        ("stepsize = 0.1", "steps = 0", "40:9", "0", "must be at least 1"),
        ("stepsize = 0.1", "spherical_step = 0.1", "40:18", "0.1", "is an option of boundary"),
        ("stepsize = 0.1", "detector = \"joint_\"", "40:12", "joint_", "Did you mean `joint`?"),
        (
            "stepsize = 0.1",
            "name = \"boundary\"",
            "40:8",
            "\"boundary\"",
            "give one of them another name",
        ),
        (
            "stepsize = 0.1",
            "detector_weight = \"shared\"",
            "40:19",
            "\"shared\"",
            "set evade_detector",
        ),
        (
            "\"detect\", \"attack\"",
            "\"detect\", \"atack\"",
            "2:20",
            "atack",
            "Did you mean `attack`?",
        ),
        ("limit = 7", "limits = 7", "25:1", "limits", "Did you mean `limit`?"),
        ("limit = 7", "limit = 0", "25:9", "0", "leave it out for all images"),
        ("images = \"noise\"", "images = \"noise\"\nlimit = 0", "21:9", "0", "must be at least 1"),
        ("limit = 7", "limit = -7", "25:9", "-7", "usize"),
        (
            "images = \"noise\"",
            "labels = \"noise\"",
            "19:1",
            "[[data.out_of",
            "missing field `images`",
        ),
        ("name = \"s\"", "name = \"s", "1:10", "name = \"s", "basic string"),
    ] {
        let text = TEXT.replacen(from, to, 1);
        assert_ne!(text, TEXT, "{from}");
        let error = message(read(folder.path(), &text));
        let whole = format!("s.toml:{place}: ");
        assert!(error.contains(&whole), "{to}: no {whole} in\n{error}");
        let line = text.lines().nth(place.split_once(':').unwrap().0.parse::<usize>().unwrap() - 1);
        assert!(error.contains(line.unwrap()), "{to}: the line is not in\n{error}");
        for part in [found, allowed] {
            assert!(error.contains(part), "{to}: no '{part}' in\n{error}");
        }
    }
    let empty = TEXT.replace("[[model]]", "[[data]]");
    assert!(message(read(folder.path(), &empty)).contains("s.toml:"));
    let nothing = "name = \"s\"\nmodel = [{ path = \"m\" }]\n[data]\nimages = \"x\"\nlimit = 0\n";
    assert!(message(read(folder.path(), nothing)).contains("s.toml:5:9: limit = 0"));
    let none = "name = \"s\"\nmodel = []\ndata = []\n";
    assert!(message(read(folder.path(), none)).contains("s.toml:3:8: data: is empty"));
    let none = "name = \"s\"\nmodel = []\n[data]\nimages = \"x\"\n";
    assert!(message(read(folder.path(), none)).contains("s.toml:2:9: model: is empty"));
}

/// The files that are shipped say what they say on the files that are shipped.
#[test]
fn every_shipped_suite_is_one() {
    let entries = fs::read_dir(shipped("suites")).unwrap();
    let mut names = vec![];
    let paths = entries.map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let suites = Suites::read(&path).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), suites.first().name);
        suites.check().unwrap();
        names.push((suites.first().name.clone(), suites.count()));
    }
    names.sort();
    let count =
        |name: &str| names.iter().find(|(found, _)| found == name).map(|(_, models)| *models);
    assert_eq!(count("paper-bg-mnist"), Some(3));
    assert_eq!(count("paper-pixelcnn"), Some(2));
    let suites = Suites::read(&shipped("suites/paper-bg-mnist.toml")).unwrap();
    let on: Vec<_> = suites.iter().map(|suite| suite.data.name.clone().unwrap()).collect();
    assert_eq!(on, ["BG-MNIST-0", "BG-MNIST-1", "BG-MNIST-5"]);
    let budgets: Vec<u64> = suites.first().attacks.iter().map(|attack| attack.budget()).collect();
    // 9 x 10,000 steps and 20 bisections; 25,000 steps, and one point of the sphere every ten.
    assert_eq!(budgets, [90_020, 27_500, 90_020, 27_500]);
}

/// What is counted beforehand: by hand for the demo.
#[test]
fn work_is_counted_before_it_is_done() {
    let suites = Suites::read(&shipped("suites/demo.toml")).unwrap();
    let suite = suites.first();
    let work = Workload::of(suite, &suite.declared().unwrap()).unwrap();
    let scored: Vec<_> = work.scored.iter().map(|part| (&part.what[..], part.length)).collect();
    let noisy = scored[4].1;
    assert_eq!(
        scored[..4],
        [("MNIST", 500), ("Fashion-MNIST", 500), ("uniform noise", 500), ("constant", 500)]
    );
    // Noise is added to the test half: a fair coin's share of 500, four deviations around the mean.
    assert!((206..=294).contains(&noisy), "{noisy}");
    assert_eq!(work.points(), 40 * 22);
    assert_eq!((work.attacks[0].images, work.attacks[0].each.gradient), (8, 20));
    assert_eq!((work.attacks[1].images, work.attacks[1].each.forward), (4, 110));
    let (measuring, attacking) = (work.measuring(), work.attacking());
    assert_eq!((measuring.forward, measuring.gradient), (2000 + noisy + 880, 0));
    assert_eq!((attacking.forward, attacking.gradient), (440, 160));
    let whole: u64 = work.parts().iter().map(|part| part.length).sum();
    assert_eq!(whole, measuring.total() + attacking.total());
}

/// A file of other data is that of every model; one that does not fit says where it belongs.
#[test]
fn other_data_of_another_size_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let root = shipped("");
    let text = format!(
        "name = \"s\"\n[[model]]\npath = \"{root}/checkpoints/glow-cifar10-jpeg75-split-small.onnx\"\n\
         [data]\nimages = \"c.npz\"\n[[out_of_distribution]]\nname = \"digits\"\n\
         images = \"{root}/data/mnist-t10k-500-images-idx3-ubyte.gz\"\n",
        root = root.display()
    );
    let colour = undetected_onnx::dataset::Images {
        labels: Some((0..60).map(|image| image % 10).collect()),
        ..undetected_onnx::dataset::Images::uniform_noise(
            undetected_onnx::model::ImageShape { channels: 3, height: 32, width: 32 },
            60,
            0,
        )
    };
    colour.write_npz(&folder.path().join("c.npz")).unwrap();
    let suites = read(folder.path(), &text).unwrap();
    let mut suite = suites.first().clone();
    suite.interpolate.pairs = 2.try_into().ok();
    let error = message(Workload::of(&suite, &suite.declared().unwrap()));
    for part in ["out_of_distribution 'digits'", "3x32x32", "[[data.out_of_distribution]]"] {
        assert!(error.contains(part), "{error}");
    }
    suite.out_of_distribution.clear();
    assert_eq!(Workload::of(&suite, &suite.declared().unwrap()).unwrap().scored[0].length, 60);
}
