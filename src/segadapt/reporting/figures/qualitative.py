"""Scenes of both domains, the ground truth, and what the unadapted and each adapted model predict, side by side.

Label maps are shown in the colours of their classes, with a legend.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy
from PIL import Image, ImageDraw, ImageFont

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.progress import progress
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import predict_labels
from segadapt.labels import CLASS_SETS, IGNORE_INDEX, ClassSet
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import predictor

_INK, _SOFT, _WHITE, _LINE = (27, 36, 48), (91, 102, 117), (255, 255, 255), (213, 220, 229)
_MARGIN, _GAP = 24, 8


def draw(job: Job) -> dict[str, bytes]:
    """From the models of one seed to ``results/figures/qualitative*.png``; one model is held at a time."""
    models = job.config["models"]
    first = next(iter(models.values()))
    compute = set_up_compute(first["precision"], first["cpu_threads"])
    source = PackedCache(Path(job.input("source")))
    target = PackedCache(Path(job.input("labelled")), first["model"]["classes"])
    rows = []
    for index in job.config["images"]:
        target_index = index % len(target)
        rows.append([source.image(index % len(source)), target.image(target_index), target.native_label(target_index)])
    for key, config in progress(models.items(), job.name, len(models), "model"):
        predict = predictor(Path(job.input("model", row=key)), config, compute)
        for row in rows:
            row.append(predict_labels(predict(row[1]), row[2].shape)[0].cpu().numpy())
    titles = ["Source scene", "Target image", "Ground truth", *(each["title"] for each in models.values())]
    picture = io.BytesIO()
    panel(titles, rows, CLASS_SETS[first["model"]["classes"]], cell_width=256).save(picture, format="PNG")
    return {"picture": picture.getvalue()}


def colour_label(label_HW: numpy.ndarray, palette: Sequence[tuple[int, int, int]]) -> numpy.ndarray:
    """The label map in the colours of its classes, uint8 RGB (H, W, 3); ignored pixels are black.

    Raises:
        UserError: if a value is neither a class of the palette nor 255; it is named.
    """
    label_HW = numpy.asarray(label_HW)
    if label_HW.ndim != 2 or not numpy.issubdtype(label_HW.dtype, numpy.integer):
        raise UserError(f"a label map must be integers of shape (H, W), got {label_HW.dtype} of shape {label_HW.shape}")
    foreign = label_HW[(label_HW != IGNORE_INDEX) & ((label_HW < 0) | (label_HW >= len(palette)))]
    if foreign.size:
        raise UserError(f"label value {foreign[0]} has no colour in a palette of {len(palette)} classes")
    colours = numpy.zeros((IGNORE_INDEX + 1, 3), numpy.uint8)
    colours[: len(palette)] = palette
    return colours[label_HW]


def panel(
    columns: Sequence[str],
    rows: Sequence[Sequence[numpy.ndarray]],
    class_set: ClassSet,
    row_titles: Sequence[str] | None = None,
    cell_width: int = 384,
) -> Image.Image:
    """A white sheet with one row an image, one column a kind of picture, and a legend of the classes.

    Args:
        columns: Titles: "source scene", "before adaptation", "ground truth", say.
        rows: For every row one array a column: uint8 RGB (H, W, 3), shown as it is, or an integer
            label map (H, W), shown in the class set's colours. Each is fitted into its cell.
        class_set: Names and colours.
        row_titles: A caption under every row, or None.
        cell_width: Width of a cell in pixels; its height follows the first picture.

    Raises:
        UserError: if a row has not one picture a column, or there is nothing to show.
    """
    _check_grid(columns, rows, row_titles)
    height, width = rows[0][0].shape[:2]
    cell = (cell_width, max(1, round(cell_width * height / width)))
    title_font, small_font = _font(cell_width // 20, bold=True), _font(cell_width // 24)
    title_height, caption_height = 2 * title_font.size, 2 * small_font.size if row_titles else 0
    total = (2 * _MARGIN + len(columns) * (cell[0] + _GAP) - _GAP, 0)
    legend = _legend(class_set, total[0] - 2 * _MARGIN, small_font)
    body = len(rows) * (cell[1] + caption_height + _GAP)
    sheet = Image.new("RGB", (total[0], 2 * _MARGIN + title_height + body + _GAP + legend.height), _WHITE)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(columns):
        centre = _MARGIN + column * (cell[0] + _GAP) + cell[0] // 2
        draw.text((centre, _MARGIN + title_height // 2), _fit(title, title_font, cell[0]), _INK, title_font, "mm")
    for index, row in enumerate(rows):
        top = _MARGIN + title_height + index * (cell[1] + caption_height + _GAP)
        for column, picture in enumerate(row):
            left = _MARGIN + column * (cell[0] + _GAP)
            sheet.paste(_fitted(picture, class_set, cell), (left, top))
        if row_titles:
            caption = _fit(row_titles[index], small_font, total[0] - 2 * _MARGIN)
            draw.text((_MARGIN, top + cell[1] + caption_height // 2), caption, _SOFT, small_font, "lm")
    sheet.paste(legend, (_MARGIN, sheet.height - _MARGIN - legend.height))
    return sheet


def legend(class_set: ClassSet, width: int = 720) -> Image.Image:
    """A white sheet, ``width`` pixels wide, with the colour and the name of every class."""
    body = _legend(class_set, width - 2 * _MARGIN, _font(16))
    sheet = Image.new("RGB", (width, body.height + 2 * _MARGIN), _WHITE)
    sheet.paste(body, (_MARGIN, _MARGIN))
    return sheet


def _check_grid(
    columns: Sequence[str], rows: Sequence[Sequence[numpy.ndarray]], row_titles: Sequence[str] | None
) -> None:
    if not columns or not rows:
        raise UserError("a picture needs at least one row and one column")
    for index, row in enumerate(rows):
        if len(row) != len(columns):
            raise UserError(f"row {index} of the picture has {len(row)} pictures for {len(columns)} columns")
    if row_titles is not None and len(row_titles) != len(rows):
        raise UserError(f"{len(row_titles)} captions were given for {len(rows)} rows of the picture")


def _fitted(picture: numpy.ndarray, class_set: ClassSet, cell: tuple[int, int]) -> Image.Image:
    """The picture at the largest size that fits the cell, centred on white."""
    label = picture.ndim == 2
    if not label and (picture.dtype != numpy.uint8 or picture.shape[2:] != (3,)):
        raise UserError(f"a picture must be uint8 RGB (H, W, 3), got {picture.dtype} of shape {picture.shape}")
    image = Image.fromarray(colour_label(picture, class_set.palette) if label else picture)
    scale = min(cell[0] / image.width, cell[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # A mixture of two class colours would be a third class's colour or none.
    image = image.resize(size, Image.Resampling.NEAREST if label else Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", cell, _WHITE)
    sheet.paste(image, ((cell[0] - size[0]) // 2, (cell[1] - size[1]) // 2))
    return sheet


def _legend(class_set: ClassSet, width: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Swatches with names, in as many lines as the width asks for; "ignored" comes last, in black."""
    entries = [*zip(class_set.classes, class_set.palette, strict=True), ("ignored", (0, 0, 0))]
    swatch, line = font.size, 2 * font.size
    step = max(round(font.getlength(name)) for name, _ in entries) + swatch + 2 * font.size
    a_line = max(1, width // step)
    lines = -(-len(entries) // a_line)
    a_line = -(-len(entries) // lines)
    step = width // a_line
    sheet = Image.new("RGB", (width, lines * line), _WHITE)
    draw = ImageDraw.Draw(sheet)
    for index, (name, colour) in enumerate(entries):
        left, middle = index % a_line * step, index // a_line * line + line // 2
        box = (left, middle - swatch // 2, left + swatch, middle + swatch // 2)
        draw.rectangle(box, fill=colour, outline=_LINE)
        draw.text((left + swatch + font.size // 2, middle), name, _INK, font, "lm")
    return sheet


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    shown = text
    while len(shown) > 1 and font.getlength(shown) > width:
        text = text[:-1]
        shown = text.rstrip() + ".."
    return shown


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    # matplotlib ships DejaVu, which has the Greek letters of method names; Pillow's own font has not.
    file = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file, max(9, size))
