"""From world quads to vertices in camera axes: culling, sunlight, haze, and the two passes' colours."""

import math

import numpy as np

from segadapt.data.streets.engine import LABEL_VERTEX, VERTEX, label_code
from segadapt.data.streets.materials import MEAN_LEVEL, TILE_METRES
from segadapt.data.streets.scene import Scene
from segadapt.data.streets.shapes import Pass

_LEVEL_PULL = 0.0011
_BRIGHTEST = 253
"""Keeps every drawn colour apart from the renderer's key colour for sky."""


def _camera_axes(scene: Scene) -> np.ndarray:
    """Rotation (3,3) whose columns are the camera's right, forward and up in world axes."""
    yaw, pitch = math.radians(scene.yaw), math.radians(scene.pitch)
    forward = np.array([math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)])
    right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    return np.stack([right, forward, np.cross(right, forward)], 1).astype(np.float32)


def _seen(made: np.ndarray, scene: Scene, aspect: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The quads that can be seen, their corners in camera axes and their world normals (N,3)."""
    axes = _camera_axes(scene)
    relative = made["points"] - np.asarray(scene.camera, np.float32)
    view = sum(relative[..., k : k + 1] * axes[k] for k in range(3))
    slope = math.tan(math.radians(scene.fov / 2)) * 1.02
    depth = view[..., 1]
    left, right = (view[..., 0] < -slope * depth).all(1), (view[..., 0] > slope * depth).all(1)
    above, below = (view[..., 2] > slope * aspect * depth).all(1), (view[..., 2] < -slope * aspect * depth).all(1)
    kept = (depth.max(1) > 0.3) & ~left & ~right & ~above & ~below
    a, b = relative[:, 2] - relative[:, 0], relative[:, 3] - relative[:, 1]
    normal = np.cross(a, b)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    facing = np.einsum("ni,ni->n", normal, relative.mean(1)) < 0
    kept &= facing | made["double"] | (made["drawn"] == Pass.SHADOW)
    normal = np.where(facing[:, None], normal, -normal)
    return made[kept], view[kept], normal[kept]


def _shade(
    made: np.ndarray, view: np.ndarray, normal: np.ndarray, scene: Scene, haze: float, air: np.ndarray
) -> np.ndarray:
    """Colours (N,4,3), 0..1, after sun, sky light, gloss and haze."""
    light = scene.domain.light
    ambient = np.asarray(light.ambient_colour, np.float32) * scene.ambient
    sun = np.asarray(light.sun_colour, np.float32) * scene.sun_strength
    lambert = made["lambert"][:, None]
    direct = np.clip((normal * scene.sun.astype(np.float32)).sum(1), 0, 1)[:, None]
    sky_share = 0.80 + 0.20 * normal[:, 2:3]
    lit = lambert * (ambient * sky_share + sun * direct) + (1 - lambert) * (ambient + 0.45 * sun)
    gloss = made["gloss"][:, None] * np.clip(0.35 + 0.65 * normal[:, 2:3], 0, 1)
    colour = made["colour"] * lit[:, None] + (gloss * air)[:, None]
    distance = np.linalg.norm(view, axis=2)[..., None]
    clear = np.exp(-haze * distance)
    return colour * clear + air * (1 - clear)


def vertices(
    scene: Scene, haze: float, air: np.ndarray, aspect: float
) -> tuple[dict[int, np.ndarray], np.ndarray, np.ndarray]:
    """What the renderer draws: colour batches by texture, shadows, and the label mesh.

    Args:
        haze: extinction per metre.
        air: colour (3,) 0..1 that distance fades to.
        aspect: height over width of the picture.
    """
    made, view, normal = _seen(scene.quads(), scene, aspect)
    colour = _shade(made, view, normal, scene, haze, air.astype(np.float32))
    textured = (made["texture"] > 0)[:, None, None]
    colour = np.where(textured, colour / np.float32(MEAN_LEVEL), colour)
    pulled = view * (1 - _LEVEL_PULL * made["level"][:, None, None].astype(np.float32))
    every = np.zeros((len(made), 4), VERTEX)
    every["point"] = pulled
    every["colour"][..., :3] = np.clip(colour * 255, 0, _BRIGHTEST)
    every["colour"][..., 3] = 255
    every["uv"] = made["uv"] / TILE_METRES[made["texture"]][:, None, None]
    drawn = made["drawn"]
    shadow = every[drawn == Pass.SHADOW]
    shadow["colour"][..., :3] = (8, 10, 18)
    shadow["colour"][..., 3] = np.clip(made["alpha"][drawn == Pass.SHADOW] * 255, 0, 255)
    in_image = (drawn == Pass.BOTH) | (drawn == Pass.IMAGE)
    batches = {
        int(texture): every[in_image & (made["texture"] == texture)].reshape(-1)
        for texture in np.unique(made["texture"][in_image])
    }
    in_label = (drawn == Pass.BOTH) | (drawn == Pass.LABEL)
    label = np.zeros((int(in_label.sum()), 4), LABEL_VERTEX)
    label["point"] = pulled[in_label]
    label["colour"] = label_code(made["label"][in_label])[:, None, None]
    label["colour"][..., 3] = 255
    return batches, shadow.reshape(-1), label.reshape(-1)
