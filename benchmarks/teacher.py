"""A training step with a teacher against one of today's adaptation steps on the same network, on the CPU.

``python benchmarks/teacher.py``; two minutes. The trainer itself takes the steps, of two source and two target images
of 192x96, on the built-in data's network and on ResNet-101. MaxSquare's has two passes that learn: six units, if a pass
is one and its backward two. DACS has a third pass without a graph, seven units; MIC a third one that learns, ten. A
step of DACS must cost at most 1.25 times MaxSquare's, one of MIC at most 1.75 times, all that belongs to it included:
the teacher's labels and its update, mixing, colours and blur (in every step here), masks. That holds for ResNet-101; on
the thin network, whose step takes as long as a few of these, it is only shown.

Equality is for tests/test_dacs.py: what is compared here is not the same.
"""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import bar, markdown_table, measure, write_results
from gpu_steps import Problem
from torch import Tensor

from segadapt.core.parameters.learning import Poly
from segadapt.data.batches.batch import Batch
from segadapt.methods import dacs, mic
from segadapt.methods.composition import build_method
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, deeplabv2, initialise
from segadapt.models.compute import set_up_compute
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer

SIZE, IMAGES, RATE = (96, 192), 2, 1e-4
REPEATS = {"streets16": 15, "resnet101": 5}
PLAIN, DACS, MIC = "MaxSquare", "DACS", "DACS+MIC"
AT_MOST = {DACS: 1.25, MIC: 1.75}
ALWAYS = {"jitter_chance": 1.0, "blur_chance": 1.0}
ENTRIES = {
    PLAIN: {"target_loss": "max_squares", "lambda_target": 0.1, "options": {}},
    DACS: {"target_loss": "dacs", "lambda_target": 1.0, "options": dacs.Options(**ALWAYS).model_dump()},
    MIC: {"target_loss": "mic", "lambda_target": 1.0, "options": mic.Options(**ALWAYS, mask_block=12).model_dump()},
}
SWITCHES = {"normalisation": "released", "max_squares_half": True}


class Source:
    """As much of a domain's batches as a step asks for."""

    seed = 1


def batches() -> tuple[Batch, Batch]:
    """Two images a domain, uint8, and labels."""
    each = Problem("streets", SIZE, SIZE, torch.device("cpu")).batches()
    source, label, target = (torch.cat(tensors) for tensors in zip(*itertools.islice(each, IMAGES), strict=True))
    return Batch(source, label), Batch(target, None)


def make_step(backbone: str, entry: dict[str, Any], folder: Path) -> Callable[[], Tensor]:
    """A step of a job's trainer on the same batches again and again, its number counting on."""
    compute = set_up_compute({"bf16": False, "tf32": False, "channels_last": False}, 1)
    model = initialise(deeplabv2(backbone, 19, 2, auxiliary=False), 1, "kaiming")
    config = {
        "seed": 1,
        "method": entry,
        "protocol": SWITCHES,
        "training": {"auxiliary_weight": 0, "accumulate": 1, "joint_batch": False},
    }
    loop = Loop(10**6, 10**6, RATE, Poly(), 1, 1, 1.0, 0)
    optimiser = RepeatedSGD(parameter_groups(model), repeated_updates="torch10")
    trainer = Trainer(
        model, build_method(config, model), optimiser, loop, Source, Source, BatchNormPolicy(), "caffe", compute,
        StateStore(folder), Snapshots(folder),
    )  # fmt: skip
    apply_batchnorm_policy(model, BatchNormPolicy())
    pair, numbers = batches(), itertools.count()
    return lambda: trainer._step(next(numbers), RATE, *pair)[0].detach()


def bench(backbone: str, folder: Path) -> dict[str, Any]:
    """Times of the three steps in turns, and ratios to the plain one."""
    steps = {name: make_step(backbone, entry, folder) for name, entry in ENTRIES.items()}
    timings = measure(steps, repeats=REPEATS[backbone], warm_ups=1, title=f"bench teacher {backbone}")
    plain = timings[PLAIN].cpu_median
    return {
        "backbone": backbone,
        "times_plain": {name: round(timing.cpu_median / plain, 3) for name, timing in timings.items()},
        "timings": {name: timing.as_json() for name, timing in timings.items()},
    }


def main() -> None:
    """Both networks; a bar is the plain step's time over another's."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = [bench(backbone, Path(folder)) for backbone in REPEATS]
    header = ["network", *(f"{name}, s" for name in ENTRIES)]
    header += [f"{name}, times {PLAIN} (at most {most})" for name, most in AT_MOST.items()]
    rows, bars = [], []
    for row in results:
        seconds = [row["timings"][name]["cpu_median"] for name in ENTRIES]
        rows.append([row["backbone"], *seconds, *(row["times_plain"][name] for name in AT_MOST)])
        for name, most in AT_MOST.items() if row["backbone"] == "resnet101" else ():
            what = f"step of {PLAIN} over {name}'s, {row['backbone']}"
            bars += bar(what, 1 / row["times_plain"][name], round(1 / most, 2))
    settings = {"size": SIZE, "images": IMAGES}
    write_results("teacher", 1, settings, results, markdown_table(header, rows), bars)


if __name__ == "__main__":
    main()
