"""PNG files, grids of images, and synthetic images that belong to nobody."""

import struct
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .errors import ExporterError
from .noise import generator


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encode_png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W] (grey) or [H, W, 3] (RGB) as the bytes of a PNG file. Source: W3C PNG, sections 5 and 11."""
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ExporterError(f"a PNG is made of uint8 [H, W] or [H, W, 3], not {pixels.dtype} of shape {pixels.shape}")
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], 1)
    content = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))


def grid(images: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """uint8 [N, C, H, W] with C = 1 or 3, row by row: [H', W'] or [H', W', 3], white lines of `gap` between."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet[:, :, 0] if channels == 1 else sheet


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """Real pixels [N, C, H, W] as uint8, floor(256 x); what leaves [0, 1) is shown as black or white.

    An image with a pixel that is not finite is no image: it is shown as a chequerboard of greys.
    """
    rows, columns = (torch.arange(size) // max(1, size // 8) for size in images.shape[2:])
    board = 96.0 + 64.0 * ((rows[:, None] + columns) % 2)
    finite = images.isfinite().flatten(1).all(1)[:, None, None, None]
    shown = torch.where(finite, (images * 256.0).clamp(0.0, 255.0).floor(), board)
    return shown.to(torch.uint8).numpy()


def synthetic(count: int, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Smooth random images, uint8 [count, C, H, W]: 4x4 random pixels, enlarged, with a little noise.

    They stand in for a data set's own images where those must not be passed on.
    """
    source = generator(seed, "pictures")
    coarse = torch.rand((count, shape[0], 4, 4), generator=source)
    smooth = F.interpolate(coarse, shape[1:], mode="bilinear", align_corners=False)
    return to_bytes(smooth + 0.02 * torch.randn((count, *shape), generator=source))
