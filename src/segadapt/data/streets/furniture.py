"""Street furniture as templates: poles, lamps, traffic lights, signs, fences and walls.

Poles stand at the origin and face -y (towards the camera); fences and walls run 2 m along y.
Paint slots: 1 pole, 2 sign face or lamp case, 3 fence or wall.
"""

import itertools
import math
from functools import cache

import numpy as np

from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.materials import TEXTURE_NUMBER
from segadapt.data.streets.shapes import Pass, box, join, polygon, quads, tube

WHITE = (1.0, 1.0, 1.0)
SIGN_SHAPES = ("round", "square", "triangle", "wide", "octagon")


def _labelled(made: np.ndarray, name: str) -> np.ndarray:
    made["label"] = NUMBER[name]
    return made


def _pole(height: float, radius: float, reach: float = 0.0) -> np.ndarray:
    """A pole with an arm of ``reach`` metres towards -x."""
    pieces = [
        tube((0, 0, 0), (0, 0, height), radius, WHITE, end_radius=radius * 0.75, paint=1, sides=6),
        tube((0, 0, 0), (0, 0, 0.7), radius * 1.6, 0.85, paint=1, sides=6),
    ]
    if reach:
        pieces.append(tube((0, 0, height - 0.05), (-reach, 0, height + 0.25), radius * 0.65, WHITE, paint=1))
    return _labelled(join(pieces), "pole")


@cache
def lamp(height: float = 7.0) -> np.ndarray:
    """A street lamp; all of it is pole, as in Cityscapes."""
    head = box((-2.1, -1.3), (-0.16, 0.16), (height + 0.1, height + 0.28), (0.8, 0.8, 0.76), floor=True)
    return join([_pole(height, 0.11, 1.6), _labelled(head, "pole")])


@cache
def wires() -> np.ndarray:
    """Cables along the street at the height of the lamps; people who label streets leave such lines out."""
    lines = [
        [(x, low, z), (x, high, z), (x, high, z + 0.05), (x, low, z + 0.05)]
        for x, z in ((-0.5, 6.9), (0.0, 6.6), (0.5, 6.9), (-0.1, 5.7), (0.1, 5.5), (0.0, 5.2))
        for low, high in itertools.pairwise((0.5, 10, 25, 50, 110))
    ]
    return quads(np.array(lines), (0.08, 0.08, 0.09), drawn=Pass.IMAGE, double=True, lambert=0.0)


@cache
def bollard() -> np.ndarray:
    """A short post."""
    return _pole(1.0, 0.07)


def _signal(x: float, y: float, z: float, lit: int) -> np.ndarray:
    """A traffic-light head 1.05 m tall whose lower edge is at z."""
    pieces = [box((x - 0.21, x + 0.21), (y - 0.30, y - 0.06), (z, z + 1.05), WHITE, paint=2, floor=True)]
    colours = ((0.15, 1.4, 0.45), (1.5, 0.95, 0.10), (1.6, 0.12, 0.08))
    for number, colour in enumerate(colours):
        turn = np.arange(8) * (math.pi / 4)
        ring = np.stack(
            [x + 0.125 * np.cos(turn), np.full(8, y - 0.305), z + 0.20 + 0.33 * number + 0.125 * np.sin(turn)], 1
        )
        shade = np.array(colour) * (1.0 if number == lit else 0.16)
        pieces.append(polygon(ring, shade, level=2, lambert=0.0))
    return _labelled(join(pieces), "light")


@cache
def traffic_light(lit: int, overhead: bool) -> np.ndarray:
    """A signal on a pole; ``overhead`` adds an arm across the road. ``lit`` 0 green, 1 amber, 2 red."""
    if not overhead:
        return join([_pole(3.6, 0.08), _signal(0, 0, 2.5, lit)])
    arm = _labelled(tube((0, 0, 5.6), (-4.6, 0, 5.9), 0.07, WHITE, paint=1), "pole")
    return join(
        [_pole(5.8, 0.12), arm, _signal(0, 0, 2.6, lit), _signal(-2.4, 0, 4.7, lit), _signal(-4.4, 0, 4.85, lit)]
    )


@cache
def sign(shape: str, low: float = 2.1) -> np.ndarray:
    """A traffic sign of one of ``SIGN_SHAPES`` on a thin pole; its back is a sign, too."""
    count, radius, start = {
        "round": (12, 0.42, 0.0),
        "octagon": (8, 0.45, math.pi / 8),
        "triangle": (3, 0.52, math.pi / 2),
        "square": (4, 0.55, math.pi / 4),
        "wide": (4, 0.55, math.pi / 4),
    }[shape]
    stretch = 2.0 if shape == "wide" else 1.0
    turn = np.arange(count) * (2 * math.pi / count) + start
    outline = np.stack([np.cos(turn) * radius * stretch, np.full(count, -0.09), low + 0.45 + np.sin(turn) * radius], 1)
    middle = np.array([0, -0.09, low + 0.45])
    rim = (0.80, 0.10, 0.10) if shape in ("round", "triangle") else (0.92, 0.92, 0.92)
    pieces = [
        polygon(outline, rim, level=1, lambert=0.3),
        polygon(middle + (outline - middle) * 0.8, WHITE, paint=2, level=2, lambert=0.3),
        polygon((outline + np.array([0, 0.02, 0]))[::-1], (0.55, 0.56, 0.58), level=1),
        quads(np.array([(-0.26, -0.095, low + 0.40), (0.26, -0.095, low + 0.40), (0.26, -0.095, low + 0.50),
                        (-0.26, -0.095, low + 0.50)]) * np.array([stretch, 1, 1]), (0.96, 0.96, 0.96), level=3),
    ]  # fmt: skip
    return join([_pole(low + 0.75, 0.045), _labelled(join(pieces), "sign")])


@cache
def gantry_sign() -> np.ndarray:
    """A large direction board on two posts."""
    board = box((-1.7, 1.7), (-0.12, -0.04), (2.3, 3.9), WHITE, paint=2, floor=True, lambert=0.4)
    line = [
        quads(
            np.array([(x0, -0.13, z), (x1, -0.13, z), (x1, -0.13, z + 0.16), (x0, -0.13, z + 0.16)]),
            (0.95,) * 3,
            level=2,
        )
        for x0, x1, z in ((-1.4, 0.4, 3.4), (-1.4, 1.1, 3.05), (-1.4, -0.1, 2.7))
    ]
    posts = [tube((x, 0, 0), (x, 0, 3.9), 0.07, WHITE, paint=1) for x in (-1.2, 1.2)]
    return join([_labelled(join(posts), "pole"), _labelled(join([board, *line]), "sign")])


@cache
def fence(kind: str, height: float) -> np.ndarray:
    """Two metres of fence: ``rails``, ``pickets`` or ``mesh``. What is seen through it counts as fence."""
    pieces = [box((-0.05, 0.05), (-0.06, 0.06), (0, height + 0.08), 0.85, paint=3)]
    if kind == "rails":
        pieces += [box((-0.03, 0.03), (-1, 1), (z, z + 0.09), WHITE, paint=3) for z in (0.12, height - 0.1)]
        pieces += [
            box((-0.02, 0.02), (y - 0.025, y + 0.025), (0.1, height), 0.95, paint=3) for y in np.arange(-0.9, 1, 0.2)
        ]
    elif kind == "pickets":
        pieces += [
            box((-0.03, 0.03), (y - 0.08, y + 0.08), (0.05, height), WHITE, paint=3) for y in np.arange(-0.9, 1, 0.2)
        ]
        pieces += [box((-0.05, 0.05), (-1, 1), (z, z + 0.09), 0.9, paint=3) for z in (0.25, height - 0.3)]
    else:
        pieces += [box((-0.03, 0.03), (-1, 1), (z, z + 0.04), WHITE, paint=3) for z in np.linspace(0.05, height, 6)]
        pieces += [
            box((-0.015, 0.015), (y - 0.015, y + 0.015), (0, height), 0.9, paint=3) for y in np.arange(-0.875, 1, 0.25)
        ]
    solid = quads(
        np.array([(0, -1, 0), (0, 1, 0), (0, 1, height), (0, -1, height)]), 0.0, drawn=Pass.LABEL, double=True
    )
    return _labelled(join([*pieces, solid]), "fence")


@cache
def wall(height: float, brick: bool) -> np.ndarray:
    """Two metres of free-standing wall with a coping."""
    texture = TEXTURE_NUMBER["brick" if brick else "cobble"]
    made = join([
        box((-0.15, 0.15), (-1, 1), (0, height), WHITE, paint=3, texture=texture),
        box((-0.22, 0.22), (-1, 1), (height, height + 0.12), 1.15, paint=3),
    ])  # fmt: skip
    return _labelled(made, "wall")
