"""The ways to score one model, and their names: keys of saved matrices, of ``metrics.json`` and of table columns."""

import re
from dataclasses import dataclass

from segadapt.core.errors import UserError

LABEL_SIZES = ("network", "native")
"""Where predictions are compared: at the network's input size (the released code of the paper) or
at the labels' own size (AdaptSegNet, ADVENT, CBST)."""

FINAL, LOW, ENSEMBLE = "final", "low", "ensemble"
HEADS = (FINAL, LOW, ENSEMBLE)
"""Whose prediction it is: the final head's, the auxiliary low-level head's, or the mean of both heads' softmax maps."""

MERGED = {size: f"{size} merged" for size in LABEL_SIZES}
"""Names, by label size, of the score in which what a model takes for a class that the labels lack counts as a near one
(``segadapt.evaluation.measures.merged``); final head, no flip, last step."""

_IN_NAMES = {FINAL: "", LOW: " low head", ENSEMBLE: " ensemble"}
_NAME = re.compile(r"(?P<size>\w+?)(?P<head>| low head| ensemble)(?P<flip>| flip)(?: step (?P<step>\d+))?")


@dataclass(frozen=True)
class ScoringMode:
    """One way to score a model; UserError for a size or head that there is not.

    Args:
        size: One of ``LABEL_SIZES``.
        head: One of ``HEADS``.
        flip: Whether the softmax maps of the image and of its mirror image are averaged.
        step: After how many steps a snapshot was taken; None for the model of the last step.
    """

    size: str = "native"
    head: str = FINAL
    flip: bool = False
    step: int | None = None

    def __post_init__(self) -> None:
        if self.size not in LABEL_SIZES:
            raise UserError(f"unknown label size {self.size!r}; choose one of {', '.join(LABEL_SIZES)}")
        if self.head not in HEADS:
            raise UserError(f"unknown head {self.head!r}; choose one of {', '.join(HEADS)}")

    @property
    def name(self) -> str:
        """``"network"``, ``"native low head flip"``, ``"network step 120"``."""
        step = "" if self.step is None else f" step {self.step}"
        return f"{self.size}{self.prediction}{step}"

    @property
    def prediction(self) -> str:
        """What is scored: ``""`` for the final head's, ``" low head flip"``."""
        return f"{_IN_NAMES[self.head]}{' flip' * self.flip}"

    @classmethod
    def of(cls, name: str) -> "ScoringMode":
        """The mode of a name; UserError if it is none."""
        found = _NAME.fullmatch(name)
        if found is None:
            raise UserError(f"{name!r} names no way to score a model, such as 'network' or 'native low head flip'")
        head = next(head for head, text in _IN_NAMES.items() if text == found["head"])
        step = None if found["step"] is None else int(found["step"])
        return cls(found["size"], head, bool(found["flip"]), step)


def last_step_modes() -> tuple[ScoringMode, ...]:
    """Every way to score the model of the last step, network size beside native size, in the order of the tables."""
    return tuple(ScoringMode(size, head, flip) for head in HEADS for flip in (False, True) for size in LABEL_SIZES)
