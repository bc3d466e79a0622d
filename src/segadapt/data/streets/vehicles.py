"""Motor vehicles as templates: front along +y, standing on z = 0, centred; paint slot 1 is the body."""

from functools import cache

import numpy as np

from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.shapes import box, disc, join, prism, quads, rectangle, tube

GLASS = (0.16, 0.20, 0.24)
RUBBER = (0.06, 0.06, 0.07)
RIM = (0.55, 0.56, 0.58)
LAMP_FRONT = (1.5, 1.5, 1.35)
LAMP_REAR = (0.95, 0.06, 0.05)
DARK = (0.09, 0.09, 0.10)
WHITE = (1.0, 1.0, 1.0)

# kind: length, width, floor, belt, roof heights; cabin rear foot, rear roof, front roof, front foot as shares of length
_CARS = {
    "sedan": (4.6, 1.82, 0.24, 0.92, 1.45, -0.38, -0.24, 0.06, 0.24),
    "hatch": (4.0, 1.76, 0.24, 0.92, 1.50, -0.48, -0.40, 0.08, 0.26),
    "estate": (4.7, 1.82, 0.24, 0.92, 1.48, -0.48, -0.43, 0.06, 0.24),
    "suv": (4.7, 1.95, 0.34, 1.12, 1.80, -0.48, -0.42, 0.08, 0.24),
    "van": (5.2, 2.00, 0.30, 1.15, 2.20, -0.49, -0.48, 0.24, 0.38),
    "pickup": (5.3, 1.98, 0.38, 1.10, 1.80, -0.10, -0.05, 0.12, 0.26),
}
CAR_KINDS = tuple(_CARS)


def wheels(x: float, ys: tuple[float, ...], radius: float, width: float = 0.22) -> np.ndarray:
    """Wheels on both sides at ``ys``; ``x`` is the outer face."""
    pieces = []
    for y in ys:
        for side in (-1, 1):
            face = side * x
            pieces.append(tube((face - side * width, y, radius), (face, y, radius), radius, RUBBER, sides=8))
            pieces.append(disc((face, y, radius), radius, RUBBER, side=side, level=3))
            pieces.append(disc((face, y, radius), radius * 0.62, RIM, side=side, level=4, gloss=0.2))
    return join(pieces)


def _plate(x: tuple[float, float], y: float, z: tuple[float, float], colour, *, front: bool, level: int = 2, **fields):
    """An upright rectangle that faces +y (``front``) or -y."""
    left, right = (x[1], x[0]) if front else x
    corners = [(left, y, z[0]), (right, y, z[0]), (right, y, z[1]), (left, y, z[1])]
    return quads(np.array(corners), colour, level=level, **fields)


def _side(y: tuple[float, float], x: float, z: tuple[float, float], colour, *, level: int = 2, **fields) -> np.ndarray:
    """Equal upright rectangles on both flanks at plus and minus ``x``."""
    right = [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]
    left = [(-x, y[1], z[0]), (-x, y[0], z[0]), (-x, y[0], z[1]), (-x, y[1], z[1])]
    return quads(np.array([right, left]), colour, level=level, **fields)


def _lamps(half_length: float, half_width: float, z: float, size: tuple[float, float] = (0.36, 0.15)) -> np.ndarray:
    pieces = []
    for side in (-1, 1):
        outer = side * half_width * 0.94
        x = tuple(sorted((outer, outer - side * size[0])))
        high = (z, z + size[1])
        pieces.append(_plate(x, half_length + 0.01, high, LAMP_FRONT, front=True, level=3, lambert=0.0))
        pieces.append(_plate(x, -half_length - 0.01, high, LAMP_REAR, front=False, level=3, lambert=0.0))
    plate = (-0.26, 0.26)
    pieces.append(_plate(plate, half_length + 0.01, (z - 0.28, z - 0.16), WHITE, front=True, level=3))
    pieces.append(_plate(plate, -half_length - 0.01, (z - 0.22, z - 0.10), WHITE, front=False, level=3))
    return join(pieces)


def _cabin(kind: str) -> np.ndarray:
    """Windows, pillars and roof above the belt line."""
    length, width, _, belt, roof, rear_foot, rear_roof, front_roof, front_foot = _CARS[kind]
    foot, top = width * 0.47, width * 0.385
    bottom = rectangle(-foot, foot, rear_foot * length, front_foot * length, belt)
    upper = rectangle(-top, top, rear_roof * length, front_roof * length, roof)
    shell = prism(bottom, upper, WHITE, paint=1, gloss=0.12)
    glass = []
    for face in range(4):
        a, b, c, d = shell["points"][face]
        inset = 0.10 if face in (0, 2) else 0.07
        corners = [a + (b - a) * inset, b - (b - a) * inset, c - (c - d) * inset, d + (c - d) * inset]
        low, high = (corners[0] + corners[1]) / 2, (corners[2] + corners[3]) / 2
        corners = [p + (high - low) * (0.06 if k < 2 else -0.12) for k, p in enumerate(corners)]
        shade = np.array([GLASS, GLASS, (0.42, 0.48, 0.54), (0.42, 0.48, 0.54)])
        glass.append(quads(np.array(corners), shade, level=2, gloss=0.25))
    middle = (rear_roof + front_roof) / 2 * length
    pillar = []
    for side in (-1, 1):
        start, end = (side * foot, middle, belt), (side * top, middle, roof)
        pillar.append(tube(start, end, 0.045, WHITE, sides=3, paint=1))
    return join([shell, *glass, *pillar])


@cache
def car(kind: str) -> np.ndarray:
    """A car of one of ``CAR_KINDS``."""
    length, width, floor, belt, _, _, _, _, front_foot = _CARS[kind]
    half, side = length / 2, width / 2
    bonnet = belt - (0.16 if kind != "van" else 0.22)
    nose_foot = rectangle(-side, side, front_foot * length, half, floor)
    nose_top = np.array(
        [
            (-side, front_foot * length, belt),
            (side, front_foot * length, belt),
            (side * 0.9, half - 0.1, bonnet),
            (-side * 0.9, half - 0.1, bonnet),
        ]
    )
    tail = rectangle(-side, side, -half, front_foot * length, floor)
    tail_top = rectangle(-side * 0.96, side * 0.96, -half + 0.06, front_foot * length, belt)
    radius = 0.33 if kind in ("sedan", "hatch", "estate") else 0.38
    pieces = [
        prism(nose_foot, nose_top, WHITE, paint=1, gloss=0.15),
        prism(tail, tail_top, WHITE, paint=1, gloss=0.15),
        _cabin(kind),
        wheels(side + 0.01, (-half * 0.62, half * 0.64), radius),
        _lamps(half, side, belt - 0.30),
        _plate((-side * 0.55, side * 0.55), half + 0.005, (floor + 0.12, floor + 0.34), DARK, front=True),
        _plate((-side * 0.9, side * 0.9), -half - 0.005, (floor, floor + 0.18), DARK, front=False),
        _side((-half * 0.9, half * 0.9), side + 0.002, (floor, floor + 0.10), DARK, level=1),
        _side((-0.02 * length, -0.01 * length), side + 0.002, (floor + 0.15, belt), DARK, level=1),
    ]
    if kind == "pickup":
        bed = rectangle(-side * 0.85, side * 0.85, -half + 0.15, -0.12 * length, belt + 0.005)
        pieces.append(quads(bed, (0.12, 0.12, 0.12), level=1))
    made = join(pieces)
    made["label"] = NUMBER["car"]
    return made


@cache
def bus(length: float = 11.0) -> np.ndarray:
    """A city bus: one box with a band of windows, doors and a lit destination."""
    half, side, roof = length / 2, 1.27, 3.05
    pieces = [
        box((-side, side), (-half, half), (0.32, roof), WHITE, paint=1, gloss=0.08, taper=0.02),
        _side((-half + 0.3, half - 0.3), side + 0.01, (1.25, 2.45), GLASS, gloss=0.3),
        _side((-half, half), side + 0.005, (0.35, 0.75), WHITE, level=1, paint=2),
        _plate((-1.15, 1.15), half + 0.01, (1.05, 2.50), GLASS, front=True, gloss=0.35),
        _plate((-1.0, 1.0), half + 0.01, (2.60, 2.92), (0.10, 0.09, 0.05), front=True),
        _plate((-0.7, 0.7), half + 0.01, (2.67, 2.85), (1.3, 0.75, 0.10), front=True, level=3, lambert=0.0),
        _plate((-1.05, 1.05), -half - 0.01, (1.55, 2.50), GLASS, front=False, gloss=0.3),
        _plate((-1.2, 1.2), -half - 0.01, (0.35, 0.62), DARK, front=False),
        _plate((-0.6, 0.6), -half - 0.01, (0.80, 1.30), (0.24, 0.24, 0.25), front=False),
        _lamps(half, side, 0.85, (0.34, 0.22)),
        wheels(side + 0.02, (-half * 0.52, half * 0.56), 0.48),
        box((-0.8, 0.8), (-half * 0.5, half * 0.2), (roof, roof + 0.22), (0.8, 0.8, 0.8)),
    ]
    for y in np.linspace(-half + 0.3, half - 0.3, 8)[1:-1]:
        pieces.append(_side((y - 0.05, y + 0.05), side + 0.015, (1.25, 2.45), WHITE, level=3, paint=1))
    for y in (half * 0.72, -half * 0.05):
        pieces.append(_side((y - 0.6, y + 0.6), side + 0.015, (0.45, 2.40), (0.22, 0.26, 0.30), level=4, gloss=0.2))
    made = join(pieces)
    made["label"] = NUMBER["bus"]
    return made


@cache
def truck(length: float = 8.5) -> np.ndarray:
    """A lorry: painted cab (slot 1) and a ribbed cargo box (slot 2) on a dark chassis."""
    half, side = length / 2, 1.25
    cab_foot = rectangle(-side, side, half - 2.0, half, 0.55)
    cab_top = rectangle(-side * 0.96, side * 0.96, half - 2.0, half - 0.28, 2.75)
    pieces = [
        prism(cab_foot, cab_top, WHITE, paint=1, gloss=0.12),
        box((-side, side), (-half, half - 2.25), (1.10, 3.45), WHITE, paint=2, texture=9),
        box((-0.5, 0.5), (-half, half - 0.4), (0.55, 1.10), DARK),
        box((-side * 0.98, side * 0.98), (half - 2.9, half - 2.2), (0.55, 1.05), (0.3, 0.3, 0.32)),
        _side((half - 1.5, half - 0.45), side * 0.985, (1.55, 2.35), GLASS, gloss=0.3),
        _lamps(half, side, 0.85, (0.32, 0.18)),
        _plate((-0.9, 0.9), half + 0.01, (0.70, 1.25), DARK, front=True),
        _plate((-0.03, 0.03), -half - 0.01, (1.15, 3.40), DARK, front=False),
        _plate((-side, side), -half - 0.01, (0.75, 1.10), (0.30, 0.30, 0.30), front=False),
        _plate((-side * 0.96, side * 0.96), -half - 0.01, (1.14, 1.26), (0.85, 0.30, 0.10), front=False),
        wheels(side, (-half * 0.72, -half * 0.44, half - 1.1), 0.50, 0.34),
    ]
    windscreen = [(side * 0.9, half - 0.14, 1.60), (-side * 0.9, half - 0.14, 1.60),
                  (-side * 0.88, half - 0.25, 2.55), (side * 0.88, half - 0.25, 2.55)]  # fmt: skip
    pieces.append(quads(np.array(windscreen), GLASS, level=6, gloss=0.35))
    made = join(pieces)
    made["label"] = NUMBER["truck"]
    return made


@cache
def train(cars: int = 2) -> np.ndarray:
    """A tram of ``cars`` sections with slanted noses, skirt, black window band and pantograph."""
    section, side, roof = 9.5, 1.25, 3.35
    half = cars * section / 2
    pieces = []
    for number in range(cars):
        y0, y1 = -half + number * section, -half + (number + 1) * section - 0.35
        pieces.append(box((-side, side), (y0, y1), (0.22, roof), WHITE, paint=1, gloss=0.08))
        pieces.append(_side((y0 + 0.15, y1 - 0.15), side + 0.01, (1.30, 2.60), (0.08, 0.09, 0.11), gloss=0.35))
        pieces.append(_side((y0, y1), side + 0.01, (0.22, 0.62), (0.20, 0.20, 0.22)))
        pieces.append(_side((y0, y1), side + 0.01, (2.80, 3.00), WHITE, paint=2))
        pieces.append(box((-side * 0.9, side * 0.9), (y1, y1 + 0.35), (0.3, roof - 0.1), DARK))
        pieces.append(box((-0.9, 0.9), (y0 + 1, y1 - 1), (roof, roof + 0.35), (0.55, 0.56, 0.58)))
        for y in (y0 + section * 0.30, y0 + section * 0.66):
            door = (y - 0.65, y + 0.65)
            pieces.append(_side(door, side + 0.015, (0.40, 2.65), WHITE, level=3, paint=2))
            pieces.append(_side((y - 0.5, y + 0.5), side + 0.02, (1.1, 2.5), (0.12, 0.14, 0.16), level=4, gloss=0.3))
    for way in (-1, 1):
        foot = rectangle(-side, side, *sorted((way * half, way * (half + 0.9))), 0.22)
        top = rectangle(-side * 0.9, side * 0.9, *sorted((way * half, way * (half + 0.25))), roof)
        nose = prism(foot, top, WHITE, paint=1, gloss=0.1)
        a, b, c, d = nose["points"][2 if way > 0 else 0]
        screen = [a + (d - a) * 0.36, b + (c - b) * 0.36, b + (c - b) * 0.80, a + (d - a) * 0.80]
        pieces += [nose, quads(np.array(screen), GLASS, level=4, gloss=0.4)]
        lit = [a + (d - a) * 0.85, b + (c - b) * 0.85, b + (c - b) * 0.95, a + (d - a) * 0.95]
        pieces.append(quads(np.array(lit), (1.3, 0.8, 0.15), level=4, lambert=0.0))
        skirt = [a + (d - a) * 0.02, b + (c - b) * 0.02, b + (c - b) * 0.14, a + (d - a) * 0.14]
        pieces.append(quads(np.array(skirt), DARK, level=4))
    pieces.append(_lamps(half + 0.78, side, 0.95, (0.30, 0.20)))
    pieces.append(tube((-0.5, 0, roof + 0.3), (0.5, 1.0, roof + 1.3), 0.05, DARK, sides=3))
    made = join(pieces)
    made["label"] = NUMBER["train"]
    return made
