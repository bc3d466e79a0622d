"""One start of a training process, for ``startup.py``: ``python started.py VARIANT WEIGHTS``.

Prints, as JSON, CPU seconds of the parts and the logits of one image. What a variant imports is imported on its clock.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator

SIZE = (48, 64)


class Clock:
    """CPU seconds of this process, its start included, since the last mark."""

    def __init__(self) -> None:
        self.parts: list[float] = []
        self._last = 0.0

    def mark(self) -> None:
        """Ends a part."""
        now = time.process_time()
        self.parts.append(now - self._last)
        self._last = now

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """For what belongs to the benchmark and not to the variant."""
        start = time.process_time()
        yield
        self._last += time.process_time() - start


def import_as_written() -> None:
    """What MaxSquareLoss's ``tools/solve_gta5.py`` and what it imports import, as far as it is installed here."""
    import argparse  # noqa: F401
    import collections  # noqa: F401
    import logging  # noqa: F401
    import math  # noqa: F401
    import random  # noqa: F401
    import shutil  # noqa: F401

    import numpy  # noqa: F401
    import torch.nn.functional
    import torch.optim
    import torch.utils.data
    import torch.utils.model_zoo  # noqa: F401
    from PIL import Image, ImageFilter, ImageOps  # noqa: F401
    from tqdm import tqdm  # noqa: F401

    import_for_optimiser()


def import_plain() -> None:
    """As little as a training script can do with."""
    import numpy  # noqa: F401
    import torch  # noqa: F401

    import_for_optimiser()


def import_for_optimiser() -> None:
    """The first optimiser of the library that is made imports its compiler."""
    import torch

    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def import_segadapt() -> None:
    """What a stage imports."""
    import segadapt.stages.train  # noqa: F401


def network_as_written(weights: str, build):
    """Random weights, then those of a pickled file over them."""
    import torch

    model = build("resnet101", num_classes=19)
    model.load_state_dict(torch.load(f"{weights}.pth", weights_only=True))
    return model


def network_plain(weights: str, build):
    """A mapped file, whose tensors take the place of the random ones."""
    import torch

    model = build("resnet101", num_classes=19)
    model.load_state_dict(torch.load(f"{weights}.pth", mmap=True, weights_only=True), assign=True)
    return model


def network_segadapt(weights: str, build):
    """As a stage opens a model."""
    from segadapt.models import open_model

    return open_model(f"{weights}.safetensors")[0]


VARIANTS = {
    "as written": (import_as_written, network_as_written),
    "plain": (import_plain, network_plain),
    "segadapt": (import_segadapt, network_segadapt),
}


def main(variant: str, weights: str) -> None:
    """Imports, a network, one step."""
    clock, (imports, network) = Clock(), VARIANTS[variant]
    imports()
    clock.mark()
    with clock.stopped():
        import gpu_reference
        import gpu_steps
        import torch

        from segadapt.models import deeplabv2, to_input

        torch.set_num_threads(1)
    model = network(weights, deeplabv2)
    clock.mark()
    with clock.stopped():
        problem = gpu_steps.Problem("resnet101", SIZE, SIZE, torch.device("cpu"))
        source_BHWC, label_BHW, target_BHWC = next(problem.batches())
        with torch.no_grad():
            logits = model.eval()(to_input(source_BHWC))[0].double().sum().item()
        model.train()
    if variant == "segadapt":
        gpu_steps.OurStep(model, model, bf16=False)(source_BHWC, label_BHW, target_BHWC)
    else:
        step = gpu_reference.ReferenceStep(model)
        step(to_input(source_BHWC), label_BHW.long(), to_input(target_BHWC))
    clock.mark()
    print(json.dumps({"seconds": [*clock.parts, sum(clock.parts)], "logits": logits}))


if __name__ == "__main__":
    main(*sys.argv[1:])
