"""Trees, palms, hedges and bushes: clouds of leaf quads around a trunk."""

import math
from functools import cache

import numpy as np

from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.materials import TEXTURE_NUMBER
from segadapt.data.streets.shapes import Pass, ball, box, join, quads, tube

BARK = (0.30, 0.24, 0.18)
WHITE = (1.0, 1.0, 1.0)
_LEAF = TEXTURE_NUMBER["leaf"]
TREE_SHAPES = 6


def leaves(rng: np.random.Generator, centres: np.ndarray, size: float, low: float, high: float) -> np.ndarray:
    """Randomly turned square leaves at ``centres`` (N,3); darker towards height ``low``, lighter at ``high``."""
    count = len(centres)
    first = rng.standard_normal((count, 3))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(first, rng.standard_normal((count, 3)))
    second /= np.linalg.norm(second, axis=1, keepdims=True) + 1e-9
    reach = size * rng.uniform(0.6, 1.2, (count, 1))
    first, second = first * reach, second * reach
    corners = centres[:, None] + np.stack([-first - second, first - second, first + second, second - first], 1)
    height = np.clip((corners[..., 2] - low) / (high - low + 1e-6), 0, 1)
    shade = (0.55 + 0.55 * height + rng.normal(0, 0.08, (count, 1)))[..., None]
    made = quads(corners, shade, texture=_LEAF, lambert=0.25, double=True, paint=1)
    made["label"] = NUMBER["veg"]
    return made


def _cloud(rng: np.random.Generator, count: int, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Points (count,3) in the outer shell of an ellipsoid."""
    way = rng.standard_normal((count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return centre + way * radius * rng.uniform(0.62, 1.0, (count, 1))


@cache
def tree(shape: int, fine: bool) -> np.ndarray:
    """One of ``TREE_SHAPES`` broad-leaved trees about 7 m tall; paint slot 1 is the foliage."""
    rng = np.random.default_rng(shape)
    trunk, crown = (
        rng.uniform(2.2, 3.0),
        np.array([rng.uniform(1.5, 2.3), rng.uniform(1.5, 2.3), rng.uniform(1.6, 2.4)]),
    )
    middle = np.array([0, 0, trunk + crown[2] * 0.85])
    pieces = [tube((0, 0, 0), (0, 0, trunk + 0.5), 0.17, BARK, end_radius=0.11)]
    low, high = middle[2] - crown[2], middle[2] + crown[2]
    for _ in range(4):
        way = rng.standard_normal(3) * (0.5, 0.5, 0.35)
        centre = middle + way * crown
        pieces.append(tube((0, 0, trunk * 0.85), centre, 0.07, BARK, sides=3))
        pieces.append(
            leaves(rng, _cloud(rng, 34 if fine else 9, centre, crown * 0.62), 0.27 if fine else 0.52, low, high)
        )
        pieces.append(ball(centre, crown * 0.46, 0.66, around=6, texture=_LEAF, paint=1, lambert=0.4))
    pieces.append(leaves(rng, _cloud(rng, 80 if fine else 14, middle, crown), 0.26 if fine else 0.5, low, high))
    made = join(pieces)
    made["label"] = NUMBER["veg"]
    return made


@cache
def bare_tree(shape: int, fine: bool) -> np.ndarray:
    """A broad-leaved tree in winter, about 8 m tall: branches that fork down to twigs, and sky between them.

    People label such a crown as one area, and so does this: its hull is drawn into the label alone.
    """
    rng = np.random.default_rng(500 + shape)
    trunk, forks = rng.uniform(2.0, 3.0), (6, 4, 3, 4) if fine else (5, 3, 3)
    bark = np.array(BARK) * rng.uniform(0.55, 1.25)
    pieces, tips = [tube((0, 0, 0), (0, 0, trunk), 0.19, bark, end_radius=0.13)], []
    ends, length, radius = [(np.array([0.0, 0.0, trunk]), np.array([0.0, 0.0, 1.0]))], rng.uniform(1.7, 2.1), 0.065
    for level, count in enumerate(forks):
        grown = []
        for start, way in ends:
            for _ in range(count):
                bent = way + rng.standard_normal(3) * 0.5 + (0, 0, 0.2)
                bent /= np.linalg.norm(bent) + 1e-9
                end = start + bent * length * rng.uniform(0.7, 1.15)
                pieces.append(
                    tube(start, end, radius, bark * (1 + 0.12 * level), end_radius=radius * 0.6, sides=3, lambert=0.6)
                )
                grown.append((end, bent))
        ends, length, radius = grown, length * 0.68, radius * 0.5
    tips = np.stack([end for end, _ in ends])
    low, high = np.percentile(tips, (3, 97), axis=0)
    made = join(pieces)
    made["label"] = NUMBER["veg"]
    hull = ball((low + high) / 2, np.maximum((high - low) / 2 * 1.12, 0.5), 0.5, around=10, drawn=Pass.LABEL)
    hull["label"] = NUMBER["veg"]
    return join([made, hull])


@cache
def conifer(shape: int) -> np.ndarray:
    """A fir of stacked, ragged cones, about 8 m tall."""
    rng = np.random.default_rng(100 + shape)
    pieces = [tube((0, 0, 0), (0, 0, 2), 0.16, BARK)]
    for step in range(5):
        z, radius = 1.2 + step * 1.3, 1.9 - step * 0.34
        pieces.append(tube((0, 0, z), (0, 0, z + 2.0), radius, 0.62 + 0.08 * step, end_radius=0.08, sides=9,
                           paint=1, texture=_LEAF, double=True))  # fmt: skip
        turn = rng.uniform(0, 2 * math.pi, 16)
        rim = np.stack([np.cos(turn) * radius * 0.95, np.sin(turn) * radius * 0.95, np.full(16, z + 0.1)], 1)
        pieces.append(leaves(rng, rim, 0.26, 0.0, 8.0))
    made = join(pieces)
    made["label"] = NUMBER["veg"]
    return made


@cache
def pine(shape: int) -> np.ndarray:
    """An umbrella pine about 10 m tall: a bare trunk under a wide flat crown."""
    rng = np.random.default_rng(600 + shape)
    top, lean = rng.uniform(6.0, 8.0), rng.uniform(-0.6, 0.6)
    reach = np.array([rng.uniform(2.6, 3.4), rng.uniform(2.6, 3.4), rng.uniform(0.8, 1.1)])
    middle = np.array([lean, 0, top + 0.6])
    pieces = [tube((0, 0, 0), (lean, 0, top), 0.24, (0.38, 0.27, 0.20), end_radius=0.15)]
    for turn in np.arange(5) * (2 * math.pi / 5):
        spoke = middle + reach * 0.6 * np.array((math.cos(turn), math.sin(turn), 0))
        pieces.append(tube((lean, 0, top - 1.2), spoke, 0.08, BARK, sides=3))
        pieces.append(ball(spoke, reach * (0.5, 0.5, 0.7), 0.64, around=6, texture=_LEAF, paint=1, lambert=0.4))
    pieces.append(leaves(rng, _cloud(rng, 110, middle, reach), 0.26, top - 0.4, top + 1.6))
    made = join(pieces)
    made["label"] = NUMBER["veg"]
    return made


@cache
def palm(shape: int) -> np.ndarray:
    """A palm about 8 m tall with drooping fronds."""
    rng = np.random.default_rng(200 + shape)
    top, bend = rng.uniform(6.0, 8.0), rng.uniform(-0.8, 0.8)
    pieces = [
        tube((0, 0, 0), (bend * 0.35, 0, top / 2), 0.22, (0.46, 0.38, 0.28), end_radius=0.17),
        tube((bend * 0.35, 0, top / 2), (bend, 0, top), 0.17, (0.46, 0.38, 0.28), end_radius=0.13),
        ball((bend, 0, top), (0.3, 0.3, 0.35), (0.40, 0.32, 0.18)),
    ]
    root = np.array([bend, 0, top])
    for turn in np.arange(13) * (2 * math.pi / 13) + rng.uniform(0, 1):
        way, across = np.array([math.cos(turn), math.sin(turn), 0]), np.array([-math.sin(turn), math.cos(turn), 0])
        lift = rng.uniform(0.3, 0.9)
        spine = [root + way * r + np.array([0, 0, lift * r - 0.34 * r * r]) for r in (0.0, 0.8, 1.6, 2.4)]
        for part, width in enumerate((0.26, 0.34, 0.22)):
            a, b, wide = spine[part], spine[part + 1], across * width
            drop = np.array([0, 0, -0.12])
            shade = 0.75 + 0.12 * part
            pieces.append(
                quads(
                    np.array([[a, b, b + wide + drop, a + wide + drop], [a, b, b - wide + drop, a - wide + drop]]),
                    shade,
                    double=True,
                    paint=1,
                    lambert=0.5,
                    texture=_LEAF,
                )
            )
    made = join(pieces)
    made["label"] = NUMBER["veg"]
    return made


@cache
def hill(shape: int) -> np.ndarray:
    """A wooded rock about 70 m wide and 50 m high, with a bare side; all of it counts as vegetation."""
    rng = np.random.default_rng(700 + shape)
    around, rows = 14, np.array([0.0, 0.25, 0.5, 0.72, 0.9, 1.0])
    turn = (np.arange(around) * 2 * math.pi / around)[None]
    width = (np.sqrt(1 - rows**2) * 0.9 + 0.1 * (1 - rows))[:, None] * rng.uniform(0.82, 1.12, (len(rows), around))
    points = np.stack([np.cos(turn) * width * 38, np.sin(turn) * width * 25,
                       np.broadcast_to(rows[:, None] * rng.uniform(40, 58), width.shape)], -1)  # fmt: skip
    right = np.roll(points, -1, 1)
    corners = np.stack([points[:-1], right[:-1], right[1:], points[1:]], 2).reshape(-1, 4, 3)
    made = quads(corners, 1.0, texture=_LEAF, paint=1, lambert=0.6)
    made["colour"] = rng.uniform(0.75, 1.05, (len(made), 1, 1))
    bare = rng.random(len(made)) < np.repeat((rows[:-1] > 0.4) * 0.3, around)
    made["colour"][bare], made["paint"][bare] = np.array((0.50, 0.43, 0.38)), 0
    made["label"] = NUMBER["veg"]
    return made


@cache
def bush(shape: int) -> np.ndarray:
    """A round bush about 1 m tall."""
    rng = np.random.default_rng(300 + shape)
    middle, size = np.array([0, 0, 0.5]), np.array([0.75, 0.75, 0.6])
    pieces = [
        ball(middle, size * 0.85, 0.72, texture=_LEAF, paint=1, lambert=0.4),
        leaves(rng, _cloud(rng, 44, middle, size), 0.14, 0.0, 1.1),
    ]
    made = join(pieces)
    made["label"] = NUMBER["veg"]
    return made


@cache
def hedge(height: float) -> np.ndarray:
    """Two metres of hedge along +y."""
    rng = np.random.default_rng(400)
    points = rng.uniform((-0.38, -1.0, 0.1), (0.38, 1.0, height), (60, 3))
    points[:, 0] = np.where(rng.random(60) < 0.6, np.sign(points[:, 0]) * 0.38, points[:, 0])
    made = join([
        box((-0.36, 0.36), (-1.0, 1.0), (0, height), 0.72, texture=_LEAF, paint=1, lambert=0.5),
        leaves(rng, points, 0.15, 0.0, height),
    ])  # fmt: skip
    made["label"] = NUMBER["veg"]
    return made


def crown_shadow(rng: np.random.Generator, x: float, y: float, radius: float, alpha: float) -> np.ndarray:
    """A ragged dark blot on the ground."""
    turn = np.arange(9) * (2 * math.pi / 9)
    reach = radius * rng.uniform(0.7, 1.15, 9)
    ring = np.stack([x + np.cos(turn) * reach, y + np.sin(turn) * reach, np.full(9, 0.02)], 1)
    corners = np.stack([np.broadcast_to((x, y, 0.02), ring.shape), ring, np.roll(ring, -1, 0), np.roll(ring, -1, 0)], 1)
    made = quads(corners, 0.0, drawn=Pass.SHADOW, level=8)
    made["alpha"] = alpha * np.array([1.0, 0.55, 0.55, 0.55])
    return made
