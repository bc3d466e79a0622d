"""Composes a whole scene: plan, light, camera, and which rare things it must show."""

import math

import numpy as np

from segadapt.data.streets import actors, lots
from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.domains import Domain
from segadapt.data.streets.ground import Street, lay, random_street
from segadapt.data.streets.scene import Scene
from segadapt.data.streets.shapes import Pass
from segadapt.labels import MOVING

_SHIFT, _TURN = 0.06, 0.25
"""Metres and degrees (one sigma) by which a camera that comes back misses where it stood."""


def _set_light(scene: Scene) -> None:
    light = scene.domain.light
    elevation, azimuth = math.radians(scene.uniform(light.elevation_degrees)), scene.uniform((0, 2 * math.pi))
    flat = math.cos(elevation)
    scene.sun = np.array([math.sin(azimuth) * flat, math.cos(azimuth) * flat, math.sin(elevation)])
    scene.sun_strength = scene.uniform(light.sun)
    scene.ambient = scene.uniform(light.ambient)
    scene.shadow = scene.uniform(light.shadow)


def _fill(scene: Scene, street: Street, wanted: set[str], camera_lane: int) -> None:
    """Everything that moves."""
    for kind in ("rider", "motor", "bike"):
        if kind in wanted:
            fewest, most = scene.domain.traffic.rides.get(kind, (1, 2))
            for _ in range(int(scene.rng.integers(fewest, most + 1))):
                actors.ride(scene, street, kind, 3.5 if most < 3 else 10.0)
    large = [name for name in ("train", "bus", "truck") if name in wanted]
    actors.drive(scene, street, large, camera_lane)
    actors.park(scene, street)
    actors.walk(scene, street)


def _moves(piece: np.ndarray) -> bool:
    is_shadow = (piece["drawn"] == Pass.SHADOW).all()
    return bool(is_shadow or np.isin(piece["label"], [NUMBER[name] for name in MOVING]).any())


def _fill_later(scene: Scene, street: Street, camera_lane: int, start: int, later: np.random.Generator) -> None:
    """Other things in place of all that moves among the pieces from ``start`` on; rails stay, or there are none."""
    stays = [piece for piece in scene.pieces[start:] if not _moves(piece)]
    del scene.pieces[start:]
    own, scene.rng, scene.taken = scene.rng, later, []
    wanted = {name for name, chance in scene.domain.traffic.chance.items() if scene.chance(chance)}
    _fill(scene, street, wanted if stays else wanted - {"train"}, camera_lane)
    scene.pieces[start:] = stays + [piece for piece in scene.pieces[start:] if _moves(piece)]
    scene.rng = own


def compose(domain: Domain, rng: np.random.Generator, later: np.random.Generator | None = None) -> Scene:
    """A scene of ``domain`` that depends on nothing but the state of ``rng``.

    With ``later`` the same place at another time: its light, what moves and where exactly the camera stands are that
    generator's, and the scene is left with it.
    """
    scene = Scene(domain, rng)
    _set_light(scene)
    if later is not None:
        scene.rng = later
        _set_light(scene)
        scene.rng = rng
    street = random_street(scene)
    camera_lane = int(scene.rng.integers(street.lanes))
    view = domain.view
    scene.fov, scene.pitch = scene.uniform(view.fov), scene.uniform(view.pitch)
    scene.yaw = float(scene.rng.normal(0, view.yaw_spread))
    scene.camera = (
        (camera_lane + 0.5) * street.lane + scene.rng.normal(0, view.offset),
        0.0,
        scene.uniform(view.height),
    )
    wanted = {name for name, chance in domain.traffic.chance.items() if scene.chance(chance)}
    lay(scene, street)
    boundaries = [name for name in ("wall", "fence") if name in wanted]
    lots.build(scene, street, boundaries * int(scene.rng.integers(1, 3)))
    lots.close_view(scene, street)
    start = len(scene.pieces)
    _fill(scene, street, wanted, camera_lane)
    if later is not None:
        _fill_later(scene, street, camera_lane, start, later)
    actors.furnish(scene, street, wanted)
    if later is not None:
        scene.rng = later
        scene.camera = tuple(np.add(scene.camera, later.normal(0, _SHIFT, 3)))
        scene.yaw += float(later.normal(0, _TURN))
    return scene
