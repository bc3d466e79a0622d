"""Single images as every row of a table sees them, for the page that shows a run: pictures inside a JSON file."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from segadapt.core.job import Job
from segadapt.core.progress import progress
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import Evaluation, predict_labels
from segadapt.evaluation.cached import opened
from segadapt.labels import CLASS_SETS
from segadapt.models.compute import set_up_compute

WIDEST = 768
"""Pixels; wider pictures are shrunk."""


def draw(job: Job) -> dict[str, bytes]:
    """The images on which the models' scores differ most, that one first, with what each model predicts."""
    models = job.config["models"]
    first = next(iter(models.values()))
    source = PackedCache(Path(job.input("source")))
    target = PackedCache(Path(job.input("labelled")), first["model"]["classes"])
    scores = {key: _scores(Path(job.input("confusion", row=key)), job.config["evaluation_size"]) for key in models}
    places = {target.name(index): index for index in range(len(target))}
    names = most_different(scores, job.config["images"])
    found = []
    for number, name in enumerate(names):
        index = places[name]
        found.append(
            {
                "name": name,
                "source": photograph(source.image(number % len(source))),
                "target": photograph(target.image(index)),
                "truth": label_map(target.native_label(index)),
                "predictions": {},
                "scores": {key: round(100 * each[name], 1) for key, each in scores.items() if each[name] is not None},
            }
        )
    for key, config in progress(models.items(), job.name, len(models), "model"):
        compute = set_up_compute(config["precision"], config["cpu_threads"])
        files = [Path(each.path) for each in job.read("model", row=key)]
        _, views = opened(files, config, compute, {"flip": False, "heads": False})
        for name, each in zip(names, found, strict=True):
            size = target.native_label(places[name]).shape
            (view,) = views(target.image(places[name]))
            label_HW = predict_labels(view.scores_1CHW if view.aligned else view.at(size), size)[0].cpu().numpy()
            each["predictions"][key] = label_map(label_HW)
    return {"pictures": gallery_file(job.config["title"], first["model"]["classes"], models, found, len(target))}


def gallery_file(title: str, classes: str, models: dict[str, Any], images: list[dict[str, Any]], of: int) -> bytes:
    """The JSON file; ``title`` says which data it is, ``of`` how many images there were to choose from."""
    known, rows = CLASS_SETS[classes], [{"key": key, "title": each["title"]} for key, each in models.items()]
    palette = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in known.palette]
    content = {"title": title, "classes": list(known.classes), "palette": palette, "rows": rows, "of": of}
    content["images"] = images
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def most_different(scores: dict[str, dict[str, float | None]], count: int) -> list[str]:
    """The names of the ``count`` images whose scores, by row, lie farthest apart; of equal ones the earlier first."""
    names = list(next(iter(scores.values())))

    def spread(name: str) -> float:
        known = [each[name] for each in scores.values() if each.get(name) is not None]
        return max(known) - min(known) if known else 0.0

    return sorted(names, key=spread, reverse=True)[:count]


def photograph(image_HWC: numpy.ndarray) -> str:
    """A JPEG as a data URI."""
    image = Image.fromarray(numpy.asarray(image_HWC))
    image.thumbnail((WIDEST, image.height), Image.Resampling.LANCZOS)
    return _data_uri(image, "jpeg", quality=88)


def label_map(label_HW: numpy.ndarray) -> str:
    """A grey PNG whose values are train ids, as a data URI."""
    image = Image.fromarray(numpy.asarray(label_HW, numpy.uint8))
    # A mixture of two ids would be a third one.
    image.thumbnail((WIDEST, image.height), Image.Resampling.NEAREST)
    return _data_uri(image, "png", optimize=True)


def _data_uri(image: Image.Image, kind: str, **how: Any) -> str:
    file = io.BytesIO()
    image.save(file, format=kind.upper(), **how)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _scores(confusion: Path, size: str) -> dict[str, float | None]:
    """Image to its own mIoU; None where nothing is labelled."""
    found = Evaluation.load(confusion)
    score_N = found.reduction.of_each(found.of_images(size))
    values = [None if numpy.isnan(score) else float(score) for score in score_N]
    return dict(zip(found.image_names, values, strict=True))
