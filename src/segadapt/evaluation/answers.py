"""What a classifier said of every image of a domain, at the last step and at those on the way; numbers, no network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load, save

from segadapt.core.artifacts import write_bytes
from segadapt.core.errors import UserError
from segadapt.labels import ClassSet

LAST = "last"
_NAMES = "segadapt.classification"


@dataclass(frozen=True)
class Answers:
    """Of N images: class (int64) and probability (float32) of the likeliest class by step, and scores without labels.

    Steps are texts, ``LAST`` for the model of the last one. ``label_free`` has by step what asks for no label:
    ``mutual_information`` (nats; H of the mean prediction minus the mean H), ``mean_entropy`` (nats) and
    ``max_square``, as ``segadapt.evaluation.measures.label_free`` has them for pixels.
    """

    image_names: tuple[str, ...]
    label_N: numpy.ndarray
    prediction_N: dict[str, numpy.ndarray]
    confidence_N: dict[str, numpy.ndarray]
    label_free: dict[str, dict[str, float]]

    def correct(self, step: str = LAST) -> numpy.ndarray:
        """Whether each image's class is right, bool (N,)."""
        return self.prediction_N[step] == self.label_N

    def accuracy(self, step: str = LAST, of: numpy.ndarray | None = None) -> float:
        """The share of right answers in [0, 1], of all images or of those that ``of`` (indices) names."""
        correct_N = self.correct(step)
        return float((correct_N if of is None else correct_N[of]).mean())

    def with_step(self, step: int, snapshot: "Answers") -> "Answers":
        """With the answers of a snapshot of the same model on the same images, kept as that step's."""
        name, parts = str(step), ("prediction_N", "confidence_N", "label_free")
        return replace(self, **{part: getattr(self, part) | {name: getattr(snapshot, part)[LAST]} for part in parts})

    def save(self, path: Path) -> None:
        """Writes all of it as safetensors; equal answers give equal bytes."""
        tensors = {"label": self.label_N}
        for step, prediction_N in self.prediction_N.items():
            tensors |= {f"prediction {step}": prediction_N, f"confidence {step}": self.confidence_N[step]}
        about = {"image_names": list(self.image_names), "label_free": self.label_free}
        write_bytes(path, save(tensors, {_NAMES: json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> "Answers":
        """Reads what ``save`` wrote; UserError for a file that is missing, truncated or foreign."""
        try:
            content = Path(path).read_bytes()
            tensors = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            about = json.loads(header["__metadata__"][_NAMES])
            kinds = {
                kind: {name.partition(" ")[2]: each for name, each in tensors.items() if name.startswith(f"{kind} ")}
                for kind in ("prediction", "confidence")
            }
            found = cls(tuple(about["image_names"]), tensors["label"], *kinds.values(), about["label_free"])
            lengths = {len(found.image_names), *map(len, tensors.values())}
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} holds no answers of a classifier ({error}); delete it and run again") from error
        if len(lengths) > 1 or LAST not in found.prediction_N:
            raise UserError(f"{path} does not fit its {len(found.image_names)} image names; delete it and run again")
        return found


def classification_metrics(found: Answers, classes: ClassSet, made_by: dict[str, Any], last_step: int) -> dict:
    """Accuracies in [0, 1] as plain numbers: of the last step, of each class, of each step, and how it was made."""
    steps = [
        {"step": last_step if step == LAST else int(step), "accuracy": found.accuracy(step), **found.label_free[step]}
        for step in found.prediction_N
    ]
    by_class = {name: numpy.flatnonzero(found.label_N == index) for index, name in enumerate(classes.classes)}
    return {
        "images": len(found.image_names),
        "selection": "last step",
        "accuracy": found.accuracy(),
        "class_accuracy": {name: found.accuracy(of=of) if of.size else None for name, of in by_class.items()},
        "steps": sorted(steps, key=lambda each: each["step"]),
        "model": {key: made_by.get(key) for key in ("commit", "machine", "gpu_seconds", "fingerprint")},
    }


def easy_and_hard(confidence_N: numpy.ndarray, share: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Indices of the most and of the least confident ``share`` of N images, as many each, floor(share N).

    A tie goes to the earlier image. Source: MaxSquareLoss, Figure 5 (30 % of 795 images: 238).
    """
    order: Sequence[int] = numpy.argsort(-confidence_N, kind="stable")
    count = int(share * len(confidence_N))
    if count == 0:
        raise UserError(f"{share:g} of {len(confidence_N)} images are none; raise easy_and_hard.share")
    return order[:count], order[-count:]
