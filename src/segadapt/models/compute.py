"""Where and in which precision a job computes: a GPU when there is one, else a fixed number of CPU threads."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError

COMPILED_CODE = "TORCHINDUCTOR_CACHE_DIR"
"""The environment's name for the folder where torch's compiler keeps what it made, and looks for it first."""


@dataclass(frozen=True)
class Compute:
    """A device and the precision switches of ``params.yaml``; ``backend`` is who compiles, as torch names it."""

    device: torch.device
    bf16: bool = False
    channels_last: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    backend: str | Callable = "inductor"

    def autocast(self) -> AbstractContextManager:
        """bfloat16 for what runs inside, if the switch is on; losses stay outside and in float32."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def layout(self, image_BCHW: Tensor) -> Tensor:
        """The batch in the memory layout the model runs in."""
        return image_BCHW.contiguous(memory_format=self._format)

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device and in its layout."""
        return model.to(self.device, memory_format=self._format)

    def forward_of(self, model: nn.Module) -> Callable[..., tuple[Tensor, ...]]:
        """How to call the model in training: itself, or compiled if the switch is on.

        Compiled code is another object around the same tensors, so the model's state dict stays as it was. It is made
        at the first call for each shape of input; UserError if it can't be.
        """
        if not self.compile:
            return model
        compiled = torch.compile(model, dynamic=False, backend=self.backend)

        def forward(image_BCHW: Tensor, **more: Tensor) -> tuple[Tensor, ...]:
            try:
                return compiled(image_BCHW, **more)
            except torch._dynamo.exc.ShortenTraceback as error:
                cause = getattr(error, "inner_exception", error)
                reason = next(iter(str(cause).splitlines()), type(cause).__name__)
                raise UserError(
                    f"precision.compile is true but torch cannot compile here ({reason}); install what it misses, "
                    "Triton for a GPU or a C++ compiler for a CPU, or set precision.compile to false"
                ) from error

        return forward

    def keep_compiled_code(self, folder: Path) -> None:
        """Lets later jobs start from what this one compiles; a folder that the environment names comes first."""
        if self.compile:
            os.environ.setdefault(COMPILED_CODE, str(folder.absolute()))

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def set_up_compute(precision: Mapping[str, bool], cpu_threads: int) -> Compute:
    """Picks the device and sets torch's process-wide switches; called once, first thing in a job.

    ``precision`` holds the keys of ``segadapt.core.parameters.training.Precision``; the last two may be left out.

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
    later = {key: precision.get(key, False) for key in ("compile", "cuda_graphs")}
    return Compute(device, precision["bf16"], precision["channels_last"], **later)
