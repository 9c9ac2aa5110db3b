"""IDX files: what is read is what was written, and damage is named."""

import gzip

import numpy as np
import pytest

from undetected_exporter import idx
from undetected_exporter.errors import ExporterError

VALUES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_plain_and_gzipped_files_read_alike(tmp_path):
    (tmp_path / "plain").write_bytes(idx.encode(VALUES))
    idx.write_gzip(tmp_path / "packed.gz", VALUES)
    assert np.array_equal(idx.read(tmp_path / "plain"), VALUES)
    assert np.array_equal(idx.read(tmp_path / "packed.gz"), VALUES)


def test_the_header_is_the_one_of_the_format():
    assert idx.encode(VALUES)[:16].hex() == "00000803" + "00000002" + "00000003" + "00000004"


def test_gzip_bytes_carry_no_time_and_no_name(tmp_path):
    for name in ("one.gz", "another.gz"):
        idx.write_gzip(tmp_path / name, VALUES)
    content = (tmp_path / "one.gz").read_bytes()
    assert content == (tmp_path / "another.gz").read_bytes()
    assert content[3:8] == bytes(5)


@pytest.mark.parametrize("cut", [1, 10, 12, 23])
def test_a_truncated_file_is_refused_with_its_name(tmp_path, cut):
    path = tmp_path / "short"
    path.write_bytes(idx.encode(VALUES)[:-cut] if cut < 23 else idx.encode(VALUES)[:9])
    with pytest.raises(ExporterError, match="short"):
        idx.read(path)


def test_a_truncated_gzip_file_is_refused(tmp_path):
    path = tmp_path / "short.gz"
    path.write_bytes(gzip.compress(idx.encode(VALUES))[:-9])
    with pytest.raises(ExporterError, match=r"short\.gz"):
        idx.read(path)


def test_a_file_with_too_much_is_refused():
    with pytest.raises(ExporterError, match="promises 40 bytes"):
        idx.parse(idx.encode(VALUES) + b"x", "long")


def test_what_is_not_idx_is_refused():
    with pytest.raises(ExporterError, match="not an IDX file"):
        idx.parse(b"GIF89a", "picture")
