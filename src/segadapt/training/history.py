"""What a run did, step by step, without making the device wait at every step."""

import math
from pathlib import Path

import torch
from torch import Tensor

from segadapt.core.artifacts import write_bytes
from segadapt.core.errors import UserError
from segadapt.core.events import EventFile

COLUMNS = ("step", "learning_rate", "loss_source", "loss_target")
"""What every run has; an adversarial one has a column more for each of its discriminators."""
HISTORY_SO_FAR = "history.csv"
"""Beside the state of a run that goes on: its rows so far, for whoever watches."""


class History:
    """Collects losses on the device and reads them, all at once, at logging intervals.

    ``rows`` holds one list per logged interval: last step, its learning rate, and the mean source and target
    losses of the interval (None for a run without target images), then those of the ``more`` columns. ``events`` gets
    the rows as well.
    """

    def __init__(self, more: tuple[str, ...] = (), events: EventFile | None = None) -> None:
        self.columns = COLUMNS + more
        self._events = events
        self.rows: list[list[float | int | None]] = []
        self._waiting: list[tuple[int, float, list[Tensor | None]]] = []

    def add(self, step: int, learning_rate: float, *losses: Tensor | None) -> None:
        """Keeps the detached scalars of step ``step`` (from 0), in the order of the columns."""
        assert len(losses) == len(self.columns) - 2, f"{len(losses)} losses for {self.columns}"
        self._waiting.append((step, learning_rate, [None if loss is None else loss.detach() for loss in losses]))

    def flush(self) -> None:
        """Reads what waits into one row; UserError, naming the step, if any loss is not finite."""
        if not self._waiting:
            return
        row: list[float | int | None] = list(self._waiting[-1][:2])
        by_column = zip(*(losses for _, _, losses in self._waiting), strict=True)
        for column, losses in zip(self.columns[2:], by_column, strict=True):
            if losses[0] is None:
                row.append(None)
                continue
            values = torch.stack(losses).double().cpu().tolist()
            self._require_finite(column.removeprefix("loss_").replace("_", " "), values)
            row.append(sum(values) / len(values))
        self.rows.append(row)
        self._waiting.clear()
        if self._events is not None:
            self._events.write(self.columns, self.rows)

    def _require_finite(self, name: str, values: list[float]) -> None:
        keys = "adversarial.learning_rate" if name.startswith("discriminator") else "learning_rate or lambda_target"
        for (step, learning_rate, _), value in zip(self._waiting, values, strict=True):
            if not math.isfinite(value):
                raise UserError(
                    f"the {name} loss is {value} at step {step} (learning rate {learning_rate:.2e}); "
                    f"lower {keys}; the last good state is kept"
                )

    def latest(self) -> str:
        """The losses of the last row in few words: ``"source 0.4123, target -0.0211"``."""
        named = zip(self.columns[2:], self.rows[-1][2:], strict=True)
        return ", ".join(f"{name.removeprefix('loss_')} {value:.4g}" for name, value in named if value is not None)

    def write(self, path: Path, lasting: bool = True) -> None:
        """The rows as CSV, readable by ``dvc plots``; ``lasting`` as of ``atomic_path``."""
        lines = [",".join(self.columns)]
        lines += [",".join("" if cell is None else f"{cell:.9g}" for cell in row) for row in self.rows]
        write_bytes(path, ("\n".join(lines) + "\n").encode(), lasting)
