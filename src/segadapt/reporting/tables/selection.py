"""Which step's model a rule would choose: the last, the best without labels, the best by target labels."""

from collections.abc import Mapping
from typing import Any

STEP_HABITS = ("label-free step", "oracle step")
"""Habits beside the last step, as they stand in column names. The oracle has seen the labels that it is scored on."""


def choices(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``steps`` of a ``metrics.json`` if there is a choice; none where the last step's model alone was kept."""
    return metrics["steps"] if len(metrics["steps"]) > 1 else []


def chosen_step(steps: list[dict[str, Any]], habit: str, size: str) -> dict[str, Any]:
    """The entry, among the ``steps`` of a ``metrics.json``, of the step that a habit chooses; a tie goes to the later.

    Args:
        steps: At least one; each with its step, mIoU by label size (None if undefined) and label-free scores.
        habit: One of ``STEP_HABITS``.
        size: The label size that the oracle maximises mIoU at, which is that of the protocol's primary number.
    """
    key = "mutual_information" if habit == "label-free step" else size
    return max(steps, key=lambda each: (-1.0 if each[key] is None else each[key], each["step"]))
