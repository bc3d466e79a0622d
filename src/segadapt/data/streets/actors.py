"""Traffic, people and street furniture, put where the camera sees them."""

import math

import numpy as np

from segadapt.data.streets import people, vehicles
from segadapt.data.streets.furniture import SIGN_SHAPES, bollard, gantry_sign, lamp, sign, traffic_light, wires
from segadapt.data.streets.ground import KERB, Street, rails
from segadapt.data.streets.lots import plant_tree
from segadapt.data.streets.scene import Scene
from segadapt.data.streets.shapes import placed

_SKIN = ((0.86, 0.66, 0.54), (0.72, 0.52, 0.40), (0.45, 0.30, 0.22), (0.92, 0.74, 0.64))
_HAIR = ((0.10, 0.08, 0.07), (0.28, 0.18, 0.10), (0.62, 0.48, 0.28), (0.50, 0.50, 0.50))
_FRAME = ((0.10, 0.10, 0.11), (0.55, 0.12, 0.12), (0.14, 0.24, 0.48), (0.62, 0.62, 0.62), (0.16, 0.38, 0.26))
_HALF_LENGTH = {"car": 2.35, "truck": 4.25, "bus": 5.5, "train": 10.4}


def _vehicle(scene: Scene, kind: str, x: float, y: float, yaw: float) -> None:
    """Puts a vehicle whose middle is at (x, y) with its contact shadow."""
    paints = scene.domain.paints
    if kind == "car":
        game = scene.domain.layout.yellow_centre
        weights = (0.30, 0.10, 0.06, 0.26, 0.08, 0.20) if game else (0.22, 0.28, 0.24, 0.14, 0.12, 0.0)
        name = str(scene.rng.choice(vehicles.CAR_KINDS, p=weights))
        template, colours, height = vehicles.car(name), [scene.paint(paints.car)], 1.5
    elif kind == "truck":
        template, height = vehicles.truck(), 3.4
        colours = [scene.paint(paints.truck), scene.paint(paints.truck if scene.chance(0.5) else ((0.88, 0.88, 0.86),))]
    elif kind == "bus":
        template, height = vehicles.bus(), 3.0
        colours = [scene.paint(paints.bus), scene.rng.uniform(0.1, 0.7, 3)]
    else:
        template, height = vehicles.train(), 3.3
        colours = [scene.paint(paints.train), scene.rng.uniform(0.15, 0.6, 3)]
    scene.add(placed(template, x, y, 0.0, yaw=yaw, paints=colours))
    half_x = 0.9 if kind == "car" else 1.2
    scene.contact_shadow(x, y, half_x, _HALF_LENGTH[kind] - 0.05, yaw, height)


def drive(scene: Scene, street: Street, wanted: list[str], camera_lane: int) -> None:
    """Fills the lanes: ``wanted`` large vehicles first and near, then cars at the domain's gaps."""
    lanes = [(side, number) for side in (-1, 1) for number in range(street.lanes)]
    queue = {lane: [] for lane in lanes}
    for kind in wanted:
        options = [lane for lane in lanes if kind != "train" or lane[1] == 0]
        options.sort(key=lambda lane: (len(queue[lane]), scene.rng.random()))
        queue[options[0]].append(kind)
    if "train" in wanted or scene.chance(0.12):
        for side in (-1, 1):
            rails(scene, side * street.lane * 0.5)
    for side, number in lanes:
        x, yaw = side * (number + 0.5) * street.lane, 0.0 if side > 0 else math.pi
        own = side > 0 and number == camera_lane
        y = scene.uniform((9, 15)) if own else scene.nearest_visible(x, scene.uniform((-1.5, 6)))
        wait = list(queue[(side, number)])
        while y < 130:
            kind = wait.pop(0) if wait else "car"
            half = _HALF_LENGTH[kind]
            spot = x + scene.rng.normal(0, 0.08)
            if scene.claim(spot, y + half, 1.2, half + 0.3):
                _vehicle(scene, kind, spot, y + half, yaw)
            y += 2 * half + scene.uniform(scene.domain.layout.traffic_gap) * (0.5 if wait else 1.0)


def park(scene: Scene, street: Street) -> None:
    """Cars in the parking lanes."""
    if street.parking < 1:
        return
    for side in (-1, 1):
        x, y = side * (street.kerb_x - 1.1), scene.nearest_visible(street.kerb_x, -4.0)
        while y < 110:
            beside = street.crossing is not None and street.crossing[0] - 5 < y + 2.4 < street.crossing[1] + 5
            if scene.chance(0.7) and not beside and scene.claim(x, y + 2.4, 0.95, 2.4):
                _vehicle(scene, "car", x, y + 2.4, 0.0 if side > 0 or scene.chance(0.3) else math.pi)
            y += 5.3


def _clothes(scene: Scene) -> list[np.ndarray]:
    paints = scene.domain.paints
    trousers = scene.paint(((0.12, 0.14, 0.22), (0.16, 0.15, 0.15), (0.36, 0.32, 0.26), (0.20, 0.26, 0.40)))
    return [scene.paint(paints.cloth, 0.15), trousers, scene.paint(_SKIN), scene.paint(_HAIR), scene.paint(_FRAME)]


def walk(scene: Scene, street: Street) -> None:
    """Pedestrians on the sidewalks, some of them in groups, a few on the road."""
    fewest, most = scene.domain.traffic.pedestrians
    for _ in range(int(scene.rng.integers(fewest, most + 1))):
        crossing = scene.chance(0.18)
        side = scene.pick((-1, 1))
        x = scene.uniform((-street.kerb_x, street.kerb_x)) if crossing else side * scene.uniform(
            (street.walk_x + 0.4, street.edge_x - 0.3))  # fmt: skip
        near = max(7.0 if crossing else 4.5, scene.nearest_visible(x, 0.4))
        y = near + scene.rng.exponential(9.0)
        for _ in range(int(scene.rng.choice((1, 1, 2, 3)))):
            if scene.claim(x, y, 0.35, 0.35):
                template = people.person(float(scene.pick((0.0, 0.35, 0.6))), scene.chance(0.3))
                yaw = scene.pick((0.0, math.pi)) + scene.rng.normal(0, 0.4) + (math.pi / 2 if crossing else 0.0)
                size, z = scene.uniform((0.90, 1.08)), 0.0 if crossing else KERB
                scene.add(placed(template, x, y, z, yaw=yaw, scale=size, paints=_clothes(scene)))
                scene.contact_shadow(x, y, 0.15, 0.15, 0.0, 1.0)
            x, y = x + scene.uniform((-0.3, 0.7)), y + scene.uniform((0.3, 1.0))


def ride(scene: Scene, street: Street, kind: str, reach: float) -> None:
    """One ``rider`` on a bicycle, ``motor`` (ridden or parked) or parked ``bike``, some ``reach`` metres ahead."""
    ridden = kind == "rider" or (kind == "motor" and scene.chance(0.55))
    for _ in range(6):
        side = scene.pick((1, 1, -1))
        lane_edge = street.lane * street.lanes
        if ridden:
            x = side * (lane_edge - scene.uniform((0.4, street.lane * 0.75)))
            yaw = (0.0 if side > 0 else math.pi) + scene.rng.normal(0, 0.12)
        else:
            inner = 0.6 if kind == "bike" else (-0.9 if street.parking > 1 else 0.5)
            x = side * (street.kerb_x + street.verge + inner)
            yaw = scene.pick((math.pi / 2, -math.pi / 2, 0.7, 2.4, 0.2)) + scene.rng.normal(0, 0.2)
        y = max(5.5, scene.nearest_visible(x, 0.8)) + scene.rng.exponential(reach)
        if scene.claim(x, y, 0.45, 0.95):
            break
    else:
        return
    pedal = float(scene.pick((-1.0, -0.4, 0.4, 1.0)))
    template = {
        "rider": lambda: people.cyclist(pedal),
        "motor": people.motorcyclist if ridden else people.motorbike,
        "bike": people.bicycle,
    }[kind]()
    z = 0.0 if abs(x) < street.kerb_x else KERB
    scene.add(placed(template, x, y, z, yaw=yaw, paints=_clothes(scene)))
    scene.contact_shadow(x, y, 0.12, 0.7, yaw, 1.0)


def furnish(scene: Scene, street: Street, wanted: set[str]) -> None:
    """Lamps, trees along the kerb, signs, traffic lights and bollards."""
    layout, paints = scene.domain.layout, scene.domain.paints
    pole = scene.paint(paints.pole)
    roadside = street.kerb_x + (street.verge * 0.5 if street.verge else 0.55)

    def open_ground(y: float) -> bool:
        return street.crossing is None or not street.crossing[0] - 1 < y < street.crossing[1] + 1

    for side in (-1, 1):
        trees, gap = scene.chance(0.6), scene.uniform(layout.tree_spacing)
        for y in np.arange(scene.uniform((4, 14)), 110, gap):
            if trees and open_ground(y):
                plant_tree(scene, side * roadside, y + scene.rng.normal(0, 0.6))
        for y in np.arange(scene.uniform((3, 20)), 120, scene.uniform(layout.lamp_spacing)):
            if open_ground(y):
                scene.add(
                    placed(lamp(), side * (roadside - 0.1), y, KERB, yaw=0.0 if side > 0 else math.pi, paints=[pole])
                )
        if layout.wires:
            scene.add(placed(wires(), side * roadside, 0.0, KERB))
        if scene.chance(0.2):
            for y in np.arange(scene.nearest_visible(side * street.kerb_x), 45, 1.9):
                if open_ground(y):
                    scene.add(placed(bollard(), side * (street.kerb_x + 0.35), y, KERB, paints=[pole]))
        for _ in range(int(scene.rng.integers(1, 4)) if "sign" in wanted else 0):
            x = side * (street.kerb_x + scene.uniform((0.3, 0.8)))
            y = scene.nearest_visible(x, 1.0) + scene.rng.exponential(9.0)
            shape, face = scene.pick(SIGN_SHAPES), scene.paint(paints.sign)
            template = gantry_sign() if scene.chance(0.12) else sign(shape, float(scene.pick((1.7, 2.1))))
            if open_ground(y):
                scene.add(placed(template, x, y, KERB, yaw=scene.rng.normal(0, 0.12), paints=[pole, face]))
    if "light" in wanted:
        y = street.crossing[0] - 1.2 if street.crossing else scene.uniform((11, 26))
        lit, case = int(scene.rng.integers(3)), scene.paint(paints.light)
        for side in (-1, 1):
            overhead = layout.yellow_centre and side > 0
            template = traffic_light(lit, bool(overhead))
            for offset in (0.0, -5.0) if scene.chance(0.4) and y > 18 else (0.0,):
                scene.add(placed(template, side * (street.kerb_x + 0.45), y + offset, KERB, paints=[pole, case]))
