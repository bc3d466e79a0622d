"""Pictures that are written here from known pixels, in every mode and format, whole and damaged."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 24
LOSSY = 14.0
"""Mean difference that JPEG at its best may make on these pictures."""


@dataclass(frozen=True)
class Written:
    """A file's bytes and what they mean. ``pixels`` None: only a refusal is right, unless ``anything`` goes.

    ``upright`` are the pixels as they are meant to be seen, where that differs from how they are stored.
    """

    content: bytes
    suffix: str
    pixels: np.ndarray | None
    tolerance: float = 0.0
    anything: bool = False
    upright: np.ndarray | None = None


def scene(draw: random.Random) -> np.ndarray:
    """uint8 (H, W, 3): coloured tiles with a ramp, none of them black."""
    random_state = np.random.default_rng(draw.randrange(2**32))
    tiles = random_state.integers(30, 220, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    return (tiles + np.arange(WIDTH)[None, :, None] % 20).astype(np.uint8)


def png(
    rows: list[bytes], depth: int, colour: int, more: list[tuple[bytes, bytes]] = (), interlace: int = 0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> bytes:  # fmt: skip
    """A PNG of unfiltered rows; Pillow cannot write all that there is."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace)), *more]
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """One chunk of a PNG; ``length`` is what it claims."""
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content) if length is None else length) + name + content + struct.pack(">I", crc)


def saved(array: np.ndarray, mode: str | None, kind: str, **options) -> bytes:
    """What Pillow writes."""
    image = Image.fromarray(array)
    file = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def grey(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 1]


def as_rgb(grey_HW: np.ndarray) -> np.ndarray:
    return np.repeat(grey_HW[..., None], 3, -1)


Writer = Callable[[random.Random, np.ndarray], Written]


def _pillow(kind: str, suffix: str, mode: str | None, tolerance: float = 0.0, **options) -> Writer:
    def write(draw: random.Random, pixels: np.ndarray) -> Written:
        if mode in ("L", "1", "LA"):
            shown = grey(pixels) if mode != "1" else (grey(pixels) > 127).astype(np.uint8) * 255
            return Written(saved(shown, mode, kind, **options), suffix, as_rgb(shown), tolerance)
        if mode == "P":
            tiles = (pixels // 64 * 64).astype(np.uint8)
            image = Image.fromarray(tiles).quantize(256, dither=Image.Dither.NONE)
            file = io.BytesIO()
            image.save(file, kind, **options)
            return Written(file.getvalue(), suffix, np.asarray(image.convert("RGB")), tolerance)
        return Written(saved(pixels, mode, kind, **options), suffix, pixels, tolerance)

    return write


def _oriented(draw: random.Random, pixels: np.ndarray) -> Written:
    orientation = draw.randint(2, 8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud, 5: lambda p: p.transpose(1, 0, 2),
             6: lambda p: np.rot90(p, -1), 7: lambda p: np.rot90(p.transpose(1, 0, 2), 2), 8: np.rot90}  # fmt: skip
    upright = turns[orientation](pixels)
    content = saved(pixels, None, "JPEG", quality=98, subsampling=0, exif=exif)
    return Written(content, ".jpg", pixels, LOSSY, upright=upright)


def _transparent(draw: random.Random, pixels: np.ndarray) -> Written:
    alpha_HW1 = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha_HW1[: HEIGHT // 2] = 0
    on_white = np.where(alpha_HW1 == 255, pixels, 255).astype(np.uint8)
    return Written(saved(np.concatenate([pixels, alpha_HW1], -1), None, "PNG"), ".png", on_white)


def _grey16(draw: random.Random, pixels: np.ndarray) -> Written:
    rows = [row.astype(">u2").tobytes() for row in grey(pixels).astype(np.uint16) * 257]
    return Written(png(rows, 16, 0), ".png", as_rgb(grey(pixels)))


def _colour16(draw: random.Random, pixels: np.ndarray) -> Written:
    rows = [row.astype(">u2").tobytes() for row in pixels.astype(np.uint16) * 257]
    return Written(png(rows, 16, 2), ".png", pixels)


def _few_bits(draw: random.Random, pixels: np.ndarray) -> Written:
    depth = draw.choice([1, 2, 4])
    levels = grey(pixels) >> (8 - depth)
    bits = [np.unpackbits(row[:, None], axis=1)[:, -depth:].ravel() for row in levels]
    shown = (levels.astype(int) * 255 // (2**depth - 1)).astype(np.uint8)
    return Written(png([np.packbits(row).tobytes() for row in bits], depth, 0), ".png", as_rgb(shown))


def _interlaced(draw: random.Random, pixels: np.ndarray) -> Written:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row.tobytes() for y, x, down, right in passes for row in pixels[y::down, x::right]]
    return Written(png(rows, 8, 2, interlace=1), ".png", pixels)


def _strange_chunks(draw: random.Random, pixels: np.ndarray) -> Written:
    more = [(b"tEXt", b"k\0" + draw.randbytes(200)), (b"prVt", draw.randbytes(90)), (b"gAMA", struct.pack(">I", 0))]
    more += [(b"eXIf", draw.randbytes(40)), (b"pHYs", draw.randbytes(9)), (b"iCCP", b"x\0\0" + draw.randbytes(50))]
    draw.shuffle(more)
    rows = [row.tobytes() for row in pixels]
    return Written(png(rows, 8, 2, more[: draw.randint(1, 6)]), ".png", pixels)


def _colour_key(draw: random.Random, pixels: np.ndarray) -> Written:
    key = pixels[0, 0]
    on_white = np.where((pixels == key).all(-1, keepdims=True), 255, pixels).astype(np.uint8)
    more = [(b"tRNS", key.astype(">u2").tobytes())]
    return Written(png([row.tobytes() for row in pixels], 8, 2, more), ".png", on_white)


def _appended(kind: str, suffix: str, tolerance: float) -> Writer:
    def write(draw: random.Random, pixels: np.ndarray) -> Written:
        content = saved(pixels, None, kind, **({"quality": 98, "subsampling": 0} if tolerance else {}))
        return Written(content + draw.randbytes(draw.choice([1, 100, 5000])), suffix, pixels, tolerance)

    return write


def _cut(kind: str, suffix: str) -> Writer:
    """Cut somewhere: to be refused, unless all pixels are there."""

    def write(draw: random.Random, pixels: np.ndarray) -> Written:
        content = saved(pixels, None, kind)
        tolerance = LOSSY if kind == "JPEG" else 0.0
        return Written(content[: draw.randrange(len(content))], suffix, pixels, tolerance)

    return write


def _flipped(kind: str, suffix: str) -> Writer:
    """A bit of a PNG: every chunk has a checksum. Of the other formats nobody can tell."""

    def write(draw: random.Random, pixels: np.ndarray) -> Written:
        content = bytearray(saved(pixels, None, kind))
        for _ in range(draw.choice([1, 1, 3])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        return Written(bytes(content), suffix, pixels, anything=kind != "PNG")

    return write


def _named_png(kind: str, **options) -> Writer:
    """A format that no data set comes in, under a name that promises another: refused, or read right."""

    def write(draw: random.Random, pixels: np.ndarray) -> Written:
        few = Image.fromarray((pixels // 64 * 64).astype(np.uint8)).quantize(64, dither=Image.Dither.NONE)
        image = few if kind == "GIF" else Image.fromarray(pixels)
        image = image.convert("1") if kind in ("XBM", "MSP") else image.convert("F") if kind == "SPIDER" else image
        file = io.BytesIO()
        image.save(file, kind, **options)
        return Written(file.getvalue(), ".png", np.asarray(image.convert("RGB")), anything=kind in ("ICO", "SPIDER"))

    return write


def _postscript(draw: random.Random, pixels: np.ndarray) -> Written:
    program = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 24\n%%EndComments\n(it ran) (w) file closefile\nshowpage\n"
    )
    return Written(program, ".png", None)


def _huge_png(draw: random.Random, pixels: np.ndarray) -> Written:
    size = draw.choice([(60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 10), (2**31, 2**31), (20_000, 20_000)])
    return Written(png([b"\0" * 10], 8, 2, size=size), ".png", None)


def _text_bomb(draw: random.Random, pixels: np.ndarray) -> Written:
    name = draw.choice([b"zTXt", b"iCCP", b"iTXt"])
    packed = zlib.compress(bytes(400 * 2**20), 9)
    content = b"k\0\1\0\0\0" + packed if name == b"iTXt" else b"k\0\0" + packed
    return Written(png([row.tobytes() for row in pixels], 8, 2, [(name, content)]), ".png", pixels)


def _claimed_chunk(draw: random.Random, pixels: np.ndarray) -> Written:
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0))
    name, length = draw.choice([b"IDAT", b"tEXt", b"iCCP"]), draw.choice([2**32 - 1, 2**31 - 1, 2**30])
    return Written(head + chunk(name, b"little", length), ".png", None)


def _pixel_bomb(draw: random.Random, pixels: np.ndarray) -> Written:
    """A picture of zeros that is much larger than its file: 1 GB of pixels in 1 MB."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(3 * 18_000)
    content = b"".join(packer.compress(row * 100) for _ in range(180)) + packer.flush()
    head = struct.pack(">IIBBBBB", 18_000, 18_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return Written(b"\x89PNG\r\n\x1a\n" + chunks, ".png", None)


def _header_lies(kind: str, suffix: str, patch: Callable[[random.Random, bytearray], None]) -> Writer:
    def write(draw: random.Random, pixels: np.ndarray) -> Written:
        content = bytearray(saved(pixels, None, kind))
        patch(draw, content)
        return Written(bytes(content), suffix, None, anything=True)

    return write


def _bmp_size(draw: random.Random, content: bytearray) -> None:
    content[18:26] = struct.pack("<ii", *draw.choice([(2**31 - 1, 2**31 - 1), (-5, 5), (40, -(2**31)), (2**20, 2**20)]))


def _jpeg_size(draw: random.Random, content: bytearray) -> None:
    place = content.find(b"\xff\xc0")
    content[place + 5 : place + 9] = b"\xff" * 4


def _tiff_offsets(draw: random.Random, content: bytearray) -> None:
    place = draw.randrange(4, 8) if draw.random() < 0.3 else draw.randrange(len(content) - 4)
    content[place : place + 4] = draw.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"])


def _bytes(make: Callable[[random.Random], bytes]) -> Writer:
    return lambda draw, pixels: Written(make(draw), ".png", None)


_FOREIGN = ("GIF", "PPM", "PCX", "TGA", "SGI", "ICO", "XBM", "SPIDER")
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".png", "BMP": ".png", "WEBP": ".webp"}
WRITERS: dict[str, Writer] = {
    "png-L": _pillow("PNG", ".png", "L"),
    "png-LA": _pillow("PNG", ".png", "LA"),
    "png-RGB": _pillow("PNG", ".png", None),
    "png-RGBA": _pillow("PNG", ".png", "RGBA"),
    "png-P": _pillow("PNG", ".png", "P"),
    "png-1": _pillow("PNG", ".png", "1"),
    "png-upper-case": _pillow("PNG", ".PNG", None),
    "png-grey16": _grey16,
    "png-colour16": _colour16,
    "png-few-bits": _few_bits,
    "png-interlaced": _interlaced,
    "png-strange-chunks": _strange_chunks,
    "png-colour-key": _colour_key,
    "png-transparent": _transparent,
    "png-appended": _appended("PNG", ".png", 0.0),
    "jpeg-L": _pillow("JPEG", ".jpg", "L", LOSSY, quality=98),
    "jpeg-RGB": _pillow("JPEG", ".jpg", None, LOSSY, quality=98, subsampling=0),
    "jpeg-progressive": _pillow("JPEG", ".jpeg", None, LOSSY, quality=98, subsampling=0, progressive=True),
    "jpeg-CMYK": _pillow("JPEG", ".jpg", "CMYK", LOSSY, quality=98),
    "jpeg-oriented": _oriented,
    "jpeg-appended": _appended("JPEG", ".jpg", LOSSY),
    "jpeg-as-png": _pillow("JPEG", ".png", None, LOSSY, quality=98, subsampling=0),
    "tiff-RGB": _pillow("TIFF", ".tif", None),
    "tiff-L": _pillow("TIFF", ".tiff", "L"),
    "tiff-RGBA": _pillow("TIFF", ".tif", "RGBA"),
    "tiff-as-png": _pillow("TIFF", ".png", None, compression="tiff_deflate"),
    "tiff-CMYK-as-png": _pillow("TIFF", ".png", "CMYK"),
    "webp": _pillow("WEBP", ".webp", None, lossless=True),
    "webp-as-png": _pillow("WEBP", ".png", None, lossless=True),
    "bmp-as-png": _pillow("BMP", ".png", None),
    "bmp-P-as-png": _pillow("BMP", ".png", "P"),
    **{f"{kind.lower()}-as-png": _named_png(kind) for kind in _FOREIGN},
    **{f"cut-{kind.lower()}": _cut(kind, suffix) for kind, suffix in _SUFFIXES.items() if kind != "WEBP"},
    **{f"flip-{kind.lower()}": _flipped(kind, suffix) for kind, suffix in _SUFFIXES.items()},
    "postscript": _postscript,
    "huge-png": _huge_png,
    "text-bomb": _text_bomb,
    "claimed-chunk": _claimed_chunk,
    "pixel-bomb": _pixel_bomb,
    "bmp-size": _header_lies("BMP", ".png", _bmp_size),
    "jpeg-size": _header_lies("JPEG", ".jpg", _jpeg_size),
    "tiff-offsets": _header_lies("TIFF", ".png", _tiff_offsets),
    "empty": _bytes(lambda draw: b""),
    "random": _bytes(lambda draw: draw.randbytes(draw.choice([1, 30, 4000]))),
    "text": _bytes(lambda draw: b"<html><body>404 Not Found</body></html>\n"),
    "pointer": _bytes(lambda draw: b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1234\n"),
    "only-header": _bytes(lambda draw: b"\x89PNG\r\n\x1a\n" + b"IHDR"[: draw.randrange(5)]),
}  # fmt: skip
OFTEN = {"cut-png": 4, "cut-jpeg": 3, "flip-png": 6, "flip-jpeg": 3, "flip-tiff": 3, "tiff-offsets": 4, "huge-png": 4,
         "jpeg-oriented": 3, "png-strange-chunks": 3, "claimed-chunk": 2, "text-bomb": 2, "bmp-size": 2,
         "random": 2}  # fmt: skip
