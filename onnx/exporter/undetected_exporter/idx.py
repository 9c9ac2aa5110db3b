"""The IDX format of MNIST and Fashion-MNIST, plain or gzipped.

A header of big-endian numbers (two zero bytes, the type 0x08 for unsigned bytes, the number of
axes, one 32-bit size per axis), then the values in C order.
"""

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from .errors import ExporterError

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """The file's content, uncompressed if it is gzipped."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (OSError, EOFError, gzip.zlib.error) as error:
        raise ExporterError(f"{path}: cannot be read ({error}); fetch it again") from error


def parse(content: bytes, name: str) -> np.ndarray:
    """An IDX file's bytes as a uint8 array of the shape its header states; `name` is for errors."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE or content[3] == 0:
        begin = content[:4].hex() or "nothing"
        raise ExporterError(f"{name}: not an IDX file of unsigned bytes (it begins with {begin})")
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ExporterError(f"{name}: truncated inside its header: {len(content)} bytes, the header alone has {start}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise ExporterError(
            f"{name}: the header promises {expected} bytes for shape {shape}, "
            f"the file has {len(content)}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read(path: Path) -> np.ndarray:
    return parse(read_bytes(path), str(path))


def encode(values: np.ndarray) -> bytes:
    """The IDX bytes of a uint8 array."""
    if values.dtype != np.uint8:
        raise ExporterError(f"IDX is written from unsigned bytes only, not {values.dtype}")
    return bytes([0, 0, UNSIGNED_BYTE, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_gzip(path: Path, values: np.ndarray) -> None:
    """Write gzipped IDX without name or time in the gzip header: equal values, equal bytes."""
    path.write_bytes(gzip.compress(encode(values), compresslevel=9, mtime=0))
