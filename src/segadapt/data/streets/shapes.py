"""Meshes as numpy records: every shape is an array of quads that carry all that drawing needs.

Axes: x right, y forward, z up, in metres. A triangle is a quad that repeats a corner. Corners run
counter-clockwise seen from outside, so that the normal points outward.
"""

import math
from collections.abc import Sequence
from enum import IntEnum

import numpy as np


class Pass(IntEnum):
    """Which of the two pictures a quad is drawn into."""

    BOTH = 0
    IMAGE = 1
    LABEL = 2
    SHADOW = 3
    """Drawn over the colour image by its alpha; never in the label."""


QUAD = np.dtype(
    [
        ("points", "f4", (4, 3)),
        ("colour", "f4", (4, 3)),
        ("uv", "f4", (4, 2)),
        ("alpha", "f4", 4),
        ("lambert", "f4"),
        ("gloss", "f4"),
        ("texture", "u1"),
        ("label", "u1"),
        ("level", "u1"),
        ("drawn", "u1"),
        ("paint", "u1"),
        ("double", "?"),
    ]
)
"""One quad. ``points`` metres; ``colour`` 0..1 a corner; ``uv`` metres along the surface; ``alpha``
only for shadows; ``lambert`` 1 = lit by the sun's angle, 0 = lit evenly; ``gloss`` share of mirrored
sky; ``level`` pulls decals towards the camera so that they win over what they lie on; ``paint`` 0 =
own colour, k = multiplied by the k-th paint when placed; ``double`` = seen from both sides."""

Colour = Sequence[float] | np.ndarray | float


def quads(corners: np.ndarray, colour: Colour, **fields: object) -> np.ndarray:
    """Quads from ``corners`` (N,4,3) or (4,3); ``colour`` broadcasts to (N,4,3)."""
    corners = np.asarray(corners, np.float32).reshape(-1, 4, 3)
    made = np.zeros(len(corners), QUAD)
    made["points"] = corners
    made["colour"] = colour
    made["lambert"] = 1.0
    made["alpha"] = 1.0
    if fields.get("texture"):
        made["uv"][:, 1:3, 0] = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)[:, None]
        made["uv"][:, 2:4, 1] = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)[:, None]
    for name, value in fields.items():
        made[name] = value
    return made


def join(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """All quads of ``pieces`` as one array (an empty list gives no quads)."""
    if not len(pieces):
        return np.zeros(0, QUAD)
    # numpy promotes record types field by field, which costs more than the copy: join raw bytes instead
    raw = [np.ascontiguousarray(piece).view(np.uint8).reshape(-1, QUAD.itemsize) for piece in pieces]
    return np.concatenate(raw).reshape(-1).view(QUAD)


_PRISM_FACES = np.array([(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7), (3, 2, 1, 0)])


def prism(bottom: np.ndarray, top: np.ndarray, colour: Colour, *, floor: bool = False, **fields: object) -> np.ndarray:
    """A hexahedron between two quads, (4,3) each, counter-clockwise seen from above."""
    corners = np.concatenate([np.asarray(bottom, np.float32), np.asarray(top, np.float32)])
    faces = _PRISM_FACES if floor else _PRISM_FACES[:5]
    return quads(corners[faces], colour, **fields)


def rectangle(x0: float, x1: float, y0: float, y1: float, z: float) -> np.ndarray:
    """Corners (4,3) of a level rectangle, counter-clockwise seen from above."""
    return np.array([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], np.float32)


def box(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    colour: Colour,
    *,
    taper: float = 0.0,
    floor: bool = False,
    **fields: object,
) -> np.ndarray:
    """An upright box; ``taper`` is the share by which the top is smaller than the bottom."""
    inset_x, inset_y = (x[1] - x[0]) / 2 * taper, (y[1] - y[0]) / 2 * taper
    top = rectangle(x[0] + inset_x, x[1] - inset_x, y[0] + inset_y, y[1] - inset_y, z[1])
    return prism(rectangle(*x, *y, z[0]), top, colour, floor=floor, **fields)


def polygon(corners: np.ndarray, colour: Colour, **fields: object) -> np.ndarray:
    """A flat convex polygon of n corners, (n,3), as a fan of quads."""
    count = len(corners)
    index = [(0, k, min(k + 1, count - 1), min(k + 2, count - 1)) for k in range(1, count - 1, 2)]
    return quads(np.asarray(corners, np.float32)[np.array(index)], colour, **fields)


def tube(
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    colour: Colour,
    *,
    end_radius: float | None = None,
    sides: int = 5,
    **fields: object,
) -> np.ndarray:
    """A round bar from ``start`` to ``end``; open at both ends."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    axis = (b - a) / (np.linalg.norm(b - a) + 1e-9)
    side = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    turn = np.arange(sides) * (2 * math.pi / sides)
    ring = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * other
    low, high = a + ring * radius, b + ring * (radius if end_radius is None else end_radius)
    corners = np.stack([low, np.roll(low, -1, 0), np.roll(high, -1, 0), high], 1)
    return quads(corners, colour, **fields)


def ball(
    centre: Sequence[float], radius: Sequence[float], colour: Colour, *, around: int = 6, **fields: object
) -> np.ndarray:
    """An ellipsoid with half axes ``radius`` (3,)."""
    rows = max(3, around // 2 + 1)
    polar = np.linspace(-math.pi / 2, math.pi / 2, rows)[:, None]
    turn = (np.arange(around) * 2 * math.pi / around)[None]
    z_sine = np.broadcast_to(np.sin(polar), (rows, around))
    unit = np.stack([np.cos(polar) * np.cos(turn), np.cos(polar) * np.sin(turn), z_sine], -1)
    points = np.asarray(centre) + unit * np.asarray(radius)
    right = np.roll(points, -1, 1)
    corners = np.stack([points[:-1], right[:-1], right[1:], points[1:]], 2)
    return quads(corners.reshape(-1, 4, 3), colour, **fields)


def disc(centre: Sequence[float], radius: float, colour: Colour, *, side: int, sides: int = 10, **fields) -> np.ndarray:
    """A flat wheel face at ``centre`` that looks along +x (``side`` 1) or -x (``side`` -1)."""
    turn = np.arange(sides) * (2 * math.pi / sides) * side
    ring = np.stack([np.zeros(sides), np.cos(turn), np.sin(turn)], 1) * radius
    return polygon(ring + np.asarray(centre), colour, **fields)


def placed(
    template: np.ndarray,
    x: float,
    y: float,
    z: float = 0.0,
    *,
    yaw: float = 0.0,
    scale: float | Sequence[float] = 1.0,
    paints: Sequence[Colour] = (),
    label: int | None = None,
) -> np.ndarray:
    """A copy of ``template`` scaled, turned by ``yaw`` radians about z, moved to (x, y, z) and painted."""
    made = template.copy()
    points = made["points"] * np.asarray(scale, np.float32)
    cosine, sine = math.cos(yaw), math.sin(yaw)
    turn = np.array([(cosine, sine, 0), (-sine, cosine, 0), (0, 0, 1)], np.float32)
    made["points"] = points @ turn + np.array((x, y, z), np.float32)
    for slot, paint in enumerate(paints, 1):
        where = made["paint"] == slot
        made["colour"][where] *= np.asarray(paint, np.float32)
    if label is not None:
        made["label"] = label
    return made
