"""Surface textures, all made from noise: grey detail that modulates the colour of the quad below it."""

from functools import cache

import numpy as np

TEXTURES = ("plain", "asphalt", "paving", "grass", "brick", "plaster", "leaf", "tile", "cobble", "metal")
"""Texture names; the position is the number that a quad carries."""
TEXTURE_NUMBER = {name: number for number, name in enumerate(TEXTURES)}
TILE_METRES = np.array([1.0, 4.0, 2.4, 3.0, 1.6, 4.0, 1.6, 2.0, 1.6, 2.0], np.float32)
"""Metres that one repeat of each texture covers."""
MEAN_LEVEL = 0.82
"""Mean of every texture, by which colours are divided so that texturing keeps their brightness."""
_SIDE = 64


def _smooth(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Periodic noise (64,64) with unit spread whose grains are 64/cells texels wide."""
    coarse = rng.standard_normal((cells, cells))
    repeat = _SIDE // cells
    noise = np.kron(coarse, np.ones((repeat, repeat)))
    for axis in (0, 1):
        kernel = [np.roll(noise, shift, axis) for shift in range(-(repeat // 2), repeat // 2 + 1)]
        noise = np.mean(kernel, axis=0)
    return noise / (noise.std() + 1e-9)


def _joints(rows: int, columns: int, shift: bool) -> np.ndarray:
    """1 on the joints of a bond of ``rows`` x ``columns`` stones, else 0."""
    row_height, column_width = _SIDE // rows, _SIDE // columns
    y, x = np.mgrid[:_SIDE, :_SIDE]
    offset = (y // row_height % 2) * (column_width // 2) * shift
    return ((y % row_height == 0) | ((x + offset) % column_width == 0)).astype(float)


def _stones(rng: np.random.Generator, rows: int, columns: int, shift: bool) -> np.ndarray:
    """A random level for each stone of the bond, (64,64)."""
    row_height, column_width = _SIDE // rows, _SIDE // columns
    y, x = np.mgrid[:_SIDE, :_SIDE]
    row = y // row_height
    column = (x + (row % 2) * (column_width // 2) * shift) // column_width % columns
    return rng.standard_normal((rows, columns))[row, column]


@cache
def texture_image(name: str) -> np.ndarray:
    """The texture (64,64,3) uint8 of that name; the same in every process."""
    rng = np.random.default_rng(TEXTURE_NUMBER[name])
    fine, coarse = rng.standard_normal((_SIDE, _SIDE)), _smooth(rng, 8)
    level = {
        "asphalt": lambda: 0.05 * fine + 0.035 * coarse + 0.03 * _smooth(rng, 4),
        "paving": lambda: 0.03 * fine + 0.05 * _stones(rng, 4, 4, True) - 0.22 * _joints(4, 4, True),
        "grass": lambda: 0.10 * fine + 0.08 * coarse,
        "brick": lambda: 0.03 * fine + 0.06 * _stones(rng, 16, 8, True) - 0.16 * _joints(16, 8, True),
        "plaster": lambda: 0.02 * fine + 0.035 * coarse + 0.025 * _smooth(rng, 4),
        "leaf": lambda: 0.13 * fine + 0.10 * _smooth(rng, 16),
        "tile": lambda: 0.03 * fine + 0.07 * _stones(rng, 8, 8, True) - 0.2 * _joints(8, 8, True),
        "cobble": lambda: 0.03 * fine + 0.10 * _stones(rng, 8, 8, True) - 0.2 * _joints(8, 8, True),
        "metal": lambda: 0.015 * fine - 0.12 * _joints(4, 8, False),
    }[name]()
    level = level - level.mean() + MEAN_LEVEL
    tint = 1 + 0.012 * rng.standard_normal((_SIDE, _SIDE, 3))
    return (np.clip(level[..., None] * tint, 0.1, 1.0) * 255).astype(np.uint8)
