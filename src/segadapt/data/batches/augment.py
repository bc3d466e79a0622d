"""The paper's two augmentations and three stronger ones, drawn from a generator that belongs to one sample position."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from segadapt.data.batches.draws import draw
from segadapt.data.batches.windows import Window
from segadapt.labels import ONE_LABEL


@dataclass(frozen=True)
class Augmentation:
    """How much a training image may change.

    ``mirror`` and ``blur`` are probabilities; the paper's code uses 0.5 and 0.5 and neither of the others.
    ``colour`` in [0, 1] is the strength of random brightness, contrast, saturation and gamma: factors of
    [1/(1 + colour), 1 + colour], even in the logarithm. ``zoom`` of at least 1 is the largest factor by which
    a random part of the picture is magnified to full size. ``crop`` = (width, height) is the size of a random
    window that is cut out in the end; None keeps the whole picture.

    ``mining`` is the chance that the window is centred, as far as the picture's edges allow, on a random pixel of a
    rare class, where the label has one: of a random class among the first group of ``rare`` that has any there.
    """

    mirror: float
    blur: float
    colour: float = 0.0
    zoom: float = 1.0
    crop: tuple[int, int] | None = None
    mining: float = 0.0
    rare: tuple[tuple[int, ...], ...] = ()

    @property
    def only_mirrors_and_blurs(self) -> bool:
        """Whether ``Draws`` say all that happens to an image; mining does nothing without a crop."""
        return self.colour == 0 and self.zoom == 1 and self.crop is None


def augment(
    image_HWC: np.ndarray, label_HW: np.ndarray | None, random: np.random.Generator, how: Augmentation,
    window: Window | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """Mirror, zoom, colour, blur, crop, in this order; uint8 in, uint8 out. ``window`` says more of where the crop is.

    The blur is PIL's GaussianBlur with radius U[0, 1) on the image alone (MaxSquareLoss
    ``datasets/cityscapes_Dataset.py:_train_sync_transform``); zoom resizes the image by PIL's bicubic filter and
    the label by nearest. The same numbers are drawn whatever happens, so that no setting shifts another's draws.
    A label of one pixel is the class of the whole image and stays as it is.
    """
    if label_HW is not None and label_HW.shape == ONE_LABEL:
        return augment(image_HWC, None, random, how, window)[0], label_HW
    draws = draw(random, how.mirror, how.blur)
    draw_zoom, draw_left, draw_top = random.random(3)
    draw_colour = random.uniform(-1, 1, 4)
    draw_corner = random.random(2)
    draw_mining = random.random(3)
    if draws.mirror:
        image_HWC = image_HWC[:, ::-1]
        label_HW = None if label_HW is None else label_HW[:, ::-1]
    if not (draws.blur_radius is not None or how.zoom > 1 or how.colour > 0):
        return _cropped(image_HWC, label_HW, how, draw_corner, draw_mining, window)
    image = Image.fromarray(np.ascontiguousarray(image_HWC))
    if how.zoom > 1:
        box = _window(image.size, 1 + draw_zoom * (how.zoom - 1), draw_left, draw_top)
        image = image.resize(image.size, Image.Resampling.BICUBIC, box)
        if label_HW is not None:
            label = Image.fromarray(np.ascontiguousarray(label_HW))
            label_HW = np.asarray(label.resize(label.size, Image.Resampling.NEAREST, box))
    if how.colour > 0:
        image = _recolour(image, (1 + how.colour) ** draw_colour)
    if draws.blur_radius is not None:
        image = image.filter(ImageFilter.GaussianBlur(draws.blur_radius))
    return _cropped(np.asarray(image), label_HW, how, draw_corner, draw_mining, window)


def _cropped(
    image_HWC: np.ndarray, label_HW: np.ndarray | None, how: Augmentation, corner: np.ndarray, mining: np.ndarray,
    rule: Window | None,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """The window whose place ``corner`` in [0, 1)² chooses among all there are, or ``rule``, or ``mining`` among rare
    pixels.
    """
    if how.crop is None:
        return image_HWC, label_HW
    height, width = image_HWC.shape[:2]
    free = np.array([width - how.crop[0], height - how.crop[1]])
    for place in [corner] if rule is None else rule.corners_T2:
        left, top = (place * (free + 1)).astype(int)
        inside = np.s_[top : top + how.crop[1], left : left + how.crop[0]]
        if rule is None or label_HW is None or rule.holds_enough(label_HW[inside]):
            break
    if label_HW is not None and mining[0] < how.mining:
        pixel = _rare_pixel(label_HW, how.rare, *mining[1:])
        if pixel is not None:
            left, top = np.clip(np.array(pixel) - np.array(how.crop) // 2, 0, free)
    window = np.s_[top : top + how.crop[1], left : left + how.crop[0]]
    return image_HWC[window], None if label_HW is None else label_HW[window]


def _rare_pixel(
    label_HW: np.ndarray, rare: tuple[tuple[int, ...], ...], draw_class: float, draw_pixel: float
) -> tuple[int, int] | None:
    """(x, y) of a pixel of the first group of classes that the label has any of; None if it has none of them."""
    there = np.bincount(label_HW.ravel(), minlength=256)
    for group in rare:
        present = [train_id for train_id in group if there[train_id]]
        if present:
            rows, columns = np.nonzero(label_HW == present[int(draw_class * len(present))])
            pixel = int(draw_pixel * rows.size)
            return int(columns[pixel]), int(rows[pixel])
    return None


def _window(size: tuple[int, int], zoom: float, left: float, top: float) -> tuple[float, float, float, float]:
    """The box of 1/zoom of a picture's width and height; ``left`` and ``top`` in [0, 1) place it."""
    (width, height), kept = size, 1 / zoom
    x, y = left * width * (1 - kept), top * height * (1 - kept)
    return x, y, min(x + width * kept, width), min(y + height * kept, height)


def _recolour(image: Image.Image, factors: np.ndarray) -> Image.Image:
    brightness, contrast, saturation, gamma = factors.tolist()
    image = ImageEnhance.Brightness(image).enhance(brightness)
    image = ImageEnhance.Contrast(image).enhance(contrast)
    image = ImageEnhance.Color(image).enhance(saturation)
    return image.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3)
