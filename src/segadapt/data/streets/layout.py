"""Composes a whole scene: plan, light, camera, and which rare things it must show."""

import math

import numpy as np

from segadapt.data.streets import actors, lots
from segadapt.data.streets.domains import Domain
from segadapt.data.streets.ground import lay, random_street
from segadapt.data.streets.scene import Scene


def _set_light(scene: Scene) -> None:
    light = scene.domain.light
    elevation, azimuth = math.radians(scene.uniform(light.elevation_degrees)), scene.uniform((0, 2 * math.pi))
    flat = math.cos(elevation)
    scene.sun = np.array([math.sin(azimuth) * flat, math.cos(azimuth) * flat, math.sin(elevation)])
    scene.sun_strength = scene.uniform(light.sun)
    scene.ambient = scene.uniform(light.ambient)
    scene.shadow = scene.uniform(light.shadow)


def compose(domain: Domain, rng: np.random.Generator) -> Scene:
    """A scene of ``domain`` that depends on nothing but the state of ``rng``."""
    scene = Scene(domain, rng)
    _set_light(scene)
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
    for kind in ("rider", "motor", "bike"):
        if kind in wanted:
            fewest, most = domain.traffic.rides.get(kind, (1, 2))
            for _ in range(int(scene.rng.integers(fewest, most + 1))):
                actors.ride(scene, street, kind, 3.5 if most < 3 else 10.0)
    large = [name for name in ("train", "bus", "truck") if name in wanted]
    actors.drive(scene, street, large, camera_lane)
    actors.park(scene, street)
    actors.walk(scene, street)
    actors.furnish(scene, street, wanted)
    return scene
