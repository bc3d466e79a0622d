"""One picture and its label from (domain, seed, index)."""

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.streets.classes import LABEL_ID
from segadapt.data.streets.domains import domain_of
from segadapt.data.streets.engine import renderer_of
from segadapt.data.streets.layout import compose
from segadapt.data.streets.lens import develop_sky, sky_picture, take_picture
from segadapt.data.streets.light import vertices

SMALLEST_SIZE = 16


def check_size(size: tuple[int, int]) -> None:
    """UserError if a picture of that (width, height) would be too small to show anything."""
    if min(size) < SMALLEST_SIZE:
        raise UserError(
            f"size {tuple(size)} of the built-in streets is too small: use at least {SMALLEST_SIZE} pixels a side"
        )


def render_scene(
    domain: str, seed: int, index: int, size: tuple[int, int], moment: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Renders scene ``index`` in this process.

    The bytes depend on the arguments alone, not on what this process rendered before.

    Args:
        domain: a key of ``DOMAINS``.
        seed: non-negative seed of the whole data set.
        index: non-negative number of the scene.
        size: (width, height) in pixels.
        moment: another time at the same place has other light, traffic and people.

    Returns:
        image_HWC uint8 RGB and label_HW uint8 of Cityscapes label ids (19 classes, nothing else).

    Raises:
        UserError: unknown domain, impossible size, or panda3d is not installed.
    """
    kind = domain_of(domain).at(index)
    check_size(size)
    later = np.random.default_rng([seed, kind.number, index, moment]) if moment else None
    scene = compose(kind, np.random.default_rng([seed, kind.number, index]), later)
    light = kind.light
    horizon = np.asarray(scene.pick(light.horizon))
    zenith, cloud = np.asarray(scene.pick(light.zenith)), scene.uniform(light.cloud)
    batches, shadow, label_mesh = vertices(scene, scene.uniform(light.haze), horizon, size[1] / size[0])
    drawn, number_HW = renderer_of((int(size[0]), int(size[1]))).render(batches, shadow, label_mesh, scene.fov)
    sky = sky_picture(scene, size, horizon, zenith, cloud)
    return take_picture(develop_sky(drawn, sky), scene), LABEL_ID[number_HW]
