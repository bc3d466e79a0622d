"""Rows of tables and the models behind them: what has no entry of its own under ``methods``."""

from collections.abc import Iterable, Mapping, Sequence

from segadapt.core.job import snapshot_role
from segadapt.core.parameters import MethodEntry, TrainingSettings
from segadapt.core.parameters.root import ORACLE

SOURCE, SOURCE_MULTI = "source", "source_multi"

UNADAPTED = {
    "source_only": {"title": "Source only", "origin": "ours", "paper_row": "Source only"},
    ORACLE: {"title": "Oracle (target labels)", "origin": "control", "paper_row": None},
}

_LOOKS = {"source_only": 6, ORACLE: 7}
_COLOURS, _OF_METHODS = 8, 6
"""Colours of the figures, and how many of them are the methods'."""


def look(key: str, methods: Iterable[str]) -> int:
    """The number of a row's colour in every figure (``reporting.style``).

    It follows from the method's place among all ``methods`` of the parameters, not among those of a table: a row that
    is added to a table repaints no other one.
    """
    if key in _LOOKS:
        return _LOOKS[key]
    place = list(methods).index(key)
    return place // _OF_METHODS * _COLOURS + place % _OF_METHODS


def is_multi(method: MethodEntry) -> bool:
    """Whether a method needs the auxiliary head, hence another source model if it starts from one."""
    game = method.adversarial
    return method.auxiliary or method.guidance is not None or (game is not None and game.lambda_low > 0)


def training_section(method: MethodEntry) -> str:
    """The section of a preset that holds a method's data, sizes and schedule."""
    if method.start == "initial":
        return "joint"
    return "refine" if is_multi(method) else "adapt"


def sees_target(method: MethodEntry) -> bool:
    """Whether target images are forwarded at all."""
    return method.target_loss is not None or method.adversarial is not None


def snapshot_files(settings: TrainingSettings) -> dict[str, str]:
    """Role to file name of the models that a training job keeps on the way."""
    return {snapshot_role(step): f"snapshot{step:06d}.safetensors" for step in settings.snapshot_steps}


def baseline(keys: Sequence[str], methods: Mapping[str, MethodEntry]) -> str:
    """The row that the others of a table are compared with.

    The first control that forwards target images and learns nothing from them (``lambda_target`` 0): a loss must beat
    that one. A table without it takes its first row.
    """
    for key in keys:
        method = methods.get(key)
        if method is None or method.adversarial is not None:
            continue
        if method.target_loss is not None and method.lambda_target == 0:
            return key
    return keys[0]
