"""Writes fuzz/seeds: what the fuzz targets start from, a few KB each.

    python3 fuzz/seeds.py

The operators' models are those of onnx/tests/reference/autodiff_operators.npz, suites and certificates
the shipped ones; the rest is made here. The standard library is enough.
"""

import base64
import gzip
import io
import pathlib
import shutil
import struct
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = ROOT / "fuzz" / "seeds"


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# ONNX, in protobuf's wire format. The numbers are those of the fields in onnx-ml.proto.


def varint(number):
    number &= (1 << 64) - 1
    data = b""
    while number >= 0x80:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*fields):
    return b"".join(field(number, value) for number, value in fields)


def tensor(name, element, dims, raw, *more):
    return message(*((1, dim) for dim in dims), (2, element), (8, name), (9, raw), *more)


def floats(name, dims, values):
    return tensor(name, 1, dims, struct.pack(f"<{len(values)}f", *values))


def ints(name, dims, values):
    return tensor(name, 7, dims, struct.pack(f"<{len(values)}q", *values))


def port(name, element, dims):
    sizes = [message((1, dim) if isinstance(dim, int) else (2, dim)) for dim in dims]
    shape = message(*((1, size) for size in sizes))
    return message((1, name), (2, message((1, message((1, element), (2, shape))))))


def node(operator, inputs, outputs, *attributes):
    names = [*((1, name) for name in inputs), *((2, name) for name in outputs)]
    return message(*names, (3, f"{outputs[0]}_node"), (4, operator), *((5, each) for each in attributes))


def graph(nodes, stored, inputs, outputs, *more):
    parts = [(1, nodes), (5, stored), (11, inputs), (12, outputs)]
    return message((2, "graph"), *((number, each) for number, items in parts for each in items), *more)


def model(body, metadata, *more):
    entries = [(14, message((1, f"undetected.{key}"), (2, value))) for key, value in metadata.items()]
    return message((1, 8), (7, body), (8, message((2, 17))), *entries, *more)


GIVEN = {"contract": "1", "pixel_range": "0,1", "prior": "uniform", "dequantisation": "uniform"}


def gaussian(nodes=(), stored=(), outputs=(), metadata=(), more=()):
    """Three Gaussians in four dimensions."""
    own = [
        node("Flatten", ["x"], ["flat"]),
        node("MatMul", ["flat", "weights"], ["products"]),
        node("Mul", ["flat", "flat"], ["squares"]),
        node("ReduceSum", ["squares", "axes"], ["norm"]),
        node("Mul", ["norm", "half"], ["half_norm"]),
        node("Sub", ["products", "half_norm"], ["log_prob"]),
    ]
    kept = [
        floats("weights", [4, 3], [0.5] * 12),
        floats("half", [1], [0.5]),
        ints("axes", [1], [1]),
    ]
    body = graph(
        [*own, *nodes],
        [*kept, *stored],
        [port("x", 1, ["N", 1, 2, 2])],
        [port("log_prob", 1, ["N", 3]), *outputs],
    )
    return model(body, {**GIVEN, **dict(metadata)}, *more)


def branch(name):
    return graph([node("Relu", ["flat"], [name])], [], [], [port(name, 1, ["N", 4])])


def held(name, body):
    return message((1, name), (20, 5), (6, body))


def onnx():
    parity = base64.b64encode(struct.pack("<4f", 0, 0.25, 0.5, 0.75)).decode()
    expected = base64.b64encode(struct.pack("<3d", 0.3125, 0.3125, 0.3125)).decode()
    whole = {
        "name": "three", "n_dims": "4", "classes": '["a","b","c"]', "prior": "[0.25,0.25,0.5]", "dataset": "d",
        "pad": "1", "objective": "none", "training": '{"epochs": 3}',
        "parity": f'{{"count": 1, "x": "{parity}", "log_prob": "{expected}", "relative_tolerance": 1e-4}}',
    }
    write("onnx", "gaussian", gaussian())
    write("onnx", "whole", gaussian(metadata=whole))
    given = [node("If", ["yes"], ["either"], held("then_branch", branch("a")), held("else_branch", branch("b")))]
    write("onnx", "branches", gaussian(nodes=given, stored=[tensor("yes", 9, [], b"\1")]))
    cond = graph(
        [node("Identity", ["go"], ["on"]), node("Add", ["old", "old"], ["new"])],
        [],
        [port("i", 7, []), port("go", 9, []), port("old", 1, ["N", 4])],
        [port("on", 9, []), port("new", 1, ["N", 4])],
    )
    loop = [node("Loop", ["trips", "yes", "flat"], ["looped"], held("body", cond))]
    stored = [ints("trips", [], [3]), tensor("yes", 9, [], b"\1")]
    write("onnx", "loop", gaussian(nodes=loop, stored=stored))
    made = [node("ConstantOfShape", ["sizes"], ["made"]), node("Expand", ["half", "sizes"], ["wide"])]
    write("onnx", "made", gaussian(nodes=made, stored=[ints("sizes", [2], [3, 4])]))
    outside = tensor("w", 1, [4], b"", (13, message((1, "location"), (2, "weights.bin"))), (14, 1))
    write("onnx", "external", gaussian(stored=[outside]))
    random = [node("RandomNormalLike", ["flat"], ["noise"])]
    write("onnx", "random", gaussian(nodes=random))
    own = message((1, "Twice"), (4, "a"), (5, "b"), (7, node("Add", ["a", "a"], ["b"])), (10, "own"))
    write("onnx", "function", gaussian(more=[(25, own)]))
    split = [port("log_prob_shared", 1, ["N"]), port("log_prob_class", 1, ["N", 3])]
    write("onnx", "split", gaussian(outputs=split))


def gradient():
    with zipfile.ZipFile(ROOT / "onnx/tests/reference/autodiff_operators.npz") as recorded:
        for name in recorded.namelist():
            if name.endswith("/model.npy"):
                array = recorded.read(name)
                (header,) = struct.unpack("<H", array[8:10])
                write("gradient", name.split("/")[0], array[10 + header :])


# Data.


def idx(dims, values):
    return bytes([0, 0, 8, len(dims)]) + b"".join(struct.pack(">I", dim) for dim in dims) + bytes(values)


def npy(kind, shape, values):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def npz(arrays, method):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array, method)
    return data.getvalue()


def data():
    small = idx([3, 2, 2], range(12))
    write("idx", "plain", small)
    write("idx", "gzip", gzip.compress(small, mtime=0))
    digits = gzip.decompress((ROOT / "onnx/data/mnist-t10k-500-images-idx3-ubyte.gz").read_bytes())
    write("idx", "digits", gzip.compress(idx([2, 28, 28], digits[16 : 16 + 2 * 784]), mtime=0))
    write("cifar10", "two", b"".join(bytes([label] + [7] * 3072) for label in (3, 9)))
    grey = {"x": npy("|u1", (2, 4, 5), bytes(range(40))), "y": npy("<i8", (2,), struct.pack("<2q", 1, 0))}
    write("npz", "stored", npz(grey, zipfile.ZIP_STORED))
    write("npz", "deflated", npz(grey, zipfile.ZIP_DEFLATED))
    values = struct.pack("<120f", *(index / 120 for index in range(120)))
    colour = {"images": npy("<f4", (2, 3, 4, 5), values), "labels": npy("|u1", (2,), bytes([1, 0]))}
    write("npz", "floats", npz(colour, zipfile.ZIP_STORED))


def shipped():
    for path in sorted((ROOT / "onnx/suites").glob("*.toml")):
        write("suite", path.name, path.read_bytes())
    for path in sorted((ROOT / "theory/certificates").glob("*.json")):
        write("certificate", path.name, path.read_bytes())


if __name__ == "__main__":
    shutil.rmtree(SEEDS, ignore_errors=True)
    onnx()
    gradient()
    data()
    shipped()
