"""People and two-wheelers as templates: facing +y, feet on z = 0; slots: 1 top, 2 trousers, 3 skin, 4 hair, 5 frame."""

import itertools
import math
from functools import cache

import numpy as np

from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.shapes import Pass, ball, box, disc, join, tube

WHITE = (1.0, 1.0, 1.0)
SHOE = (0.10, 0.09, 0.09)
RUBBER = (0.07, 0.07, 0.08)
METAL = (0.45, 0.46, 0.48)


def _head(y: float, z: float, *, helmet: bool) -> list[np.ndarray]:
    hair = {"paint": 5} if helmet else {"paint": 4}
    size = 0.145 if helmet else 0.115
    return [
        tube((0, y, z - 0.18), (0, y, z), 0.055, WHITE, paint=3, sides=4),
        ball((0, y, z), (0.095, 0.11, 0.13), WHITE, paint=3),
        ball((0, y - 0.025, z + 0.035), (size * 0.92, size, 0.125 if not helmet else 0.15), WHITE, **hair),
    ]


@cache
def person(stride: float, bag: bool) -> np.ndarray:
    """A walker 1.75 m tall; ``stride`` in metres between the feet, 0 = standing."""
    half, pieces = stride / 2, []
    for side in (-1, 1):
        step = side * half
        hip, knee = (side * 0.09, 0, 0.90), (side * 0.10, step * 0.55 + 0.04, 0.48)
        foot = (side * 0.10, step, 0.08)
        pieces.append(tube(hip, knee, 0.095, WHITE, end_radius=0.07, paint=2))
        pieces.append(tube(knee, foot, 0.07, WHITE, end_radius=0.05, paint=2))
        pieces.append(box((side * 0.10 - 0.05, side * 0.10 + 0.05), (step - 0.08, step + 0.17), (0, 0.09), SHOE))
        shoulder, elbow = (side * 0.21, 0, 1.42), (side * 0.26, -step * 0.35, 1.15)
        hand = (side * 0.25, -step * 0.7 + 0.08, 0.90)
        pieces.append(tube(shoulder, elbow, 0.06, WHITE, end_radius=0.05, paint=1, sides=4))
        pieces.append(tube(elbow, hand, 0.05, WHITE, end_radius=0.035, paint=1, sides=4))
        pieces.append(ball(hand, (0.04, 0.05, 0.06), WHITE, paint=3, around=4))
    pieces.append(tube((0, 0, 0.84), (0, 0, 1.20), 0.165, WHITE, end_radius=0.185, paint=1, sides=6))
    pieces.append(tube((0, 0, 1.20), (0, 0, 1.48), 0.195, WHITE, end_radius=0.13, paint=1, sides=6))
    pieces += _head(0.02, 1.62, helmet=False)
    if bag:
        pieces.append(box((-0.16, 0.16), (-0.34, -0.14), (1.0, 1.42), (0.30, 0.18, 0.12)))
    made = join(pieces)
    made["label"] = NUMBER["person"]
    return made


def _seated(seat: tuple[float, float], bar: tuple[float, float], pedal: float, *, helmet: bool) -> np.ndarray:
    """A rider between seat and handlebar, each (y, z)."""
    (seat_y, seat_z), (bar_y, bar_z) = seat, bar
    lean = (bar_y - seat_y) * 0.42
    neck = (0, seat_y + lean, seat_z + 0.56)
    pieces = [
        tube(
            (0, seat_y, seat_z), (0, seat_y + lean * 0.6, seat_z + 0.34), 0.17, WHITE, end_radius=0.20, paint=1, sides=6
        ),
        tube((0, seat_y + lean * 0.6, seat_z + 0.34), neck, 0.20, WHITE, end_radius=0.13, paint=1, sides=6),
    ]
    for side in (-1, 1):
        knee = (side * 0.15, seat_y + 0.42, seat_z - 0.12 - 0.10 * side * pedal)
        foot = (side * 0.14, seat_y + 0.30, seat_z - 0.56 - 0.14 * side * pedal)
        pieces.append(tube((side * 0.10, seat_y, seat_z), knee, 0.10, WHITE, end_radius=0.075, paint=2))
        pieces.append(tube(knee, foot, 0.075, WHITE, end_radius=0.05, paint=2))
        pieces.append(box((foot[0] - 0.05, foot[0] + 0.05), (foot[1] - 0.06, foot[1] + 0.18),
                          (foot[2] - 0.08, foot[2]), SHOE))  # fmt: skip
        shoulder = (side * 0.20, neck[1] - 0.02, neck[2] - 0.06)
        pieces.append(tube(shoulder, (side * 0.25, bar_y - 0.02, bar_z), 0.065, WHITE, end_radius=0.045, paint=1))
    pieces += _head(neck[1] + 0.06, neck[2] + 0.16, helmet=helmet)
    made = join(pieces)
    made["label"] = NUMBER["rider"]
    return made


def _spoked_wheel(y: float, radius: float) -> list[np.ndarray]:
    """A thin wheel in the y-z plane; the label counts what is seen through the spokes as wheel."""
    turn = np.linspace(0, 2 * math.pi, 13)
    rim = np.stack([np.zeros(13), y + np.cos(turn) * radius * 0.93, radius + np.sin(turn) * radius * 0.93], 1)
    pieces = [tube(a, b, 0.035, RUBBER, sides=4) for a, b in itertools.pairwise(rim)]
    for angle in (0.3, 1.35, 2.4):
        reach = np.array([0, math.cos(angle), math.sin(angle)]) * radius * 0.9
        hub = np.array([0, y, radius])
        pieces.append(tube(hub - reach, hub + reach, 0.012, METAL, sides=3))
    pieces += [disc((0, y, radius), radius, RUBBER, side=side, drawn=Pass.LABEL) for side in (-1, 1)]
    return pieces


@cache
def bicycle() -> np.ndarray:
    """A bicycle; slot 5 is the frame."""
    seat, bar, crank = (0, -0.22, 0.92), (0, 0.42, 1.02), (0, -0.05, 0.32)
    frame = {"paint": 5, "sides": 4}
    pieces = [
        *_spoked_wheel(-0.53, 0.34),
        *_spoked_wheel(0.53, 0.34),
        tube(crank, seat, 0.03, WHITE, **frame),
        tube((0, -0.18, 0.80), (0, 0.38, 0.84), 0.03, WHITE, **frame),
        tube(crank, (0, 0.40, 0.72), 0.035, WHITE, **frame),
        tube((0, -0.53, 0.34), crank, 0.025, WHITE, **frame),
        tube((0, -0.53, 0.34), (0, -0.18, 0.80), 0.025, WHITE, **frame),
        tube((0, 0.53, 0.34), bar, 0.028, WHITE, **frame),
        tube((-0.28, 0.38, 1.03), (0.28, 0.38, 1.03), 0.025, RUBBER, sides=4),
        box((-0.08, 0.08), (-0.36, -0.08), (0.91, 0.97), RUBBER),
        box((-0.05, 0.05), (-0.05, 0.05), (0.27, 0.37), METAL),
    ]
    made = join(pieces)
    made["label"] = NUMBER["bike"]
    return made


@cache
def cyclist(pedal: float) -> np.ndarray:
    """A bicycle with its rider; ``pedal`` -1..1 is where the cranks stand."""
    return join([bicycle(), _seated((-0.22, 0.95), (0.38, 1.03), pedal, helmet=False)])


@cache
def motorbike() -> np.ndarray:
    """A motorbike; slot 5 is the paint."""
    pieces = []
    for y in (-0.68, 0.70):
        for side in (-1, 1):
            pieces.append(disc((side * 0.08, y, 0.32), 0.32, RUBBER, side=side, level=1))
            pieces.append(disc((side * 0.08, y, 0.32), 0.19, METAL, side=side, level=2))
        pieces.append(tube((-0.08, y, 0.32), (0.08, y, 0.32), 0.32, RUBBER, sides=10))
    pieces += [
        box((-0.20, 0.20), (-0.30, 0.38), (0.26, 0.62), (0.20, 0.20, 0.22), taper=0.1, floor=True),
        box((-0.19, 0.19), (-0.10, 0.46), (0.62, 0.95), WHITE, paint=5, taper=0.25, gloss=0.15),
        box((-0.17, 0.17), (-0.85, -0.10), (0.64, 0.82), RUBBER, taper=0.1, floor=True),
        box((-0.15, 0.15), (-1.00, -0.55), (0.50, 0.78), WHITE, paint=5, floor=True, gloss=0.1),
        box((-0.22, 0.22), (0.46, 0.70), (0.72, 1.12), WHITE, paint=5, taper=0.35, floor=True, gloss=0.15),
        tube((-0.10, 0.70, 0.32), (-0.10, 0.48, 0.95), 0.04, METAL, sides=4),
        tube((0.10, 0.70, 0.32), (0.10, 0.48, 0.95), 0.04, METAL, sides=4),
        tube((-0.38, 0.36, 1.05), (0.38, 0.36, 1.05), 0.035, RUBBER, sides=4),
        tube((0.20, -0.85, 0.36), (0.20, 0.10, 0.32), 0.07, METAL, sides=5),
        box((-0.11, 0.11), (0.66, 0.73), (0.84, 1.00), (1.5, 1.5, 1.3), lambert=0.0),
        box((-0.10, 0.10), (-1.03, -1.00), (0.66, 0.76), (0.95, 0.06, 0.05), lambert=0.0),
    ]
    made = join(pieces)
    made["label"] = NUMBER["motor"]
    return made


@cache
def motorcyclist() -> np.ndarray:
    """A motorbike with its helmeted rider."""
    return join([motorbike(), _seated((-0.32, 0.86), (0.34, 1.06), 0.0, helmet=True)])
