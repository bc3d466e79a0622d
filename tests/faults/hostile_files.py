"""Hostile lists, arrays and matrices, and with them hostile weights."""

import io
import pickle
import random
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from . import hostile, hostile_weights, pictures
from .case import Case
from .hostile import Maker
from .judging import Judgement

COUNT = 6
"""Images of the GTA5 folder: 00001 to 00006."""
OFTEN = {"soup": 12, "cut": 4, "flip": 6, "flip-stored": 4, "cut-torch": 4, "flip-torch": 6, "cut-legacy": 4,
         "flip-legacy": 6, "cut-safetensors": 3, "flip-safetensors": 4, "random": 2}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every kind of file, and what is wrong with it."""
    for target, kinds in (("list", LISTS), ("mat", MATRICES), ("npz", ARCHIVES), ("weights", hostile_weights.WEIGHTS)):
        for kind in kinds:
            yield from (Case("hostile-files", kind, target, seed=seed) for seed in range(OFTEN.get(kind, 1)))
        yield from (Case("hostile-files", kind, target) for kind in hostile.STRANGE)


def run(case: Case, folder: Path) -> Judgement:
    """By what kind of file it is."""
    return {"list": _list, "mat": _matrix, "npz": _archive, "weights": hostile_weights.judge}[case.target](case, folder)


# --- lists of GTA5 -----------------------------------------------------------------------------------------------


def _gta5(folder: Path) -> Path:
    root = folder / "gta5"
    for name in ("images", "labels", "list"):
        (root / name).mkdir(parents=True)
    for number in range(1, COUNT + 1):
        image = np.full((8, 16, 3), 40 * number, np.uint8)
        Image.fromarray(image).save(root / f"images/{number:05d}.png")
        Image.fromarray(np.full((8, 16), 7, np.uint8)).save(root / f"labels/{number:05d}.png")
    return root


def _pack(what: tuple, out: str = "names") -> None:
    from segadapt.data.packed.cache import PackedCache
    from segadapt.data.packed.prepare import Preparation, prepare

    prepare(Preparation(*what), Path("cache"), Path("scratch"), 1)
    cache = PackedCache(Path("cache/manifest.json"))
    indices = range(len(cache))
    np.savez(
        out,
        names=np.array([cache.name(index) for index in indices]),
        images=np.array([cache.image(index) for index in indices]),
        labels=np.array([cache.label(index) for index in indices]),
    )


def _lines(*more: str, end: str = "\n") -> Maker:
    """Good lines with strange ones among them."""

    def make(draw: random.Random) -> bytes:
        lines = [str(number) for number in draw.sample(range(1, COUNT + 1), 4)]
        for line in more:
            lines.insert(draw.randrange(len(lines) + 1), line)
        return "".join(line + end for line in lines).encode()

    return make


def _soup(draw: random.Random) -> bytes:
    words = ["1", "2", "3", "00004", "5.png", "images/6.png", "", " ", "#", "-1", "1e3", "٣", "²", "NaN", "0x2", "\t1 ",
             "/etc/passwd", "../../1", "\x00", "1,2", "\ufeff2", "１", "9" * 400, "é", "1 1", "99999"]  # fmt: skip
    return draw.choice(["\n", "\r\n", "\r"]).join(draw.choices(words, k=draw.randint(1, 8))).encode()


LISTS: dict[str, Maker] = {
    "good": _lines(),
    "crlf": _lines(end="\r\n"),
    "cr": _lines(end="\r"),
    "byte-order-mark": lambda draw: b"\xef\xbb\xbf" + _lines()(draw),
    "utf-16": lambda draw: _lines()(draw).decode().encode("utf-16"),
    "latin-1": lambda draw: _lines()(draw) + "é\n".encode("latin-1"),
    "endings": lambda draw: b"1.png\n2.png\n",
    "folders": lambda draw: b"images/00001.png\n/images/00002.png\n",
    "pairs": lambda draw: b"/images/00001.png /labels/00001.png\n",
    "blank-lines": _lines("", "   ", "\t"),
    "twice": _lines("3", "3"),
    "absent": _lines("77"),
    "outside": _lines("../../../../etc/passwd"),
    "absolute": _lines("/etc/passwd"),
    "zero-bytes": lambda draw: b"1\n\0\0\0\n2\n",
    "one-long-line": lambda draw: b"1" * 20_000_000,
    "many-lines": lambda draw: b"x\n" * 2_000_000,
    "huge-number": _lines("9" * 5000),
    "negative": _lines("-3"),
    "other-digits": _lines("٣"),
    "full-width-digits": _lines("３"),
    "superscript": _lines("²"),
    "floats": _lines("3.0"),
    "separators": lambda draw: "1\x1c2\x1d3\x853\u20284\n".encode(),
    "empty": lambda draw: b"",
    "picture": lambda draw: pictures.saved(pictures.scene(draw), None, "PNG"),
    "random": lambda draw: draw.randbytes(3000),
    "soup": _soup,
}


def _expected_names(content: bytes) -> list[str] | None:
    """Another reading of a list: each line's number, perhaps with folder and ending; None if a line is none."""
    text = content.decode("utf-8-sig", "replace")
    lines = [line.strip(" \t") for line in re.split("\r\n|\n|\r", text)]
    found = [re.fullmatch(r"(?:/?(?:images|labels)/)?0*([0-9]+)(?:\.png)?", line) for line in lines if line]
    if not all(found):
        return None
    return [f"{int(each[1]):05d}" for each in found if each]


def _list(case: Case, folder: Path) -> Judgement:
    root = _gta5(folder)
    content = hostile.write(root / "list/train.txt", case, LISTS)
    report = hostile.read(folder, lambda: _pack(("gta5", root, "train", (16, 8), "cityscapes19", True, False)))

    def compare() -> str:
        with np.load(folder / "names.npz") as found:
            names = found["names"].tolist()
            wanted = None if content is None else _expected_names(content)
            if names != wanted:
                return f"packed {names[:5]}, listed {wanted and wanted[:5]}"
            return hostile.unlike(found["images"][:, 0, 0, 0], 40 * np.array([int(name) for name in names]))

    return hostile.judge(report, compare)


# --- the official split.mat ----------------------------------------------------------------------------------------


def _mat(value: object, **more: object) -> Maker:
    def make(draw: random.Random) -> bytes:
        file = io.BytesIO()
        scipy.io.savemat(file, {"trainIds": value, "valIds": [[1]], "testIds": [[2]], **more})
        return file.getvalue()

    return make


def _compressed_zeros(draw: random.Random) -> bytes:
    """A compressed matrix of 1 GiB."""
    file = io.BytesIO()
    scipy.io.savemat(file, {"trainIds": np.zeros((1, 2**27))}, do_compression=True)
    return file.getvalue()


_NUMBERS = np.array([[1], [3], [2]])
_HDF = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(100)
_CELLS = np.empty((2, 1), object)
_CELLS[:] = [[np.array([[1]])], ["two"]]
MATRICES: dict[str, Maker] = {
    "good": _mat(_NUMBERS),
    "row": _mat(_NUMBERS.T),
    "whole-floats": _mat(_NUMBERS.astype(float)),
    "floats": _mat(_NUMBERS + 0.5),
    "nan": _mat(np.array([[1.0, np.nan]])),
    "infinity": _mat(np.array([[1.0, np.inf]])),
    "negative": _mat(np.array([[-1, 2]])),
    "zero": _mat(np.array([[0, 2]])),
    "huge": _mat(np.array([[2**63 - 1, 2]])),
    "huge-float": _mat(np.array([[1e300, 2]])),
    "complex": _mat(np.array([[1 + 2j, 2]])),
    "logical": _mat(np.array([[True, True]])),
    "cells": _mat(_CELLS),
    "text": _mat("one two"),
    "text-rows": _mat(np.array(["00001.png", "00002.png"])),
    "struct": _mat({"ids": _NUMBERS}),
    "empty": _mat(np.zeros((0, 0))),
    "cube": _mat(np.ones((2, 2, 2))),
    "twice": _mat(np.array([[1, 1, 2]])),
    "absent": _mat(np.array([[1, 4000]])),
    "sparse": lambda draw: _mat(scipy.sparse.csc_matrix(_NUMBERS))(draw),
    "another-name": lambda draw: _mat(_NUMBERS)(draw).replace(b"trainIds", b"trainIDs"),
    "version-7.3": lambda draw: _HDF,
    "compressed-zeros": _compressed_zeros,
    "cut": hostile.changed(_mat(_NUMBERS), "cut"),
    "flip": hostile.changed(_mat(_NUMBERS), "flip"),
    "random": lambda draw: draw.randbytes(1000),
    "empty-file": lambda draw: b"",
    "words": lambda draw: b"1\n2\n3\n",
}  # fmt: skip
_RIGHT = {"good": [1, 2, 3], "row": [1, 2, 3], "whole-floats": [1, 2, 3]}


def _matrix(case: Case, folder: Path) -> Judgement:
    root = _gta5(folder)
    hostile.write(root / "split.mat", case, MATRICES)
    report = hostile.read(folder, lambda: _pack(("gta5", root, "train", (16, 8), "cityscapes19", True, False)))

    def compare() -> str:
        with np.load(folder / "names.npz") as found:
            names = [int(name) for name in found["names"]]
        if case.kind in ("flip", "cut"):
            # Nothing in the format tells of a flipped bit; what is read must be what the file now says.
            try:
                said = scipy.io.loadmat(root / "split.mat", variable_names=["trainIds"])["trainIds"].ravel()
            except Exception as error:
                return f"packed {names}, and SciPy reads {error}"
            return "" if sorted(said.tolist()) == names else f"packed {names}, the file says {said}"
        return "" if names == _RIGHT.get(case.kind) else f"packed {names}"

    return hostile.judge(report, compare)


# --- archives of digits ---------------------------------------------------------------------------------------------


def _arrays() -> dict[str, np.ndarray]:
    state = np.random.default_rng(5)
    arrays = {}
    for name, side in (("mnist", 28), ("usps_train", 16), ("usps_test", 16)):
        arrays[f"{name}_x"] = state.integers(1, 256, (12, side, side)).astype(np.uint8)
        arrays[f"{name}_y"] = (np.arange(12) % 10).astype(np.int64)
    return arrays


def _npz(compressed: bool = True, drop: str | None = None, **changes: object) -> Maker:
    def make(draw: random.Random) -> bytes:
        arrays = _arrays()
        arrays |= {name: change(arrays[name]) if callable(change) else change for name, change in changes.items()}
        arrays.pop(drop, None)
        file = io.BytesIO()
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
        return file.getvalue()

    return make


def _with_member(name: str, content: Maker) -> Maker:
    """The whole archive, one member's bytes replaced."""

    def make(draw: random.Random) -> bytes:
        file = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(_npz()(draw))) as whole,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for each in whole.namelist():
                new.writestr(each, content(draw) if each == name else whole.read(each))
        return file.getvalue()

    return make


def _header(shape: str, descr: str = "|u1", body: bytes = b"") -> Maker:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return lambda draw: b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def _pickled(draw: random.Random) -> bytes:
    return _header("(1,)", "|O", pickle.dumps([hostile.Trap()]))(draw)


_X = "mnist_x.npy"
ARCHIVES: dict[str, Maker] = {
    "good": _npz(),
    "stored": _npz(compressed=False),
    "no-images": _npz(drop="mnist_x"),
    "no-labels": _npz(drop="mnist_y"),
    "float-images": _npz(mnist_x=lambda x: x.astype(float)),
    "signed-images": _npz(mnist_x=lambda x: x.astype(np.int8)),
    "wide-images": _npz(mnist_x=lambda x: x.astype(np.uint16)),
    "colour-images": _npz(mnist_x=lambda x: np.repeat(x[..., None], 3, -1)),
    "flat-images": _npz(mnist_x=lambda x: x.reshape(12, -1)),
    "small-images": _npz(mnist_x=lambda x: x[:, :20, :20]),
    "no-rows": _npz(mnist_x=lambda x: x[:0], mnist_y=lambda y: y[:0]),
    "other-count": _npz(mnist_y=lambda y: y[:-1]),
    "label-ten": _npz(mnist_y=lambda y: y + 1),
    "negative-label": _npz(mnist_y=lambda y: y - 1),
    "float-labels": _npz(mnist_y=lambda y: y + 0.5),
    "nan-labels": _npz(mnist_y=lambda y: np.full(12, np.nan)),
    "text-labels": _npz(mnist_y=lambda y: y.astype(str)),
    "bool-labels": _npz(mnist_y=lambda y: y.astype(bool)),
    "one-hot-labels": _npz(mnist_y=lambda y: np.eye(10)[y]),
    "column-labels": _npz(mnist_y=lambda y: y[:, None]),
    "big-endian-labels": _npz(mnist_y=lambda y: y.astype(">i8")),
    "fortran-images": _npz(mnist_x=lambda x: np.asfortranarray(x)),
    "structured": _npz(mnist_x=lambda x: np.zeros(12, [("a", "u1")])),
    "dates": _npz(mnist_y=lambda y: y.astype("M8[s]")),
    "scalar": _npz(mnist_x=np.array(3)),
    "pickled": _with_member(_X, _pickled),
    "claims-2^40-rows": _with_member(_X, _header(f"({2**40}, 28, 28)", body=b"\1" * 100)),
    "claims-2^62": _with_member(_X, _header(f"({2**62}, 28, 28)", body=b"\1" * 100)),
    "negative-shape": _with_member(_X, _header("(-12, 28, 28)", body=b"\1" * 12 * 784)),
    "float-shape": _with_member(_X, _header("(12.0, 28, 28)", body=b"\1" * 12 * 784)),
    "short-body": _with_member(_X, _header("(12, 28, 28)", body=b"\1" * 100)),
    "long-body": _with_member(_X, _header("(12, 28, 28)", body=b"\1" * 12 * 784 * 2)),
    "no-header": _with_member(_X, lambda draw: b"hello"),
    "empty-member": _with_member(_X, lambda draw: b""),
    "code-in-header": _with_member(_X, _header("__import__('os').system('gs')")),
    "zeros-4GiB": _with_member(_X, lambda draw: _header(f"({2**32 // 784}, 28, 28)")(draw) + bytes(2**28)),
    "cut": hostile.changed(_npz(), "cut"),
    "flip": hostile.changed(_npz(), "flip"),
    "flip-stored": hostile.changed(_npz(compressed=False), "flip"),
    "empty": lambda draw: b"",
    "text": lambda draw: b"not an archive\n",
    "random": lambda draw: draw.randbytes(2000),
    "empty-zip": lambda draw: b"PK\x05\x06" + bytes(18),
    "plain-npy": lambda draw: _header("(12, 28, 28)", body=b"\1" * 12 * 784)(draw),
}
_AS_GOOD = ("good", "stored", "big-endian-labels", "fortran-images", "flip", "flip-stored", "cut")
"""What may be taken, and then must be the very arrays."""


def _archive(case: Case, folder: Path) -> Judgement:
    root = folder / "digits"
    root.mkdir()
    hostile.write(root / "some.npz", case, ARCHIVES)
    report = hostile.read(folder, lambda: _pack(("digits_npz", root, "mnist", (28, 28), "digits10", True, False)))

    def compare() -> str:
        if case.kind not in _AS_GOOD:
            return "it is not what it should be"
        with np.load(folder / "names.npz") as found:
            images_NHW = _arrays()["mnist_x"]
            return hostile.unlike(found["images"][..., 0], images_NHW) or hostile.unlike(
                found["labels"].ravel(), _arrays()["mnist_y"]
            )

    return hostile.judge(report, compare)
