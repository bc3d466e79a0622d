"""The ground of a street: road with its marks, kerbs, sidewalks, verges and the crossing."""

import itertools
from dataclasses import dataclass

import numpy as np

from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.materials import TEXTURE_NUMBER
from segadapt.data.streets.scene import Scene
from segadapt.data.streets.shapes import join, quads, rectangle

KERB = 0.13
"""Height of the sidewalk above the road in metres."""
_START, _END = -6.0, 330.0
_BREAKS = np.array([_START, 0, 3, 5, 8, 12, 17, 23, 31, 42, 57, 78, 110, 160, 230, _END])


@dataclass(frozen=True)
class Street:
    """The plan of a street; x and y in metres, symmetric about x = 0."""

    lane: float
    lanes: int
    parking: float
    verge: float
    sidewalk: float
    crossing: tuple[float, float] | None

    @property
    def kerb_x(self) -> float:
        return self.lane * self.lanes + self.parking

    @property
    def walk_x(self) -> float:
        return self.kerb_x + self.verge

    @property
    def edge_x(self) -> float:
        return self.walk_x + self.sidewalk

    def stretches(self) -> list[tuple[float, float]]:
        """Intervals of y that the crossing street leaves to sidewalks and lots."""
        if self.crossing is None:
            return [(_START, _END)]
        return [(_START, self.crossing[0]), (self.crossing[1], _END)]


def random_street(scene: Scene) -> Street:
    """A plan drawn from the domain's layout."""
    layout = scene.domain.layout
    start = scene.uniform((14, 45))
    return Street(
        lane=scene.uniform(layout.lane_width),
        lanes=int(scene.pick(layout.lanes)),
        parking=2.2 if scene.chance(layout.parking_chance) else 0.35,
        verge=scene.uniform((1.6, 3.2)) if scene.chance(layout.verge_chance) else 0.0,
        sidewalk=scene.uniform(layout.sidewalk_width),
        crossing=(start, start + scene.uniform((8, 13))) if scene.chance(layout.crossing_chance) else None,
    )


def strip(
    x: tuple[float, float], y: tuple[float, float], z: float, colour, texture: str, name: str, **fields
) -> np.ndarray:
    """A level strip cut along y, so that haze and perspective stay right; texture runs in world metres."""
    cuts = np.concatenate([[y[0]], _BREAKS[(y[0] < _BREAKS) & (y[1] > _BREAKS)], [y[1]]])
    made = join([
        quads(rectangle(x[0], x[1], low, high, z), colour) for low, high in itertools.pairwise(cuts)
    ])  # fmt: skip
    made["uv"] = made["points"][..., :2]
    made["texture"] = TEXTURE_NUMBER[texture]
    made["label"] = NUMBER[name]
    for field, value in fields.items():
        made[field] = value
    return made


def _kerb(x: float, side: int, y: tuple[float, float], colour: np.ndarray) -> np.ndarray:
    """The upright face of a kerb and its light edge."""
    top = strip(tuple(sorted((x, x + side * 0.22))), y, KERB, colour, "plain", "sidewalk", level=3)
    face = top.copy()
    inner = np.minimum(top["points"][..., 0] * side, x * side + 1e-4) * side
    face["points"][..., 0] = inner
    face["points"][:, [0, 3] if side > 0 else [1, 2], 2] = 0.0
    face["colour"] = colour * 0.72
    face["level"] = 0
    face["double"] = True
    return join([top, face])


def _marks(scene: Scene, street: Street) -> list[np.ndarray]:
    """Centre line, lane dashes, edge lines and the zebra or stop line before a crossing."""
    layout, pieces = scene.domain.layout, []
    white = np.array([0.86, 0.86, 0.84]) * scene.uniform((0.85, 1.0))
    yellow = np.array([0.88, 0.68, 0.16])

    def line(x: float, width: float, y: tuple[float, float], colour) -> None:
        pieces.append(strip((x - width / 2, x + width / 2), y, 0.0, colour, "asphalt", "road", level=7))

    for span in street.stretches():
        if layout.yellow_centre:
            line(-0.14, 0.13, span, yellow)
            line(0.14, 0.13, span, yellow)
        dashes = [side * street.lane * lane for side in (-1, 1) for lane in range(1, street.lanes)]
        for x in dashes + ([] if layout.yellow_centre else [0.0]):
            for y in np.arange(span[0] + 1, min(span[1] - 3, 120), 7.0):
                line(x, 0.14, (y, y + 3.0), white)
        if street.parking > 1 or layout.yellow_centre:
            for side in (-1, 1):
                line(side * street.lane * street.lanes, 0.11, span, white)
    zebra = None if street.crossing is None else street.crossing[0] - 4.0
    if zebra is None and scene.chance(0.25):
        zebra = scene.uniform((8, 24))
    if zebra is not None:
        for x in np.arange(-street.kerb_x + 0.5, street.kerb_x - 0.4, 1.0):
            line(x, 0.5, (zebra, zebra + 2.8), white)
        line(street.kerb_x / 2, street.kerb_x - 0.6, (zebra - 2.2, zebra - 1.8), white)
    return pieces


def rails(scene: Scene, x: float) -> None:
    """Tram tracks in the lane centred on ``x``; part of the road."""
    for offset in (-0.72, 0.72):
        scene.add(strip((x + offset - 0.06, x + offset + 0.06), (_START, 200), 0.0, (0.20, 0.20, 0.22), "plain", "road",
                        level=9))  # fmt: skip


def lay(scene: Scene, street: Street) -> None:
    """Adds all ground between the outer edges of the sidewalks, and what lies far beyond."""
    paints = scene.domain.paints
    asphalt, paving, grass = scene.paint(paints.asphalt), scene.paint(paints.paving), scene.paint(paints.grass)
    kerb = scene.paint(paints.kerb)
    road = paints.road_texture
    scene.add(strip((-160, 160), (_START, _END), -0.10, grass, "grass", "terrain"))
    scene.add(strip((-street.kerb_x, street.kerb_x), (_START, _END), 0.0, asphalt, road, "road", level=2))
    if street.crossing is not None:
        scene.add(strip((-90, -street.kerb_x), street.crossing, 0.0, asphalt, road, "road", level=2))
        scene.add(strip((street.kerb_x, 90), street.crossing, 0.0, asphalt, road, "road", level=2))
    for _ in range(int(scene.rng.integers(0, 5))):
        x, y = scene.uniform((-street.kerb_x, street.kerb_x - 2.5)), scene.uniform((4, 40))
        patch = asphalt * scene.pick((0.8, 0.88, 1.1))
        scene.add(
            strip(
                (x, x + scene.uniform((0.8, 2.4))), (y, y + scene.uniform((1.5, 9))), 0.0, patch, road, "road", level=4
            )
        )
    for piece in _marks(scene, street):
        scene.add(piece)
    texture = paints.paving_texture
    for side in (-1, 1):
        for span in street.stretches():
            scene.add(_kerb(side * street.kerb_x, side, span, kerb))
            if street.verge:
                x = tuple(sorted((side * street.kerb_x, side * street.walk_x)))
                scene.add(strip(x, span, KERB, grass, "grass", "terrain", level=1))
            x = tuple(sorted((side * street.walk_x, side * street.edge_x)))
            scene.add(strip(x, span, KERB, paving, texture, "sidewalk", level=1))
