"""Digits from one archive of arrays: what is packed, what is read how often, and each refusal."""

import io
import struct
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_sets import fault_of, packed, refusal

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.data.datasets import digits_npz
from segadapt.data.packed.prepare import Preparation
from segadapt.data.shipped import array_rows
from segadapt.data.shipped.array_rows import read_array
from segadapt.data.shipped.faults import Faulty, Kind, MissingSplit
from segadapt.labels import DIGITS10, OFFICE31

ROWS = {"mnist": 13, "usps_train": 12, "usps_test": 11}
SIDES = {"mnist": 28, "usps_train": 16, "usps_test": 16}


def toy_arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {}
    for name, rows in ROWS.items():
        arrays[f"{name}_x"] = random.integers(0, 256, (rows, SIDES[name], SIDES[name])).astype(np.uint8)
        arrays[f"{name}_y"] = np.arange(rows) % 10
    return arrays


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez_compressed(folder / "some.npz", **arrays)
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    return write(tmp_path / "digits", toy_arrays())


def digits(root: Path, split: str = "mnist", **changes) -> Preparation:
    return replace(Preparation("digits_npz", root, split, (20, 18), "digits10", True, False), **changes)


@pytest.mark.parametrize("split", digits_npz.ARRAYS)
def test_the_pack_holds_the_arrays_rows(root, tmp_path, split):
    name, arrays = digits_npz.ARRAYS[split][0], toy_arrays()
    cache = packed(digits(root, split), tmp_path)
    images_NHW, labels_N = arrays[f"{name}_x"], arrays[f"{name}_y"]
    assert len(cache) == ROWS[name] and cache.label_size == (1, 1)
    for index, image_HW in enumerate(images_NHW):
        grey = Image.fromarray(image_HW).convert("RGB").resize((20, 18), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(cache.image(index), np.asarray(grey))
        assert cache.label(index).tolist() == [[labels_N[index]]] and cache.name(index) == f"{split}/{index:05d}"
        source = {f"some.npz/{name}_x/{index:05d}": sha256(image_HW.tobytes()).hexdigest()}
        assert cache.manifest["records"][index]["sources"] == source
    assert cache.manifest["shared_sources"] == {"some.npz": sha256((root / "some.npz").read_bytes()).hexdigest()}
    assert cache.manifest["label_histogram"]["zero"] == 2


def test_each_array_is_decompressed_once(root, tmp_path, monkeypatch):
    opened, archive = [], zipfile.ZipFile
    monkeypatch.setattr(array_rows.zipfile, "ZipFile", lambda path: opened.append(path) or archive(path))
    packed(digits(root), tmp_path)
    assert opened == [root / "some.npz"] * 2


def test_an_archive_that_was_written_anew_is_read_anew(root, tmp_path):
    packed(digits(root), tmp_path / "before")
    arrays = toy_arrays()
    arrays["mnist_x"] = 255 - arrays["mnist_x"]
    arrays["mnist_x"][0] = 3  # compresses otherwise: another size, should the clock be coarse
    write(root, arrays)
    cache = packed(digits(root, size=(28, 28)), tmp_path / "after")
    np.testing.assert_array_equal(cache.image(1)[..., 0], arrays["mnist_x"][1])


def test_check_counts_digits_of_each_split(root, capsys):
    assert main(["check", "digits_npz", str(root), "--processes", "1"]) == 1
    output = capsys.readouterr().out
    assert f"{root / 'some.npz/mnist_x'} gives split 'mnist' 13 samples, not 10000" in output and "3 faults" in output
    assert "zero 2, one 2, two 2, three 1" in output and "usps_t 11 of 2007" not in output
    accepted = ("--accept", *(f"some.npz/{name}_x" for name in ROWS))
    assert main(["check", "digits_npz", str(root), "--processes", "1", *accepted]) == 0


def test_one_image_can_be_accepted_away(root, tmp_path):
    arrays = toy_arrays()
    arrays["mnist_x"][4] = 0
    write(root, arrays)
    file = root / "some.npz/mnist_x/00004"
    assert f"{file} is all black" in refusal(digits(root), tmp_path)
    cache = packed(digits(root, accept=("some.npz/mnist_x/00004",)), tmp_path)
    assert len(cache) == 12 and cache.name(4) == "mnist/00005"


def test_only_the_classes_of_digits(root, tmp_path):
    assert digits_npz.train_id_table(DIGITS10)[:10].tolist() == list(range(10))
    with pytest.raises(UserError, match="digits10, not office31"):
        digits_npz.train_id_table(OFFICE31)


# --- refusals -------------------------------------------------------------------------------------


def changed(**arrays) -> dict:
    """The toy arrays with these in their place; None for one that is left out."""
    return {name: array for name, array in (toy_arrays() | arrays).items() if array is not None}


X, Y = toy_arrays()["mnist_x"], toy_arrays()["mnist_y"]
BAD = {
    "no images": (changed(mnist_x=None), "mnist_x is missing from this file"),
    "no labels": (changed(mnist_y=None), "mnist_y is missing from this file"),
    "float images": (changed(mnist_x=X / 255), "mnist_x holds float64 of shape (13, 28, 28), not uint8"),
    "images with NaN": (changed(mnist_x=np.full(X.shape, np.nan, np.float32)), "mnist_x holds float32"),
    "wider integers": (changed(mnist_x=X.astype(np.int32)), "mnist_x holds int32"),
    "flat images": (changed(mnist_x=X.reshape(13, -1)), "of shape (13, 784), not uint8 of shape (N, 28, 28)"),
    "images in colours": (changed(mnist_x=np.stack([X] * 3, -1)), "of shape (13, 28, 28, 3)"),
    "images of another side": (changed(mnist_x=X[:, :16, :16]), "of shape (13, 16, 16)"),
    "no image at all": (changed(mnist_x=X[:0], mnist_y=Y[:0]), "of shape (0, 28, 28)"),
    "objects": (changed(mnist_x=np.array([None, X], object)), "some.npz is damaged or cut short"),
    "float labels": (changed(mnist_y=Y.astype(float)), "mnist_y holds float64 of shape (13,), not whole numbers"),
    "labels in a column": (changed(mnist_y=Y[:, None]), "mnist_y holds int64 of shape (13, 1)"),
    "one-hot labels": (changed(mnist_y=np.eye(10, dtype=np.uint8)[Y]), "of shape (13, 10)"),
    "fewer labels": (changed(mnist_y=Y[:-1]), "mnist_y holds 12 labels for 13 images"),
    "label 10": (changed(mnist_y=np.where(Y == 7, 10, Y)), "mnist_y holds label 10 at index 7, beyond 0 to 9"),
    "label -1": (changed(mnist_y=np.where(Y == 2, -1, Y)), "mnist_y holds label -1 at index 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_arrays_of_another_kind_are_refused(tmp_path, name):
    arrays, sentence = BAD[name]
    root = write(tmp_path / "digits", arrays)
    message = refusal(digits(root), tmp_path)
    assert sentence in message and str(root / "some.npz") in message and "; " in message
    assert len(packed(digits(root, "usps"), tmp_path / "other")) == 12


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_cut_archive_is_refused(root, tmp_path, share):
    content = (root / "some.npz").read_bytes()
    (root / "some.npz").write_bytes(content[: int(len(content) * share)])
    message = refusal(digits(root), tmp_path)
    assert message.startswith(f"{root / 'some.npz'} is damaged or cut short") and message.count("damaged") == 1


def test_a_flipped_byte_of_an_array_is_refused(root, tmp_path):
    content = bytearray((root / "some.npz").read_bytes())
    content[2000] ^= 255  # within mnist_x, which stands first and compresses badly
    (root / "some.npz").write_bytes(content)
    assert "some.npz is damaged or cut short" in refusal(digits(root), tmp_path)


@pytest.mark.parametrize("kind", ["one array", "text", "a foreign zip"])
def test_what_is_no_archive_of_arrays_is_refused(root, tmp_path, kind):
    path = root / "some.npz"
    content = io.BytesIO()
    if kind == "one array":
        np.save(content, X)
    elif kind == "text":
        content.write(b"mnist_x, mnist_y")
    else:
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("mnist_x", "no array")
            archive.writestr("mnist_y", "no array")
    path.write_bytes(content.getvalue())
    assert str(path) in refusal(digits(root), tmp_path)


def test_no_archive_and_two_archives_and_another_split_are_refused(root, tmp_path):
    (root / "more.npz").write_bytes((root / "some.npz").read_bytes())
    with pytest.raises(Faulty, match=r"more\.npz is one of 2 \.npz files.*\n.*some\.npz is one of 2"):
        digits_npz.list_samples(root, "mnist")
    for path in root.iterdir():
        path.unlink()
    assert "holds no .npz file: write the digits" in refusal(digits(root), tmp_path)
    with pytest.raises(MissingSplit, match="there is no split 'svhn' of these digits; they are mnist, usps"):
        digits_npz.list_samples(root, "svhn")


def archive(path: Path, header: dict | None, content: bytes, version: bytes = b"\1\0") -> Path:
    import zipfile

    text = repr(header).encode() + b" " * 20 + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content)
    return path


@pytest.mark.parametrize("shape", [(2**40, 28, 28), (2**62, 4), (3, 28, 28), (0, 28, 28), (-1, 28), ("a",)])
def test_an_array_that_claims_more_or_less_than_there_is_is_refused(tmp_path, shape):
    path = archive(tmp_path / "x.npz", {"descr": "|u1", "fortran_order": False, "shape": shape}, b"1" * 1568)
    with pytest.raises(Faulty, match=r"x\.npz"):
        read_array(path, "a")
    path = archive(tmp_path / "y.npz", {"descr": "|u1", "fortran_order": False, "shape": (2, 28, 28)}, b"1" * 1568)
    assert read_array(path, "a").shape == (2, 28, 28)


def test_an_array_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("segadapt.data.shipped.array_rows.MOST_BYTES", 2**20)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(2**21, np.uint8))
    assert fault_of(read_array, tmp_path / "x.npz", "a").kind is Kind.TOO_LARGE
