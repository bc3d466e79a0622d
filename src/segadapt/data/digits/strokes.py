"""A digit of 8x8 pixels as smooth strokes of a pen, anywhere in a picture."""

import numpy as np
from PIL import Image

_MARGIN, _FINE = 2, 8
"""Empty pixels around the digit, so that strokes may end softly, and how much finer they are drawn."""
_PEN = (0.3, 0.7)
"""The greys between which a stroke's edge lies."""


def strokes(digit_HW: np.ndarray, size: tuple[int, int], corners_42: np.ndarray) -> np.ndarray:
    """How much of each pixel is covered by ink, float32 (H, W) in [0, 1].

    Args:
        digit_HW: the digit, 8x8 greys in [0, 1], 1 for ink.
        size: (width, height) of the picture.
        corners_42: (x, y), in pixels, of the digit's upper left, upper right, lower right and lower left corner.
    """
    height, width = digit_HW.shape
    padded = Image.fromarray(np.pad(digit_HW, _MARGIN).astype(np.float32))
    fine = np.asarray(padded.resize((padded.width * _FINE, padded.height * _FINE), Image.Resampling.BICUBIC))
    pen = Image.fromarray(np.clip((fine - _PEN[0]) / (_PEN[1] - _PEN[0]), 0, 1))
    box_42 = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    # Drawn at twice the size and halved, so that edges are smooth.
    map_8 = _perspective(2 * corners_42, (box_42 + _MARGIN) * _FINE)
    large = pen.transform(
        (2 * size[0], 2 * size[1]), Image.Transform.PERSPECTIVE, map_8.tolist(), Image.Resampling.BILINEAR
    )
    return np.asarray(large.resize(size, Image.Resampling.BOX)).clip(0, 1)


def corners(
    size: tuple[int, int],
    random: np.random.Generator,
    scale: tuple[float, float],
    turn: float,
    shift: float,
    bend: float,
) -> np.ndarray:
    """Corners for ``strokes``: a square somewhat turned, shifted and seen from aside.

    Args:
        size: (width, height) of the picture.
        random: where the draws come from.
        scale: range of the square's side, as a share of the picture's shorter side.
        turn: at most so many degrees to either side.
        shift: at most so much of the shorter side in x and in y.
        bend: each corner moves by at most so much of the shorter side in x and in y.
    """
    side = min(size)
    angle = np.deg2rad(random.uniform(-turn, turn))
    turned_22 = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    square_42 = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * random.uniform(*scale)
    moved_42 = square_42 @ turned_22 + random.uniform(-shift, shift, 2) + random.uniform(-bend, bend, (4, 2))
    return np.array(size) / 2 + side * moved_42


def _perspective(from_42: np.ndarray, to_42: np.ndarray) -> np.ndarray:
    """The eight numbers of the projective map between two quadrilaterals, in PIL's order."""
    rows, values = [], []
    for (x, y), (u, v) in zip(from_42, to_42, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float))
