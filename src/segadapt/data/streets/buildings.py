"""Houses, shops and towers: front at y = 0 facing -y, width along x, depth towards +y."""

import math
from dataclasses import dataclass

import numpy as np

from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.domains import Domain
from segadapt.data.streets.materials import TEXTURE_NUMBER
from segadapt.data.streets.shapes import box, join, prism, quads, rectangle

_BOARD_PAINTS = np.array([
    (0.88, 0.12, 0.12), (0.95, 0.80, 0.12), (0.94, 0.94, 0.92), (0.12, 0.30, 0.70), (0.10, 0.50, 0.28),
    (0.95, 0.50, 0.10),
])  # fmt: skip


@dataclass(frozen=True)
class House:
    """What a building looks like; metres."""

    width: float
    depth: float
    storeys: int
    storey: float
    wall: np.ndarray
    texture: int
    roof: np.ndarray
    pitched: bool
    shop: bool
    tower: bool
    fine: bool
    boards: bool = False

    @property
    def height(self) -> float:
        return self.storeys * self.storey + 0.5


def _jitter(rng: np.random.Generator, colour: np.ndarray, spread: float = 0.08) -> np.ndarray:
    return np.clip(np.asarray(colour) * rng.uniform(1 - spread, 1 + spread) + rng.normal(0, 0.015, 3), 0.03, 0.97)


def random_house(rng: np.random.Generator, domain: Domain, width: float, fine: bool) -> House:
    """A house that fits a lot ``width`` metres wide."""
    layout, paints = domain.layout, domain.paints
    tower = rng.random() < layout.tower_chance
    brick = rng.random() < layout.brick_chance and not tower
    wall = paints.brick[rng.integers(len(paints.brick))] if brick else paints.plaster[rng.integers(len(paints.plaster))]
    storeys = int(rng.integers(8, 16)) if tower else int(rng.integers(layout.storeys[0], layout.storeys[1] + 1))
    return House(
        width=width,
        depth=rng.uniform(9, 14),
        storeys=storeys,
        storey=rng.uniform(*layout.storey_height),
        wall=_jitter(rng, np.asarray(wall)),
        texture=TEXTURE_NUMBER["brick" if brick else "plaster"],
        roof=_jitter(rng, np.asarray(paints.roof[rng.integers(len(paints.roof))])),
        pitched=bool(rng.random() < layout.pitched_roof_chance) and not tower,
        shop=bool(rng.random() < 0.5),
        tower=bool(tower),
        fine=fine,
        boards=bool(layout.board_chance and rng.random() < layout.board_chance),
    )


def _panels(x: np.ndarray, z: np.ndarray, width: float, height: float, colour, y: float = 0.0, **fields) -> np.ndarray:
    """Equal rectangles facing -y with their lower middle at (x, z) for all pairs of ``x`` and ``z``."""
    x, z = (grid.reshape(-1) for grid in np.meshgrid(x, z))
    half = width / 2
    depth = np.full_like(x, y)
    corners = np.stack([
        np.stack([x - half, depth, z], 1), np.stack([x + half, depth, z], 1),
        np.stack([x + half, depth, z + height], 1), np.stack([x - half, depth, z + height], 1),
    ], 1)  # fmt: skip
    return quads(corners, colour, **fields)


def _window_colours(rng: np.random.Generator, count: int) -> np.ndarray:
    """Glass that mirrors more sky towards its top; some lit or curtained. (count,4,3)"""
    dark = rng.uniform(0.10, 0.24, (count, 1)) * np.array([0.9, 1.0, 1.12])
    curtain = rng.random((count, 1)) < 0.2
    low = np.where(curtain, rng.uniform(0.5, 0.75, (count, 1)) * np.array([1.0, 0.97, 0.9]), dark)
    high = np.where(curtain, low, low + rng.uniform(0.05, 0.32, (count, 1)) * np.array([0.85, 1.0, 1.15]))
    return np.stack([low, low, high, high], 1)


def _windows(rng: np.random.Generator, house: House, width: float, first_storey: int) -> list[np.ndarray]:
    """Rows of windows on one facade plane of ``width`` centred on x = 0."""
    storeys = np.arange(first_storey, house.storeys)
    if len(storeys) == 0:
        return []
    if house.tower:
        bays, size = max(2, int(width / 2.2)), (1.85, house.storey * 0.72)
    else:
        bays, size = max(1, int(width / 2.9)), (1.15, 1.65)
    x = (np.arange(bays) + 0.5) * (width / bays) - width / 2
    z = storeys * house.storey + (0.3 if house.tower else 0.95)
    frame = house.wall * 0.55 if rng.random() < 0.3 else np.minimum(house.wall * 0.3 + 0.62, 0.95)
    pieces = []
    glass = _panels(x, z, *size, 0.2, level=3, gloss=0.15)
    glass["colour"] = _window_colours(rng, len(glass))
    if house.fine and not house.tower:
        pieces.append(_panels(x, z - 0.12, size[0] + 0.26, size[1] + 0.24, frame, level=2))
        pieces.append(glass)
        pieces.append(_panels(x, z, 0.07, size[1], frame, level=4))
        pieces.append(_panels(x, z + size[1] * 0.66, size[0], 0.06, frame, level=4))
    else:
        pieces.append(glass)
    return pieces


def _ground_floor(rng: np.random.Generator, house: House) -> list[np.ndarray]:
    """Shop windows with a fascia and an awning, or a door and a plinth."""
    half, pieces = house.width / 2, []
    plinth = house.wall * 0.62
    pieces.append(_panels(np.zeros(1), np.zeros(1), house.width, 0.45, plinth, level=1))
    if not house.shop:
        door = np.array([rng.uniform(-half * 0.7, half * 0.7)])
        pieces.append(_panels(door, np.zeros(1), 1.35, 2.45, house.wall * 0.4 + 0.35, level=4))
        pieces.append(_panels(door, np.zeros(1), 1.05, 2.25, rng.uniform(0.12, 0.42, 3), level=5))
        return pieces
    fascia = rng.uniform(0.15, 0.75, 3)
    bays = max(1, int(house.width / 3.6))
    x = (np.arange(bays) + 0.5) * (house.width / bays) - half
    shade = np.array([(0.14, 0.15, 0.17), (0.14, 0.15, 0.17), (0.34, 0.37, 0.40), (0.34, 0.37, 0.40)])
    pieces.append(_panels(x, np.array([0.5]), house.width / bays * 0.84, 2.05, shade, level=4, gloss=0.2))
    pieces.append(_panels(np.zeros(1), np.array([2.65]), house.width * 0.96, 0.6, fascia, level=4))
    letters = np.sort(rng.uniform(-half * 0.5, half * 0.5, 7))
    pieces.append(_panels(letters, np.array([2.78]), 0.26, 0.32, np.clip(1.1 - fascia, 0.1, 1), level=5))
    if rng.random() < 0.5:
        low, high = (
            rectangle(-half * 0.8, half * 0.8, -1.3, -1.2, 2.35),
            rectangle(-half * 0.8, half * 0.8, -0.1, 0, 2.75),
        )
        awning = prism(low, high, np.minimum(fascia * 1.2 + 0.1, 0.95), double=True)
        pieces.append(awning)
    return pieces


def _boards(rng: np.random.Generator, house: House) -> list[np.ndarray]:
    """Upright signboards that stand out from the facade, one above another; advertisement counts as building."""
    pieces, top = [], house.height - 0.5
    for x in rng.uniform(-0.45, 0.45, int(rng.integers(1, 4))) * house.width:
        z = rng.uniform(2.8, 4.0)
        while z + 1.5 < top and rng.random() < 0.85:
            high = min(top, z + rng.uniform(1.2, 4.5))
            paint = np.clip(rng.choice(_BOARD_PAINTS) * rng.uniform(0.85, 1.1), 0, 0.97)
            pieces.append(
                box((x - 0.1, x + 0.1), (-rng.uniform(0.7, 1.3), 0), (z, high), paint, floor=True, lambert=0.5)
            )
            pieces.append(_panels(np.array([x]), np.array([z]), 0.8, high - z, paint, y=-0.12, level=5, lambert=0.5))
            z = high + 0.3
    return pieces


def _roof(house: House) -> list[np.ndarray]:
    half, top = house.width / 2, house.height
    if house.pitched:
        ridge = top + house.depth * 0.30
        foot = rectangle(-half - 0.25, half + 0.25, -0.45, house.depth + 0.4, top)
        peak = rectangle(-half - 0.25, half + 0.25, house.depth / 2 - 0.05, house.depth / 2 + 0.05, ridge)
        roof = prism(foot, peak, house.roof, floor=True, texture=TEXTURE_NUMBER["tile"])
        roof["colour"][[1, 3]] = house.wall
        chimney = box((half * 0.4, half * 0.4 + 0.7), (house.depth * 0.3, house.depth * 0.3 + 0.7), (top, ridge + 0.8),
                      house.roof * 0.8, texture=TEXTURE_NUMBER["brick"])  # fmt: skip
        pieces = [roof, chimney]
        if house.fine:
            for x in (-half * 0.5, half * 0.15):
                pieces.append(box((x, x + 1.5), (0.35, 3.0), (top + 0.3, top + 1.9), house.wall * 0.9))
                pieces.append(
                    _panels(np.array([x + 0.75]), np.array([top + 0.6]), 1.0, 1.1, (0.2, 0.24, 0.28), y=0.34, level=2)
                )
        return pieces
    cap = np.minimum(house.wall * 1.08, 0.97)
    pieces = [box((-half - 0.15, half + 0.15), (-0.2, house.depth), (top - 0.35, top + 0.25), cap, floor=True)]
    if not house.tower:
        pieces.append(box((-half * 0.3, half * 0.1), (2, 4.5), (top, top + 1.4), house.wall * 0.8))
    return pieces


def building(rng: np.random.Generator, house: House) -> np.ndarray:
    """All quads of a house in its own axes."""
    half, top = house.width / 2, house.height
    pieces = [box((-half, half), (0, house.depth), (0, top), house.wall, texture=house.texture)]
    wall = pieces[0]["colour"]
    wall[:, :2] *= 0.86
    front = _windows(rng, house, house.width * 0.94, 0 if house.tower or not house.shop else 1) + _ground_floor(
        rng, house
    )
    if house.fine and not house.tower:
        for z in np.arange(1, house.storeys) * house.storey:
            if rng.random() < 0.45:
                front.append(box((-half, half), (-0.12, 0), (z + 0.02, z + 0.2), np.minimum(house.wall * 1.1, 0.97)))
        if rng.random() < 0.35 and house.storeys > 2:
            x = rng.uniform(-half * 0.5, half * 0.5)
            for z in np.arange(1, house.storeys) * house.storey:
                front.append(box((x - 1.3, x + 1.3), (-1.1, 0), (z, z + 0.16), house.wall * 0.9, floor=True))
                front.append(box((x - 1.3, x + 1.3), (-1.1, -1.04), (z + 0.16, z + 1.0), house.wall * 0.62))
    pieces += front + _roof(house) + (_boards(rng, house) if house.boards else [])
    for side in (-1, 1):
        flank = join(_windows(rng, house, house.depth * 0.8, 1))
        if len(flank) and rng.random() < 0.7:
            turn = side * math.pi / 2
            cosine, sine = math.cos(turn), math.sin(turn)
            spin = np.array([(cosine, sine, 0), (-sine, cosine, 0), (0, 0, 1)], np.float32)
            flank["points"] = flank["points"] @ spin + np.array((side * half, house.depth / 2, 0), np.float32)
            pieces.append(flank)
    made = join(pieces)
    made["label"] = NUMBER["building"]
    return made
