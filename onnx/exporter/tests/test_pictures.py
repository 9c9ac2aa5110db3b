"""PNG files and grids, read back by another reader than the writer."""

import struct
import zlib

import numpy as np
import pytest
import torch

from undetected_exporter import pictures, sample, train
from undetected_exporter.errors import ExporterError


def decode(content: bytes) -> np.ndarray:
    """A reader of unfiltered 8-bit PNG files that checks every chunk's sum."""
    assert content[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    chunks, at = {}, 8
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind], at = body, at + 12 + size
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert depth == 8 and rest == [0, 0, 0] and b"IEND" in chunks
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape((height, width) if colour == 0 else (height, width, 3))


@pytest.mark.parametrize("shape", [(3, 5), (4, 2, 3)])
def test_what_is_written_as_png_is_what_is_read(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert np.array_equal(decode(pictures.encode_png(pixels)), pixels)


def test_what_is_no_picture_is_refused():
    for wrong in (np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8)):
        with pytest.raises(ExporterError, match="a PNG is made of"):
            pictures.encode_png(wrong)


def test_a_grid_has_its_images_row_by_row_and_white_between():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 3, 4, 6), np.uint8)
    sheet = pictures.grid(images, columns=3, gap=1)
    assert sheet.shape == (9, 20, 3)
    assert sheet[0, 0, 0] == 0 and sheet[3, 12, 2] == 1 and sheet[3, 14, 2] == 2 and sheet[5, 7, 1] == 4
    assert (sheet[4] == 255).all() and (sheet[:, 6] == 255).all() and (sheet[5:, 14:] == 255).all()


def test_real_pixels_become_the_bin_they_lie_in():
    found = pictures.to_bytes(torch.tensor([[[[-0.1, 0.0, 0.999 / 256, 1 / 256, 1.0, 2.0]]]]))
    assert found.flatten().tolist() == [0, 0, 0, 1, 255, 255]


def test_made_up_images_repeat_and_differ():
    images = pictures.synthetic(3, (3, 32, 32), 1)
    assert images.dtype == np.uint8 and images.shape == (3, 3, 32, 32)
    assert np.array_equal(images, pictures.synthetic(3, (3, 32, 32), 1))
    assert not np.array_equal(images, pictures.synthetic(3, (3, 32, 32), 2))
    assert np.abs(np.diff(images.astype(int), axis=3)).mean() < 20, "neighbours are alike"


def test_a_runs_samples_are_a_row_per_class(tmp_path, digits):
    settings = train.Settings("tiny", "mnist", "split", epochs=1, seed=3, held_out=100, limit=200, warmup_steps=1)
    train.train(settings, *digits, tmp_path, quiet=True)
    sample.write(tmp_path, tmp_path / "grid.png", per_class=2, temperature=0.7, seed=0)
    assert decode((tmp_path / "grid.png").read_bytes()).shape == (10 * 34 - 2, 2 * 34 - 2)


def test_an_image_that_is_not_finite_is_shown_as_a_chequerboard():
    images = torch.full((2, 1, 16, 16), 0.5)
    images[1, 0, 3, 4] = torch.nan
    shown = pictures.to_bytes(images)
    assert (shown[0] == 128).all()
    assert set(shown[1].flatten().tolist()) == {96, 160} and shown[1, 0, 0, 0] != shown[1, 0, 0, 2]
