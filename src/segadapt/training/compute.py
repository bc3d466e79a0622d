"""Where and in which precision a job computes: a GPU when there is one, else a fixed number of CPU threads."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Compute:
    """A device and the precision switches of ``params.yaml``."""

    device: torch.device
    bf16: bool = False
    channels_last: bool = False

    def autocast(self) -> AbstractContextManager:
        """bfloat16 for what runs inside, if the switch is on; losses stay outside and in float32."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def layout(self, image_BCHW: Tensor) -> Tensor:
        """The batch in the memory layout the model runs in."""
        return image_BCHW.contiguous(memory_format=self._format)

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device and in its layout."""
        return model.to(self.device, memory_format=self._format)

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def set_up_compute(precision: dict[str, bool], cpu_threads: int) -> Compute:
    """Picks the device and sets torch's process-wide switches; called once, first thing in a job.

    The thread count is fixed by the parameters, not by the machine's load, because sums on a CPU
    depend on it: a job gives the same bytes whatever ``--cores`` says.
    """
    torch.set_num_threads(cpu_threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = precision["tf32"]
    torch.backends.cudnn.allow_tf32 = precision["tf32"]
    torch.backends.cudnn.benchmark = device.type == "cuda"
    # A CPU run promises the same bytes every time; an operation that cannot keep that must stop it.
    # (``use_deterministic_algorithms`` says the same but imports the compiler: two seconds a job.)
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "default")
    return Compute(device, precision["bf16"], precision["channels_last"])
