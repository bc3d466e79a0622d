"""What stands beside the street: houses, gardens, parks, walls, fences and what closes the view."""

import math

import numpy as np

from segadapt.data.streets.buildings import building, random_house
from segadapt.data.streets.furniture import fence, wall
from segadapt.data.streets.ground import KERB, Street, strip
from segadapt.data.streets.plants import (
    TREE_SHAPES,
    bare_tree,
    bush,
    conifer,
    crown_shadow,
    hedge,
    hill,
    palm,
    pine,
    tree,
)
from segadapt.data.streets.scene import Scene
from segadapt.data.streets.shapes import Pass, placed, quads

_FINE_UNTIL = 70.0
_LAST = 200.0


def plant_tree(scene: Scene, x: float, y: float, z: float = KERB) -> None:
    """A tree of the domain's kind with its blot of shade."""
    layout, leaf = scene.domain.layout, scene.paint(scene.domain.paints.leaf, 0.15)
    yaw, scale = scene.uniform((0, 6.28)), scene.uniform((0.75, 1.25))
    number, kind = int(scene.rng.integers(TREE_SHAPES)), scene.rng.random()
    if kind < layout.palm_chance:
        template, radius = palm(number), 2.2
    elif kind > 0.88:
        template, radius = conifer(number), 1.8
    elif kind - layout.palm_chance < layout.bare_chance:
        template, radius = bare_tree(number, y < 45), 1.6
        scale *= 1.25
    elif kind - layout.palm_chance - layout.bare_chance < layout.pine_chance:
        template, radius = pine(number), 2.8
    else:
        template, radius = tree(number, y < 45), 2.8
    scene.add(placed(template, x, y, z, yaw=yaw, scale=scale, paints=[leaf]))
    away = -scene.sun[:2] * 3.0
    scene.add(crown_shadow(scene.rng, x + away[0], y + away[1], radius * scale, scene.shadow * 0.8))


def _boundary(scene: Scene, kind: str, x: float, y: tuple[float, float]) -> None:
    """A wall, fence or hedge along the lot's edge in pieces of two metres."""
    paints = scene.domain.paints
    if kind == "wall":
        template = wall(scene.pick((1.6, 2.0, 2.4, 2.9)), scene.chance(0.35))
        paint = scene.paint(paints.wall)
    elif kind == "fence":
        template = fence(scene.pick(("rails", "pickets", "mesh")), scene.pick((1.4, 1.8, 2.2)))
        paint = scene.paint(paints.fence)
    else:
        template, paint = hedge(scene.pick((1.0, 1.5, 2.0))), scene.paint(paints.leaf, 0.15)
    slot = 1 if kind == "hedge" else 3
    for middle in np.arange(y[0] + 1, y[1] - 0.99, 2.0):
        scene.add(placed(template, x, middle, KERB, paints=[paint] * slot))


def _house(scene: Scene, side: int, x: float, y: float, width: float) -> None:
    """A house whose front is at ``x``, and the shade that it throws towards the street."""
    house = random_house(scene.rng, scene.domain, width, y < _FINE_UNTIL)
    made = building(scene.rng, house)
    scene.add(placed(made, side * x, y, 0.0, yaw=-side * math.pi / 2))
    toward_street = scene.sun[0] * side
    if toward_street > 0.15 and scene.sun_strength > 0.4:
        flat = scene.sun[:2] / max(scene.sun[2], 0.2) * min(house.height, 16.0)
        low, high = y - width / 2, y + width / 2
        front, tip = side * x, side * x - flat[0]
        corners = np.array([(front, low, 0), (front, high, 0), (tip, high - flat[1], 0), (tip, low - flat[1], 0)])
        corners[:, 2] = KERB + 0.02
        scene.add(quads(corners, 0.0, drawn=Pass.SHADOW, level=5, alpha=scene.shadow * 0.85, double=True))


def _garden(
    scene: Scene, street: Street, side: int, x: tuple[float, float], y: tuple[float, float], green: bool
) -> None:
    """The ground of a lot between the sidewalk and the house."""
    paints = scene.domain.paints
    span = tuple(sorted((side * x[0], side * x[1])))
    if green:
        scene.add(strip(span, y, KERB, scene.paint(paints.grass), "grass", "terrain"))
    else:
        scene.add(strip(span, y, KERB, scene.paint(paints.paving), paints.paving_texture, "sidewalk"))


def _lot(scene: Scene, street: Street, side: int, y: float, width: float, boundary: str | None) -> None:
    layout, edge = scene.domain.layout, street.edge_x
    span = (y - width / 2, y + width / 2)
    if boundary is None and scene.chance(layout.park_chance):
        boundary = scene.pick(("fence", "wall", "hedge", "none"))
        park = True
    else:
        park = boundary is not None and scene.chance(0.45)
    setback = scene.uniform(layout.setback)
    if boundary is None:
        setback = 0.0 if setback < 1.0 else setback
        boundary = scene.pick(("fence", "wall", "hedge", "none")) if setback > 2.0 and scene.chance(0.6) else "none"
    elif not park:
        setback = max(setback, scene.uniform((2.5, 7.0)))
    reach = 26.0 if park else setback
    if reach > 0:
        _garden(scene, street, side, (edge, edge + reach), span, park or scene.chance(0.6))
    if boundary != "none":
        _boundary(scene, boundary, side * (edge + 0.25), span)
    if park:
        for _ in range(int(scene.rng.integers(2, 5))):
            plant_tree(scene, side * (edge + scene.uniform((2.5, 14))), scene.uniform(span))
    else:
        _house(scene, side, edge + setback, y, width)
        if setback > 2.5 and scene.chance(0.6):
            plant_tree(scene, side * (edge + setback * 0.5), scene.uniform(span))
    if reach > 2.0:
        for _ in range(int(scene.rng.integers(0, 4))):
            spot = side * (edge + scene.uniform((0.9, max(1.0, min(reach, 4.0)))))
            scene.add(
                placed(
                    bush(int(scene.rng.integers(4))),
                    spot,
                    scene.uniform(span),
                    KERB,
                    scale=scene.uniform((0.7, 1.5)),
                    paints=[scene.paint(scene.domain.paints.leaf)],
                )
            )


def build(scene: Scene, street: Street, wanted: list[str]) -> None:
    """Lots on both sides; ``wanted`` boundaries ("wall", "fence") come where the camera sees them well."""
    wanted = list(wanted)
    scene.rng.shuffle(wanted)
    for side in (-1, 1):
        y = scene.uniform((-14, -2))
        near = scene.nearest_visible(side * street.edge_x, -2.0)
        while y < _LAST:
            width = scene.uniform(scene.domain.layout.lot_width) * (1.6 if y > 90 else 1.0)
            if street.crossing and y + width > street.crossing[0] and y < street.crossing[1]:
                gap = street.crossing[0] - y
                if gap < 7.0:
                    y = street.crossing[1]
                    continue
                width = gap
            boundary = None
            if wanted and y + width > near + 3.0 and y < near + 16.0 and scene.chance(0.75):
                boundary = wanted.pop()
            if y + width > near:
                _lot(scene, street, side, y + width / 2, width, boundary)
            y += width + (scene.uniform((1.0, 5.0)) if scene.chance(0.25) else 0.0)


def close_view(scene: Scene, street: Street) -> None:
    """What stands at the far end: a row of houses across, a wood, or nothing; behind it perhaps hills."""
    if scene.domain.layout.hill_chance and scene.chance(scene.domain.layout.hill_chance):
        for x in scene.rng.uniform(-170, 170, 5):
            size = scene.uniform((0.7, 1.5))
            leaf = scene.paint(scene.domain.paints.leaf)
            scene.add(placed(hill(int(scene.rng.integers(4))), x, scene.uniform((285, 320)), -3.0, scale=size,
                             paints=[leaf]))  # fmt: skip
    kind = scene.rng.random()
    if kind < 0.45:
        x = -70.0
        while x < 70:
            width = scene.uniform((14, 26))
            house = random_house(scene.rng, scene.domain, width, False)
            scene.add(placed(building(scene.rng, house), x, 225.0, 0.0))
            x += width
    elif kind < 0.85:
        for x in np.arange(-45, 46, 5.0):
            scene.add(
                placed(
                    tree(int(scene.rng.integers(TREE_SHAPES)), False),
                    x + scene.uniform((-2, 2)),
                    210.0,
                    -0.5,
                    scale=scene.uniform((1.2, 2.0)),
                    paints=[scene.paint(scene.domain.paints.leaf)],
                )
            )
