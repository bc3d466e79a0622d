"""From drawn colours to a taken picture: sky, lens, exposure and sensor of a domain."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image

from segadapt.data.streets.domains import Sensor
from segadapt.data.streets.engine import SKY_KEY, SUPERSAMPLING
from segadapt.data.streets.scene import Scene

_CLOUD_SIDE = 256


@lru_cache(maxsize=1)
def _cloud_field() -> np.ndarray:
    """Smooth periodic noise (256,256) float32 in 0..1."""
    rng = np.random.default_rng(77)
    total = np.zeros((_CLOUD_SIDE, _CLOUD_SIDE))
    for octave in range(5):
        cells = 4 * 2**octave
        coarse = np.pad(rng.standard_normal((cells, cells)), 1, mode="wrap").astype(np.float32)
        step = _CLOUD_SIDE // cells
        fine = Image.fromarray(coarse).resize(((cells + 2) * step,) * 2, Image.Resampling.BICUBIC)
        total += np.asarray(fine)[step:-step, step:-step] * 0.55**octave
    low, high = np.percentile(total, (2, 98))
    return np.clip((total - low) / (high - low), 0, 1).astype(np.float32)


def sky_picture(
    scene: Scene, size: tuple[int, int], horizon: np.ndarray, zenith: np.ndarray, cloud: float
) -> np.ndarray:
    """The sky behind a scene, (H,W,3) float32 in 0..1."""
    width, height = size
    focal = width / 2 / math.tan(math.radians(scene.fov / 2))
    rows = np.arctan((height / 2 - np.arange(height) - 0.5) / focal) + math.radians(scene.pitch)
    rise = np.clip(rows / math.radians(32), 0, 1).astype(np.float32)[:, None]
    clear = horizon + (zenith - horizon) * rise[..., None] ** 0.75
    plane = 1.0 / (rise + 0.12)
    across = (np.arange(width) / width - 0.5)[None] * 60 * plane + scene.rng.uniform(0, _CLOUD_SIDE)
    along = plane * 34 + scene.rng.uniform(0, _CLOUD_SIDE)
    field = _cloud_field()[(along.astype(np.int64) % _CLOUD_SIDE), (across.astype(np.int64) % _CLOUD_SIDE)]
    cover = np.clip((field - (1 - cloud) * 0.75) / 0.35, 0, 1)[..., None] * np.clip(rise * 4, 0, 1)[..., None]
    bright = (0.86 + 0.14 * field)[..., None] * np.float32(1.0)
    return (clear + (bright - clear) * cover * 0.85).astype(np.float32)


def develop_sky(drawn: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """Averages the supersampled picture (2H,2W,3) and fills its key colour with ``sky``; (H,W,3) float32 0..1."""
    empty = (drawn[..., 0] == SKY_KEY[0]) & (drawn[..., 1] == SKY_KEY[1]) & (drawn[..., 2] == SKY_KEY[2])
    solid = drawn * ~empty[..., None]
    total = np.zeros(sky.shape, np.uint16)
    share = np.zeros(sky.shape[:2], np.uint8)
    for row in range(SUPERSAMPLING):
        for column in range(SUPERSAMPLING):
            total += solid[row::SUPERSAMPLING, column::SUPERSAMPLING]
            share += empty[row::SUPERSAMPLING, column::SUPERSAMPLING]
    count = SUPERSAMPLING**2
    return total / np.float32(255 * count) + sky * (share / np.float32(count))[..., None]


def _blur(picture: np.ndarray, side_weight: float) -> np.ndarray:
    """Separable three-tap blur with ``side_weight`` on either neighbour."""
    for axis in (0, 1):
        padded = np.concatenate([picture.take([0], axis), picture, picture.take([-1], axis)], axis)
        middle = [slice(None)] * 3
        before, after = list(middle), list(middle)
        before[axis], after[axis] = slice(0, -2), slice(2, None)
        picture = picture * np.float32(1 - 2 * side_weight) + (
            padded[tuple(before)] + padded[tuple(after)]
        ) * np.float32(side_weight)
    return picture


def _radially_scaled(channel: np.ndarray, factor: float) -> np.ndarray:
    """One colour plane magnified about its centre by ``factor``."""
    height, width = channel.shape
    shift_x, shift_y = width / 2 * (1 - factor), height / 2 * (1 - factor)
    plane = Image.fromarray(np.ascontiguousarray(channel))
    data = (factor, 0, shift_x, 0, factor, shift_y)
    return np.asarray(plane.transform(plane.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))


def take_picture(picture: np.ndarray, scene: Scene) -> np.ndarray:
    """Passes a linear picture (H,W,3) float32 through the domain's lens and sensor; uint8."""
    sensor: Sensor = scene.domain.sensor
    rng, (height, width, _) = scene.rng, picture.shape
    blur = scene.uniform(sensor.blur)
    if blur > 0:
        picture = _blur(picture, blur)
    if sensor.chromatic:
        scale = sensor.chromatic * rng.uniform(0.5, 1.0)
        red, blue = _radially_scaled(picture[..., 0], 1 - scale), _radially_scaled(picture[..., 2], 1 + scale)
        border = np.stack([red, picture[..., 1], blue], 2)
        picture = np.where(border > 0, border, picture)
    y = ((np.arange(height) + 0.5) / height * 2 - 1)[:, None] * height / width
    x = ((np.arange(width) + 0.5) / width * 2 - 1)[None]
    fall_off = 1 - scene.uniform(sensor.vignette) * (x * x + y * y)
    balance = np.asarray(sensor.white_balance) * (1 + rng.normal(0, sensor.white_balance_spread, 3))
    gain = scene.uniform(sensor.exposure) * balance
    picture = picture * (fall_off[..., None] * gain).astype(np.float32)
    grey = picture.mean(2, keepdims=True)
    picture = grey + (picture - grey) * np.float32(scene.uniform(sensor.saturation))
    if sensor.glow:
        picture = picture + np.float32(sensor.glow) * np.clip(picture - 0.75, 0, 1) * (1.2 - picture)
    picture = np.clip(picture, 0, 1) ** np.float32(scene.uniform(sensor.gamma))
    picture = np.float32(sensor.black) + picture * np.float32(1 - sensor.black)
    shot, read = scene.uniform(sensor.shot_noise), scene.uniform(sensor.read_noise)
    spread = np.sqrt(np.float32(shot**2) * picture + np.float32(read**2))
    picture = picture + spread * rng.standard_normal(picture.shape, np.float32)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
