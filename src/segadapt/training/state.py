"""Resumable state: the newest whole one of the last two that were saved."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.methods import Method
from segadapt.models import load_tensors, save_tensors
from segadapt.training.history import History
from segadapt.training.optimiser import Optimiser

KEPT = 2


@dataclass(frozen=True)
class StateStore:
    """Saves and restores (model, method, optimiser, step, history) in a folder of its own.

    Nothing else is needed: samples, augmentation and the learning rate are functions of the step. The folder's name is
    the run's fingerprint, and is written into every state: one that strayed here from another run is no state of this.
    """

    folder: Path

    def save(self, step: int, model: nn.Module, method: Method, optimiser: Optimiser, history: History) -> None:
        """Writes the state after ``step`` finished steps, then drops all but the last two."""
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        tensors |= {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
        tensors |= {f"optimiser.{name}": tensor for name, tensor in optimiser.tensors().items()}
        about = {"step": str(step), "history": json.dumps(history.rows), "run": self.folder.name}
        save_tensors(self._path(step), tensors, about)
        for old in self._saved()[:-KEPT]:
            old.unlink()

    def restore(
        self,
        model: nn.Module,
        method: Method,
        optimiser: Optimiser,
        history: History,
        goes_on_from: Callable[[int], bool] = lambda step: True,
    ) -> int:
        """Loads the newest whole state and returns its step; 0, with nothing touched, if there is none.

        ``goes_on_from`` tells of a step whether all else that a run leaves on the way is still there.
        """
        for path in reversed(self._saved()):
            try:
                tensors, metadata = load_tensors(path)
            except UserError as error:
                print(f"passing over a saved state: {error}")
                continue
            if metadata.get("run") != self.folder.name or not goes_on_from(int(metadata["step"])):
                print(f"passing over a saved state: {path} is another run's, or a model kept before it is not whole")
                continue
            model.load_state_dict(_part(tensors, "model."), strict=True)
            method.load_state_dict(_part(tensors, "method."), strict=True)
            optimiser.load(_part(tensors, "optimiser."))
            history.rows[:] = json.loads(metadata["history"])
            return int(metadata["step"])
        return 0

    def _path(self, step: int) -> Path:
        return self.folder / f"state-{step:09d}.safetensors"

    def _saved(self) -> list[Path]:
        return sorted(self.folder.glob("state-*.safetensors"))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
