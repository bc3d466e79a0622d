"""A project in miniature for image classification: toy digits in two domains, trained for a few steps."""

from pathlib import Path

import tiny
import toy_digits

ROWS = ("source_only", "target_forwarded", "dann", "maxsquare_classifier")
TASKS = ("clean_to_camera", "camera_to_clean")


def parameters(rows: tuple[str, ...] = ROWS, seeds: tuple[int, ...] = (1, 2)) -> dict:
    """The tiny parameters with a classification of two domains and no segmentation."""
    found = tiny.tiny_parameters()
    preset = found["presets"]["tiny"]
    found["presets"] = {"tiny": preset}
    classification = tiny.shipped()["presets"]["streets"]["classification"]
    preset["datasets"] = {"digits": {"format": "office31", "root": "toy/digits"}}
    preset["caches"] = {
        domain: {"dataset": "digits", "split": domain, "size": "32x32", "classes": "digits10"}
        for domain in ("clean", "camera")
    }
    for key in ("model", "pretrain", "adapt", "refine", "joint", "oracle", "evaluate_on"):
        preset.pop(key, None)
    preset.pop("methods", None)
    schedule = {"steps": 4, "horizon": 4, "batch_size": 8, "snapshots": 1}
    classification["domains"] = {"clean": "clean", "camera": "camera"}
    classification["training"] |= schedule
    classification["easy_and_hard"]["training"] |= schedule
    preset["classification"] = classification
    preset["experiments"] = {}
    found["seeds"] = list(seeds)
    found["experiments"] = {"table1": {"task": "classification", "rows": list(rows), "published": 1}}
    return found


def make_project(folder: Path, **changes) -> Path:
    """A project with toy digits and nothing made."""
    tiny.make_project(folder, parameters(**changes))
    toy_digits.write_digits(folder / "toy" / "digits")
    return folder
