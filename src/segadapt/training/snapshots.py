"""Models kept on the way: scored later to show what choosing a step does, never used to go on from."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from segadapt.core.artifacts import atomic_path
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.models import save_model, weights_summary


@dataclass(frozen=True)
class Snapshots:
    """Takes snapshots into the folder of the resumable state; ``publish`` brings them to their final names.

    The engine deletes the declared outputs of a killed job, hence they cannot be written there while it trains.
    """

    folder: Path
    outputs: dict[int, Path] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, scratch: Path) -> "Snapshots":
        """Those that a job's outputs ask for."""
        return cls(scratch, job.snapshot_paths(), {"job": job.name})

    def take(self, finished: int, model: nn.Module) -> None:
        """Keeps the model if a snapshot is due after ``finished`` steps."""
        if finished in self.outputs:
            save_model(self._kept(finished), model, self.metadata | {"step": str(finished)})

    def are_whole(self, finished: int) -> bool:
        """Whether every model that was due after so many steps or fewer is there, as it was written."""
        return all(self._is_whole(step) for step in self.outputs if step <= finished)

    def publish(self) -> None:
        """Copies: a move would leave a job that is killed here without snapshots to publish when it goes on."""
        for step, path in self.outputs.items():
            with atomic_path(path) as temporary:
                shutil.copyfile(self._kept(step), temporary)

    def _is_whole(self, step: int) -> bool:
        try:
            found = weights_summary(self._kept(step))
        except UserError:
            return False
        return (self.metadata | {"step": str(step)}).items() <= found.items()

    def _kept(self, step: int) -> Path:
        return self.folder / f"snapshot-{step:09d}.safetensors"
