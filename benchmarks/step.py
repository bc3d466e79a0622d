"""One adaptation step on the CPU: the released code's way, a careful user's, ours in every precision.

``python benchmarks/step.py``; a minute. DeepLab-v2 with ResNet-101, image-weighted maximum squares with guidance, one
source image of 192x104 and one target image of 192x96, which is small enough that convolutions are nearly all of it:
what losses and optimiser are worth at full size, ``losses.py`` and ``sgd.py`` say, where they are compared strictly.
Here the losses of the first step must agree, as far as the memory layout lets them; those of bf16 are shown, and what
they do to a table's numbers is another matter (``docs/performance.md``).

* as written: as in ``gpu.py``: both heads of both domains up-sampled, histograms on the host, losses read back, a list
  that names backbone tensors three or four times.
* plain vectorised: the same objective by ``losses.py``'s vectorised forms, every tensor once in k rounds of
  multi-tensor calls.
* ours: ``segadapt``'s losses and optimiser in float32, in channels-last memory too, and in bf16.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from common import bar, markdown_table, measure, write_results
from gpu_reference import AUXILIARY, LAMBDA_TARGET
from gpu_steps import Mode, Problem, make_step
from loss_baselines import IGNORED, upsample, vectorised_both
from sgd import Rounds, draw_gradients
from torch import Tensor

from segadapt.models import to_input

SOURCE, TARGET, REPEATS = (104, 192), (96, 192), 5
WRITTEN, VECTORISED, BF16 = "as written", "plain vectorised", "ours, bf16, channels-last"
OURS = "ours, float32, channels-last"
# Another memory layout sums in another order, which a hundred random layers with batch norm of one image make much of.
TOLERANCE = {OURS: 1e-2}


def vectorised_step(problem: Problem) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """A step on the library's own losses, with k rounds of updates."""
    model = problem.model(channels_last=False)
    draw_gradients(model, 0)  # what has a gradient in a step
    optimiser = Rounds(model, "modern")

    def step(source_BHWC: Tensor, label_BHW: Tensor, target_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        model.zero_grad()
        size = tuple(source_BHWC.shape[1:3])
        final, low = (upsample(each, size) for each in model(to_input(source_BHWC).contiguous()))
        label_BHW = label_BHW.long()
        source_loss = F.cross_entropy(final, label_BHW, ignore_index=IGNORED)
        source_loss = source_loss + AUXILIARY * F.cross_entropy(low, label_BHW, ignore_index=IGNORED)
        source_loss.backward()
        final, low = model(to_input(target_BHWC).contiguous())
        target_loss = LAMBDA_TARGET * vectorised_both(final, low, label_BHW, tuple(target_BHWC.shape[1:3]))
        target_loss.backward()
        optimiser.step()
        return source_loss.detach(), target_loss.detach()

    return step


def has_bf16() -> bool:
    """Whether this processor multiplies in bf16."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def check(first: dict[str, list[float]]) -> None:
    """SystemExit unless the losses of all first steps in float32 agree."""
    for name, losses in first.items():
        if name == BF16:
            continue
        for found, expected in zip(losses, first[WRITTEN], strict=True):
            if not abs(found - expected) <= TOLERANCE.get(name, 1e-4) * abs(expected):
                raise SystemExit(f"{name}: losses {losses} of the first step, as written {first[WRITTEN]}")


def main() -> None:
    """Makes every variant, compares their first steps, and times them."""
    torch.set_num_threads(1)
    problem = Problem("resnet101", SOURCE, TARGET, torch.device("cpu"))
    modes = {
        WRITTEN: Mode(WRITTEN, reference=True),
        OURS: Mode(OURS),
        BF16: Mode(BF16, bf16=True),
    }
    steps, first = {}, {}
    for name, mode in modes.items():
        steps[name], losses = make_step(mode, problem, may_compile=False)
        first[name] = [losses["first_source_loss"], losses["first_target_loss"]]
    steps[VECTORISED] = vectorised_step(problem)
    first[VECTORISED] = [float(each) for each in steps[VECTORISED](*next(problem.batches()))]
    check(first)
    batch = next(problem.batches())
    order = (WRITTEN, VECTORISED, OURS, BF16)
    calls = {name: lambda name=name: steps[name](*batch) for name in order}
    timings = measure(calls, repeats=REPEATS, warm_ups=1, title="bench step")
    at_least = {BF16: 1.2} if has_bf16() else {}
    results = [
        {
            "step": name,
            "first_losses": first[name],
            "times_as_written": round(timings[WRITTEN].cpu_median / timings[name].cpu_median, 2),
            "times_vectorised": round(timings[VECTORISED].cpu_median / timings[name].cpu_median, 2),
            "timings": {name: timings[name].as_json()},
        }
        for name in order
    ]
    header = ["step", "s (CPU)", "times as written", "bar", "times vectorised", "source loss", "target loss"]
    rows = []
    for row in results:
        line = [row["step"], timings[row["step"]].cpu_median, row["times_as_written"], at_least.get(row["step"], "")]
        rows.append([*line, row["times_vectorised"], *row["first_losses"]])
    settings = {"source": SOURCE, "target": TARGET, "bf16_in_hardware": has_bf16()}
    note = "" if has_bf16() else "\n\nThis processor has no bf16: it is emulated, and has no bar here."
    bars = []
    for row in results:
        bars += bar(f"step, {row['step']}, times as written", row["times_as_written"], at_least.get(row["step"]))
    write_results("step", 1, settings, results, markdown_table(header, rows) + note, bars)


if __name__ == "__main__":
    main()
