"""What distinguishes the domains: how a digit's strokes become a picture.

``clean`` is ink on white paper, from a scanner. ``camera`` is a photograph of paper: turned, seen from aside, unevenly
lit, blurred, noisy, compressed. ``textured`` has strokes of any colour on patterns of any colours.

The strengths were chosen so that a small network that is trained on one look gets some, but not most, of another look
right; no method of adaptation was looked at.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from segadapt.data.digits.strokes import corners, strokes

Look = Callable[[np.ndarray, tuple[int, int], np.random.Generator], Image.Image]
"""(digit_HW of 8x8 greys in [0, 1], (width, height), generator) to a picture in RGB."""


def clean(digit_HW: np.ndarray, size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """Dark upright strokes on white."""
    ink_HW1 = strokes(digit_HW, size, corners(size, random, (0.78, 0.84), 3, 0.02, 0.0))[..., None]
    paper, pen = random.uniform(215, 250), random.uniform(10, 70)
    return _picture(np.repeat(paper + ink_HW1 * (pen - paper), 3, axis=2))


def camera(digit_HW: np.ndarray, size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """A photograph of a coloured pen's strokes on coloured paper."""
    ink_HW1 = strokes(digit_HW, size, corners(size, random, (0.66, 0.86), 14, 0.06, 0.05))[..., None]
    paper_C = random.uniform(150, 230) * random.uniform(0.85, 1.05, 3)
    pen_C = paper_C * random.uniform(0.1, 0.5, 3)
    image_HWC = (paper_C + ink_HW1 * (pen_C - paper_C)) * _light(size, random)[..., None]
    soft = _picture(image_HWC).filter(ImageFilter.GaussianBlur(random.uniform(0.01, 0.028) * min(size)))
    noisy = np.asarray(soft) + random.normal(0, random.uniform(2, 8), (size[1], size[0], 3))
    stored = io.BytesIO()
    _picture(noisy).save(stored, "JPEG", quality=int(random.integers(25, 60)))
    return Image.open(stored, formats=["JPEG"]).convert("RGB")


def textured(digit_HW: np.ndarray, size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """Strokes of one colour blended with a pattern, three in four darker than it, the rest brighter."""
    ink_HW1 = strokes(digit_HW, size, corners(size, random, (0.7, 0.86), 6, 0.04, 0.02))[..., None]
    is_dark = random.random() < 0.75
    base_C = random.uniform(*((110, 210) if is_dark else (45, 145))) + random.uniform(-40, 40, 3)
    pattern_HWC = base_C + _clouds(size, random) + _stripes(size, random)[..., None] * random.uniform(0.3, 1, 3)
    contrast = random.uniform(100, 150) * (-1 if is_dark else 1)
    pen_C = base_C + contrast * random.uniform(0.6, 1.4, 3)
    return _picture(pattern_HWC + 0.85 * ink_HW1 * (pen_C - pattern_HWC))


LOOKS: dict[str, Look] = {"clean": clean, "camera": camera, "textured": textured}
"""By the name of the domain."""


def _light(size: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """A lamp on one side: factors (H, W) that fall off across the picture."""
    (width, height), angle, strength = size, random.uniform(0, 2 * np.pi), random.uniform(0.1, 0.5)
    across_W, down_H = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    return 1 + strength * 0.7 * (np.cos(angle) * across_W[None, :] + np.sin(angle) * down_H[:, None])


def _clouds(size: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Smooth spots of all colours around 0, (H, W, 3)."""
    cells = int(random.integers(3, 9))
    coarse_HWC = random.normal(0, random.uniform(6, 20), (cells, cells, 3)).astype(np.float32)
    bands = [Image.fromarray(coarse_HWC[..., band]).resize(size, Image.Resampling.BICUBIC) for band in range(3)]
    return np.stack([np.asarray(band) for band in bands], axis=2)


def _stripes(size: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """A wave in any direction around 0, (H, W)."""
    angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi)
    waves, strength = random.uniform(2, 6), random.uniform(0, 14)
    across_W, down_H = np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1])
    way_HW = np.cos(angle) * across_W[None, :] + np.sin(angle) * down_H[:, None]
    return strength * np.sin(2 * np.pi * waves * way_HW + phase)


def _picture(image_HWC: np.ndarray) -> Image.Image:
    return Image.fromarray(image_HWC.clip(0, 255).round().astype(np.uint8))
