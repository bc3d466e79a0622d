"""What a run did, step by step, without making the device wait at every step."""

import math
from pathlib import Path

import torch
from torch import Tensor

from segadapt.core.artifacts import write_bytes
from segadapt.core.errors import UserError

COLUMNS = ("step", "learning_rate", "loss_source", "loss_target")


class History:
    """Collects losses on the device and reads them, all at once, at logging intervals.

    ``rows`` holds one list per logged interval: last step, its learning rate, and the mean source and target
    losses of the interval (None for a run without target images).
    """

    def __init__(self) -> None:
        self.rows: list[list[float | int | None]] = []
        self._waiting: list[tuple[int, float, Tensor, Tensor | None]] = []

    def add(self, step: int, learning_rate: float, source: Tensor, target: Tensor | None) -> None:
        """Keeps the detached scalars of step ``step`` (from 0)."""
        self._waiting.append((step, learning_rate, source.detach(), None if target is None else target.detach()))

    def flush(self) -> None:
        """Reads what waits into one row; UserError, naming the step, if any loss is not finite."""
        if not self._waiting:
            return
        sources = torch.stack([each[2] for each in self._waiting]).double().cpu().tolist()
        targets = [each[3] for each in self._waiting if each[3] is not None]
        target_values = torch.stack(targets).double().cpu().tolist() if targets else []
        for name, values in (("source", sources), ("target", target_values)):
            for (step, learning_rate, *_), value in zip(self._waiting, values, strict=False):
                if not math.isfinite(value):
                    raise UserError(
                        f"the {name} loss is {value} at step {step} (learning rate {learning_rate:.2e}); "
                        "lower learning_rate or lambda_target in params.yaml; the last good state is kept"
                    )
        step, learning_rate = self._waiting[-1][:2]
        mean_target = sum(target_values) / len(target_values) if target_values else None
        self.rows.append([step, learning_rate, sum(sources) / len(sources), mean_target])
        self._waiting.clear()

    def write(self, path: Path) -> None:
        """The rows as CSV, readable by ``dvc plots``."""
        lines = [",".join(COLUMNS)]
        lines += [",".join("" if cell is None else f"{cell:.9g}" for cell in row) for row in self.rows]
        write_bytes(path, ("\n".join(lines) + "\n").encode())
