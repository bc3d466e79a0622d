"""Hostile pictures as images, labels and photographs."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from . import hostile, pictures
from .case import REFUSED, SILENT, Case
from .judging import Judgement
from .pictures import HEIGHT, WIDTH, Written

IDS = 11
"""CamVid's files hold 0 to 10, and 11 for void, which becomes 255."""


def cases() -> Iterator[Case]:
    """Each way to write a picture, as an image of a data set and as a photograph; and labels."""
    for target in ("image", "photograph"):
        for name in pictures.WRITERS:
            for seed in range(pictures.OFTEN.get(name, 1)):
                yield Case("hostile-pictures", name, target, seed=seed)
        yield from (Case("hostile-pictures", kind, target) for kind in hostile.STRANGE)
    for name in LABELS:
        yield from (Case("hostile-pictures", name, "label", seed=seed) for seed in range(LABELS_OFTEN.get(name, 1)))
    yield from (Case("hostile-pictures", kind, "label") for kind in hostile.STRANGE)


def run(case: Case, folder: Path) -> Judgement:
    """One file in a data set of one sample, read by ``prepare`` and ``check``; or one photograph, by ``predict``."""
    draw = random.Random(case.name)
    pixels, label_HW = pictures.scene(draw), np.tile(np.arange(WIDTH) // 4, (HEIGHT, 1)).astype(np.uint8)
    if case.target == "photograph":
        return _photograph(case, folder, draw, pixels)
    root = folder / "camvid"
    for part in ("images", "labels"):
        (root / part / "train").mkdir(parents=True)
    written = None
    if case.target == "image":
        written = _place(case, draw, pixels, root / "images/train/0")
        Image.fromarray(label_HW).save(root / "labels/train/0.png")
    else:
        Image.fromarray(pixels).save(root / "images/train/0.png")
        if case.kind in LABELS:
            written = LABELS[case.kind](draw, label_HW)
            (root / "labels/train/0.png").write_bytes(written.content)
        else:
            hostile.strange_file(root / "labels/train/0.png", case.kind)
    report = hostile.read(folder, lambda: _pack(root))
    outcome = hostile.judge(report, lambda: _compare(folder, case.target, written, pixels, label_HW))
    checked = hostile.read(folder, lambda: _check(root))
    verdict = hostile.judge(checked, lambda: "")
    if outcome[0] in ("healed", REFUSED) and verdict[0] not in ("healed", REFUSED):
        return verdict[0], f"check: {verdict[1]}"
    if {report.code, checked.code} in ({0, 1}, {0, 2}) and not (case.kind == "unreadable" and os.getuid() == 0):
        return SILENT, f"prepare ends with {report.code}, check with {checked.code}: {report.last_words()}"
    return outcome


def _place(case: Case, draw: random.Random, pixels: np.ndarray, stem: Path) -> Written | None:
    if case.kind in hostile.STRANGE:
        hostile.strange_file(stem.with_suffix(".png"), case.kind)
        return None
    written = pictures.WRITERS[case.kind](draw, pixels)
    stem.with_suffix(written.suffix).write_bytes(written.content)
    return written


def _pack(root: Path) -> None:
    from segadapt.data.packed.cache import PackedCache
    from segadapt.data.packed.prepare import Preparation, prepare

    what = Preparation("camvid", root, "train", (WIDTH, HEIGHT), "camvid11", True, True)
    prepare(what, Path("cache"), Path("scratch"), 1)
    cache = PackedCache(Path("cache/manifest.json"))
    if len(cache):
        np.savez("read.npz", image=cache.image(0), label=cache.label(0), native=cache.native_label(0))


def _check(root: Path) -> int:
    from segadapt.cli import main

    return main(["check", "camvid", str(root), "--split", "train", "--processes", "1", "--accept", "images/train"])


def _compare(folder: Path, target: str, written: Written | None, pixels: np.ndarray, label_HW: np.ndarray) -> str:
    if written is None:
        return "it is no regular file"
    if not (folder / "read.npz").is_file():
        return "nothing was packed"
    want_HW = np.where(label_HW == IDS, 255, label_HW)
    with np.load(folder / "read.npz") as found:
        if target == "label":
            if written.pixels is None:
                return "it holds no ids"
            want_HW = np.where(written.pixels == IDS, 255, written.pixels)
            return hostile.unlike(found["label"], want_HW) or hostile.unlike(found["native"], want_HW)
        if written.anything:
            return ""
        if written.pixels is None:
            return "it holds no picture"
        return hostile.unlike(found["image"], written.pixels, written.tolerance) or hostile.unlike(
            found["label"], want_HW
        )


def _photograph(case: Case, folder: Path, draw: random.Random, pixels: np.ndarray) -> Judgement:
    written = _place(case, draw, pixels, folder / "photo")
    path = next(folder.glob("photo.*"))

    def work() -> None:
        from segadapt.data.shipped.photographs import find_photographs, read_photograph

        for each in find_photographs([path], folder / "drawn"):
            np.save("read.npy", np.asarray(read_photograph(each)))

    def compare() -> str:
        if written is None:
            return "it is no regular file"
        if written.anything:
            return ""
        if written.pixels is None:
            return "it holds no picture"
        want = written.pixels if written.upright is None else written.upright
        return hostile.unlike(np.load(folder / "read.npy"), want, written.tolerance)

    return hostile.judge(hostile.read(folder, work), compare)


def _png_label(mode: str, right: bool):
    def write(draw: random.Random, label_HW: np.ndarray) -> Written:
        if mode == "P":
            image = Image.fromarray(label_HW)
            image.putpalette([draw.randrange(256) for _ in range(768)])
            return Written(pictures.saved(np.asarray(image), None, "PNG"), ".png", label_HW)
        array = label_HW if mode in ("L", "LA") else pictures.as_rgb(label_HW)
        content = pictures.saved(array, mode if mode != "RGB" else None, "PNG")
        return Written(content, ".png", label_HW if right else None)

    return write


def _palette(draw: random.Random, label_HW: np.ndarray) -> Written:
    colours = bytes(draw.randrange(256) for _ in range(768))
    rows = [row.tobytes() for row in label_HW]
    return Written(pictures.png(rows, 8, 3, [(b"PLTE", colours)]), ".png", label_HW)


def _palette_4_bits(draw: random.Random, label_HW: np.ndarray) -> Written:
    rows = [(row[0::2] << 4 | row[1::2]).tobytes() for row in label_HW]
    return Written(pictures.png(rows, 4, 3, [(b"PLTE", bytes(range(48)))]), ".png", label_HW)


def _grey_bits(depth: int):
    def write(draw: random.Random, label_HW: np.ndarray) -> Written:
        if depth == 16:
            rows = [row.astype(">u2").tobytes() for row in label_HW]
        else:
            kept = label_HW % 2**depth
            rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, -depth:].ravel()).tobytes() for row in kept]
        pixels = label_HW if depth == 16 else label_HW % 2**depth
        return Written(pictures.png(rows, depth, 0), ".png", pixels)

    return write


def _foreign_id(draw: random.Random, label_HW: np.ndarray) -> Written:
    label_HW = label_HW.copy()
    label_HW[draw.randrange(HEIGHT), draw.randrange(WIDTH)] = draw.randint(12, 255)
    return Written(pictures.saved(label_HW, None, "PNG"), ".png", None)


def _other_size(draw: random.Random, label_HW: np.ndarray) -> Written:
    cut = label_HW[: draw.randint(1, HEIGHT - 1), : draw.randint(1, WIDTH)]
    return Written(pictures.saved(np.ascontiguousarray(cut), None, "PNG"), ".png", None)


def _all_void(draw: random.Random, label_HW: np.ndarray) -> Written:
    return Written(pictures.saved(np.full_like(label_HW, IDS), None, "PNG"), ".png", None)


def _interlaced_label(draw: random.Random, label_HW: np.ndarray) -> Written:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row.tobytes() for y, x, down, right in passes for row in label_HW[y::down, x::right]]
    return Written(pictures.png(rows, 8, 0, interlace=1), ".png", label_HW)


def _damaged_label(how: str):
    def write(draw: random.Random, label_HW: np.ndarray) -> Written:
        content = bytearray(pictures.saved(label_HW, None, "PNG"))
        if how == "cut":
            content = content[: draw.randrange(len(content))]
        else:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        return Written(bytes(content), ".png", label_HW)

    return write


def _other_format(kind: str, **options):
    def write(draw: random.Random, label_HW: np.ndarray) -> Written:
        return Written(pictures.saved(label_HW, None, kind, **options), ".png", None if kind == "JPEG" else label_HW)

    return write


LABELS = {
    "label-L": _png_label("L", True),
    "label-LA": _png_label("LA", True),
    "label-RGB": _png_label("RGB", True),
    "label-RGBA": _png_label("RGBA", True),
    "label-palette": _palette,
    "label-palette-4-bits": _palette_4_bits,
    **{f"label-grey-{depth}-bits": _grey_bits(depth) for depth in (1, 2, 4, 16)},
    "label-foreign-id": _foreign_id,
    "label-other-size": _other_size,
    "label-all-void": _all_void,
    "label-interlaced": _interlaced_label,
    "label-cut": _damaged_label("cut"),
    "label-flip": _damaged_label("flip"),
    "label-jpeg": _other_format("JPEG"),
    "label-bmp": _other_format("BMP"),
    "label-tiff": _other_format("TIFF"),
    "label-gif": _other_format("GIF"),
    "label-postscript": lambda draw, label_HW: Written(pictures._postscript(draw, label_HW).content, ".png", None),
    "label-huge": lambda draw, label_HW: pictures._huge_png(draw, label_HW),
    "label-claimed-chunk": lambda draw, label_HW: pictures._claimed_chunk(draw, label_HW),
    "label-empty": lambda draw, label_HW: Written(b"", ".png", None),
    "label-random": lambda draw, label_HW: Written(draw.randbytes(500), ".png", None),
}
LABELS_OFTEN = {"label-foreign-id": 3, "label-other-size": 3, "label-cut": 4, "label-flip": 6, "label-huge": 3}
