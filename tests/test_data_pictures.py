"""Pictures of every make are read as they are seen, and what cannot be is refused by its true cause, at once."""

import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toy_sets import fault_of, game, preparation, refusal, sets  # noqa: F401 - fixtures are used by name

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles
from segadapt.data.shipped import pictures
from segadapt.data.shipped.array_rows import read_array
from segadapt.data.shipped.faults import Kind
from segadapt.data.shipped.image_files import image_size, read_image
from segadapt.data.shipped.label_files import read_ids
from segadapt.data.shipped.listing import read_list
from segadapt.data.shipped.matlab import read_vector
from segadapt.data.shipped.photographs import find_photographs, read_photograph

SHAPE = (30, 40)


def smooth() -> Image.Image:
    rows, columns = np.mgrid[0:30, 0:40]
    return Image.fromarray(np.stack([rows * 8, columns * 6, rows + columns], -1).astype(np.uint8))


def image_of(path: Path, label: Path | None = None) -> np.ndarray:
    return np.asarray(read_image(SampleFiles("x", path, label)))


# --- every make -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["png", "PNG", "jpg", "JPEG", "webp", "tif", "bmp"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_in_every_format_is_what_a_viewer_shows(tmp_path, mode, end):
    path, picture = tmp_path / f"x.{end}", smooth().convert(mode)
    try:
        options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
        picture.save(path, **options.get(end.lower().replace("jpeg", "jpg"), {}))
    except (OSError, ValueError, KeyError):
        pytest.skip("no such file")
    seen = np.asarray(picture.convert("RGB")).astype(int)
    tolerance = 40 if end.lower() in ("jpg", "jpeg") else 0
    assert np.abs(image_of(path).astype(int) - seen).max() <= tolerance
    assert np.array_equal(image_of(path), np.asarray(read_photograph(path)))


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bit_grey_is_scaled_as_predict_does(tmp_path, end, order):
    values_HW = np.linspace(0, 65535, 1200).reshape(SHAPE).astype(np.uint16)
    if end == "png" and order == ">u2":
        pytest.skip("PNG has one order")
    mode = "I;16B" if order == ">u2" else "I;16"
    Image.frombytes(mode, SHAPE[::-1], values_HW.astype(order).tobytes()).save(tmp_path / f"x.{end}")
    have = image_of(tmp_path / f"x.{end}")
    np.testing.assert_array_equal(have, np.rint(values_HW / 257)[..., None].repeat(3, -1))
    assert np.array_equal(have, np.asarray(read_photograph(tmp_path / f"x.{end}")))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_whose_meaning_nothing_tells_are_refused_for_that(tmp_path, mode):
    Image.new(mode, (8, 6)).save(tmp_path / "x.tif")
    fault = fault_of(image_of, tmp_path / "x.tif")
    assert fault.kind is Kind.BIT_DEPTH and f"mode {mode}" in fault.what and "damaged" not in fault.what
    with pytest.raises(UserError, match=f"mode {mode}"):
        read_photograph(tmp_path / "x.tif")


def test_transparent_parts_are_white(tmp_path):
    picture = smooth().convert("RGBA")
    picture.putalpha(Image.fromarray(np.tile(np.array([0, 255], np.uint8), (30, 20))))
    picture.save(tmp_path / "x.png")
    have = image_of(tmp_path / "x.png")
    assert (have[:, ::2] == 255).all() and np.array_equal(have[:, 1::2], np.asarray(smooth())[:, 1::2])


def test_a_large_tile_is_read_and_a_larger_one_has_its_own_sentence(tmp_path, monkeypatch):
    assert pictures.MOST_PIXELS > 14000 * 13000
    Image.new("L", (14000, 13000), 9).save(tmp_path / "x.png", compress_level=1)
    assert pictures.open_picture(tmp_path / "x.png").size == (14000, 13000)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100)
    fault = fault_of(image_of, tmp_path / "x.png")
    assert fault.kind is Kind.TOO_LARGE and "14000x13000 pixels, more than 100; cut it into tiles" in str(fault)


# --- orientation ----------------------------------------------------------------------------------


def turned(path: Path, tag: int, size: tuple[int, int]) -> Path:
    exif = Image.Exif()
    exif[0x0112] = tag
    smooth().resize(size).save(path, exif=exif)
    return path


def label(path: Path, size: tuple[int, int]) -> Path:
    Image.new("L", size, 7).save(path)
    return path


@pytest.mark.parametrize("end", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_without_a_label_a_picture_stands_upright(tmp_path, tag, end):
    path = turned(tmp_path / f"x.{end}", tag, (40, 30))
    assert image_of(path).shape[:2] == ((40, 30) if tag > 4 else (30, 40))
    assert image_size(SampleFiles("x", path, None)) == ((30, 40) if tag > 4 else (40, 30))
    assert np.array_equal(image_of(path), np.asarray(read_photograph(path)))


@pytest.mark.parametrize("tag", [5, 6, 7, 8])
def test_a_label_tells_which_way_its_image_stands(tmp_path, tag):
    path = turned(tmp_path / "x.png", tag, (40, 30))
    for size in ((30, 40), (40, 30)):
        here = label(tmp_path / "y.png", size)
        assert image_of(path, here).shape[:2] == size[::-1]
        assert image_size(SampleFiles("x", path, here)) == size
    stored = np.asarray(smooth())
    assert np.array_equal(image_of(path, here), stored)  # the label of the stored pixels was the last


@pytest.mark.parametrize(("tag", "size"), [(2, (40, 30)), (3, (40, 30)), (4, (40, 30)), (6, (30, 30)), (8, (30, 30))])
def test_where_the_label_cannot_tell_the_picture_is_refused(tmp_path, tag, size):
    path, here = turned(tmp_path / "x.png", tag, size), label(tmp_path / "y.png", size)
    fault = fault_of(image_of, path, here)
    assert fault.kind is Kind.ORIENTATION and f"({tag})" in fault.what and "without the tag" in fault.mend


# --- hostile --------------------------------------------------------------------------------------

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 32\n%%EndComments\nshowpage\n%%EOF\n"


def ghostscript(folder: Path, monkeypatch) -> Path:
    """A ``gs`` that leaves a mark when it is started."""
    (folder / "bin").mkdir()
    program, mark = folder / "bin/gs", folder / "started"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    return mark


READERS = {
    "an image": image_of,
    "a photograph": read_photograph,
    "a label": lambda path: read_ids(path, "index"),
    "a label in red": lambda path: read_ids(path, "red16"),
    "a size": lambda path: image_size(SampleFiles("", path, None)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_postscript_starts_nothing_whatever_it_is_called(tmp_path, monkeypatch, read):
    mark, path = ghostscript(tmp_path, monkeypatch), tmp_path / "x.png"
    path.write_bytes(EPS)
    with pytest.raises(UserError, match="holds no picture in PNG, JPEG, WebP, TIFF or BMP"):
        read(path)
    assert not mark.exists()
    with pytest.raises(OSError, match=r".*"), Image.open(path) as image:  # Pillow itself does start it
        image.load()
    assert mark.exists()


@pytest.mark.parametrize("end", ["gif", "ppm", "pcx", "tga", "ico", "eps", "pdf"])
def test_other_formats_are_no_damage(tmp_path, end):
    smooth().save(tmp_path / f"x.{end}")
    assert fault_of(image_of, tmp_path / f"x.{end}").kind is Kind.NO_PICTURE


def chunk(kind: bytes, data: bytes, length: int | None = None) -> bytes:
    length = len(data) if length is None else length
    return struct.pack(">I", length) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks)


PIXELS, END = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + b"\1\2\3" * 48 for _ in range(32)))), chunk(b"IEND", b"")
CLAIMS = {
    f"{kind.decode()} of {length}": png(48, 32, chunk(kind, b"abc", length), PIXELS, END)
    for kind in (b"IDAT", b"iCCP", b"zTXt", b"eXIf", b"PLTE", b"tRNS", b"fooo")
    for length in (2**32 - 1, 2**31 - 1)
} | {
    "4 GB after the pixels": png(48, 32, PIXELS, chunk(b"fooo", b"abc", 2**32 - 1), END),
    "pixels that a few bytes cannot hold": png(20000, 20000, PIXELS, END),
    "no pixel": png(0, 32, PIXELS, END),
    "a deep picture": png(48, 32, PIXELS, END, depth=16),
    "a huge bitmap": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 20000, 20000, 1, 24, 0, 0, 1, 1, 0, 0),
    "a TIFF of 20000 x 20000": b"II*\0\x08\0\0\0" + struct.pack("<H", 5) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 20000), (257, 20000), (258, 8), (262, 1), (273, 8))
    ) + b"\0" * 4,
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_of_a_header_are_damage_before_they_cost_memory(tmp_path, name):
    import resource

    (tmp_path / "x.png").write_bytes(CLAIMS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fault_of(image_of, tmp_path / "x.png").kind in (Kind.DAMAGED, Kind.NO_PICTURE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
    for width in (2**31 - 1, 2**17):
        (tmp_path / "y.png").write_bytes(png(width, width, PIXELS, END))
        assert fault_of(image_of, tmp_path / "y.png").kind in (Kind.TOO_LARGE, Kind.DAMAGED)


@settings(max_examples=150)
@given(st.sampled_from(["png", "jpg", "webp", "tif", "bmp"]), st.integers(0, 2**31), st.integers(1, 4), st.booleans())
def test_random_damage_is_a_picture_or_one_sentence(tmp_path_factory, end, seed, flips, cut):
    path = tmp_path_factory.mktemp("damage") / f"x.{end}"
    smooth().save(path)
    content, random = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for at in random.integers(0, len(content), flips):
        content[at] = random.integers(0, 256)
    path.write_bytes(content[: random.integers(0, len(content))] if cut else content)
    try:
        assert image_of(path).shape[2] == 3
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(path) in str(error)


@pytest.fixture(params=["pipe", "socket", "device", "loop", "folder"])
def odd(request, tmp_path, monkeypatch):
    """No regular file, by the name that is asked for."""
    monkeypatch.chdir(tmp_path)  # a socket's name is short

    def make(name: str) -> Path:
        if request.param == "pipe":
            os.mkfifo(name)
        elif request.param == "socket":
            socket.socket(socket.AF_UNIX).bind(name)
        elif request.param == "device":
            os.symlink("/dev/zero", name)
        elif request.param == "loop":
            os.symlink(name, name)
        else:
            os.mkdir(name)
        return Path(name)

    return make


def test_only_regular_files_are_opened(odd):
    path = odd("x.png")
    readers = (image_of, read_photograph, lambda file: read_ids(file, "index"), lambda file: read_array(file, "a"),
               lambda file: read_vector(file, "trainIds"), lambda file: read_list(file, "get it"))  # fmt: skip
    for read in readers:
        with pytest.raises(UserError) as caught:
            read(path)
        assert "x.png" in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["images/00002.png", "labels/00002.png", "list/train.txt"])
def test_a_data_set_with_a_pipe_in_it_is_refused_by_name(game, tmp_path, name):
    (game / name).unlink()
    os.mkfifo(game / name)
    assert name in refusal(preparation(game), tmp_path)


# --- arrays and MATLAB files ----------------------------------------------------------------------


# --- names that are no text -----------------------------------------------------------------------


def test_a_file_name_that_is_no_utf_8_is_one_sentence(tmp_path, capsys):
    from segadapt.cli import main

    name = os.fsdecode(b"b\xffd")
    for folder in ("train", "trainannot"):
        (tmp_path / folder).mkdir()
        for each in (name, "good"):
            Image.new("L" if folder == "trainannot" else "RGB", (8, 6), 3).save(tmp_path / folder / f"{each}.png")
    assert main(["check", "camvid", str(tmp_path), "--split", "train", "--processes", "1"]) == 1
    assert rf"{tmp_path}/train/b\xffd.png has a name that is not UTF-8; rename it" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"b\\xffd\.png has a name that is not UTF-8; rename it"):
        find_photographs([tmp_path / "train"], tmp_path / "out")
