"""Losses from low-resolution logits to their gradient: the released code's way, a careful user's, plain, in bands.

``python benchmarks/losses.py``; three to four minutes. Logits as they are in training: smooth fields of classes, sure
inside and undecided at their borders, with noise. Every variant returns the loss and its gradient with respect to the
network's logits; guidance, which the released code only has beside a target loss, is measured there and alone. First
all are compared, in float64 at a quarter of the pixels and in float32 as timed.

* as written, plain vectorised: see ``loss_baselines.py``.
* plain: ``segadapt.losses`` with one tensor of the loss's size after the other and gradients in closed form.
* bands: ``segadapt.losses`` as it runs on a CPU.

Extra memory is the highest resident size above that before, in a process of its own whose allocator gives back at
once what is freed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from common import bar, markdown_table, measure, write_results
from loss_baselines import (
    ALPHA,
    CLASSES,
    GUIDANCE,
    IGNORED,
    THRESHOLD,
    both_cross_entropy,
    pixel_weight,
    upsample,
    vectorised_both,
    vectorised_entropy,
    vectorised_guidance,
    vectorised_image_weighted,
    vectorised_max_squares,
    weighted_cross_entropy,
    written_both,
    written_entropy,
    written_guidance,
    written_image_weighted,
    written_max_squares,
)
from torch import Tensor

from segadapt.losses import ImageWeight, cross_entropy, entropy, guidance, max_squares
from segadapt.losses.dispatch import use_plain_form

# Batch, the network's size, the loss's size, repeats.
SIZES = {"1280x640": (1, (81, 161), (640, 1280), 5), "192x96": (2, (13, 25), (96, 192), 41)}
# At least so many times faster than as written and than plain vectorised, on 1280x640; and times less memory.
BARS = {"max squares": (12, 3), "entropy": (12, 3), "image-weighted": (7, 2), "image-weighted + guidance": (5, 2)}
MEMORY_BAR = 20
# Two forms of a formula in float32 may take another side of a tie or a threshold at a pixel of a million, whose
# gradient then is another one. Where that can be, float64 is the strict comparison.
STRICT = {"max squares", "entropy", "cross-entropy", "weighted over all pixels"}

LEARNING = {"guidance alone": ("low",), "image-weighted + guidance": ("final", "low")}

Result = tuple[Tensor, tuple[Tensor, ...]]
Variant = Callable[[Tensor, Tensor, Tensor, tuple[int, int]], Tensor]


def draw_logits(batch: int, low: tuple[int, int], seed: int, dtype: torch.dtype) -> Tensor:
    """A coarse Gaussian field times 5, up-sampled, with noise of 0.6."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(batch, CLASSES, max(low[0] // 10, 2), max(low[1] // 10, 2), generator=generator) * 5
    smooth = F.interpolate(coarse, low, mode="bicubic", align_corners=True)
    return (smooth + 0.6 * torch.randn(smooth.shape, generator=generator)).to(dtype)


def draw(name: str, dtype: torch.dtype, shrink: int = 1) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
    """Final and low logits (alike, not equal), labels with a tenth ignored, and the loss's size."""
    batch, low, size, _ = SIZES[name]
    low, size = tuple((side - 1) // shrink + 1 for side in low), tuple(side // shrink for side in size)
    final = draw_logits(batch, low, 0, dtype)
    other = 0.6 * final + 0.4 * draw_logits(batch, low, 1, dtype)
    label = F.interpolate(draw_logits(batch, low, 2, dtype), size, mode="bilinear", align_corners=True).argmax(1)
    label[:, : size[0] // 10] = IGNORED
    return final, other, label, size


def our_image_weighted(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    return max_squares(final, size, image_weight=ImageWeight(ALPHA))


def our_guidance(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    return guidance(low, final.detach(), size, THRESHOLD)


# Objective -> as written, plain vectorised, ours.
OBJECTIVES: dict[str, tuple[Variant, Variant, Variant]] = {
    "max squares": (written_max_squares, vectorised_max_squares, lambda z, low, label, size: max_squares(z, size)),
    "entropy": (written_entropy, vectorised_entropy, lambda z, low, label, size: entropy(z, size)),
    "image-weighted": (written_image_weighted, vectorised_image_weighted, our_image_weighted),
    "image-weighted + guidance": (
        written_both,
        vectorised_both,
        lambda *inputs: our_image_weighted(*inputs) + GUIDANCE * our_guidance(*inputs),
    ),
    "guidance alone": (written_guidance, vectorised_guidance, our_guidance),
    "cross-entropy": (
        both_cross_entropy,
        both_cross_entropy,
        lambda z, low, label, size: cross_entropy(z, label, size),
    ),
    "weighted over all pixels": (
        weighted_cross_entropy,
        weighted_cross_entropy,
        lambda z, low, label, size: cross_entropy(z, label, size, IGNORED, pixel_weight(label), "all"),
    ),
}


def variants_of(objective: str, inputs: tuple) -> dict[str, Callable[[], Result]]:
    """Each variant as a call that returns the loss and its gradient in each head that learns."""
    final, low, label, size = inputs

    def run(variant: Variant) -> Result:
        heads = {"final": final.detach(), "low": low.detach()}
        learning = [heads[name] for name in LEARNING.get(objective, ("final",))]
        for each in learning:
            each.requires_grad_()
        loss = variant(*heads.values(), label, size)
        return loss.detach(), torch.autograd.grad(loss, learning)

    def run_plain(variant: Variant) -> Result:
        with use_plain_form():
            return run(variant)

    written, vectorised, ours = OBJECTIVES[objective]
    return {
        "as written": lambda: run(written),
        "plain vectorised": lambda: run(vectorised),
        "plain": lambda: run_plain(ours),
        "bands": lambda: run(ours),
    }


def compare(results: dict[str, Result], against: str) -> dict[str, tuple[float, float]]:
    """(relative difference of the value, largest difference of a gradient over its largest element) a variant."""
    value, gradients = results[against]
    made = {}
    for name, (other, others) in results.items():
        pairs = zip(others, gradients, strict=True)
        worst = max(((mine - true).abs().max() / true.abs().max()).item() for mine, true in pairs)
        made[name] = ((other - value).abs() / value.abs()).item(), worst
    return made


def check(objective: str, results: dict[str, Result], value_bar: float, gradient_bar: float) -> None:
    """SystemExit unless all variants agree with the released code's way."""
    for name, (of_value, of_gradient) in compare(results, "as written").items():
        if not (of_value <= value_bar and of_gradient <= gradient_bar):
            raise SystemExit(f"{objective}, {name}: value {of_value:.1e}, gradient {of_gradient:.1e} off as written")


def bench_size(name: str, memory: dict[str, dict[str, float]]) -> list[dict]:
    """A row an objective: milliseconds and MiB of every variant, ratios, differences."""
    rows = []
    for objective in OBJECTIVES:
        exact = {each: run() for each, run in variants_of(objective, draw(name, torch.float64, shrink=2)).items()}
        check(objective, exact, 1e-12, 1e-12)
        variants = variants_of(objective, draw(name, torch.float32))
        bars = (1e-6, 1e-5) if objective in STRICT else (1e-4, 1e-1)
        differences: list[tuple[float, float]] = []

        def check_and_note(results: dict[str, Result], o=objective, bars=bars, differences=differences) -> None:
            check(o, results, *bars)
            differences.append(compare(results, "plain")["bands"])

        timings = measure(
            variants,
            check=check_and_note,
            repeats=SIZES[name][3],
            warm_ups=1,
            title=f"bench losses {name} {objective}",
        )
        fast = timings["bands"].cpu_median
        row = {
            "objective": objective,
            "times_as_written": round(timings["as written"].cpu_median / fast, 2),
            "times_vectorised": round(timings["plain vectorised"].cpu_median / fast, 2),
            "times_plain": round(timings["plain"].cpu_median / fast, 2),
            "bars": BARS.get(objective) if name == "1280x640" else None,
            "value_difference_to_plain": differences[0][0],
            "gradient_difference_to_plain": differences[0][1],
            "timings": {each: timing.as_json() for each, timing in timings.items()},
        }
        if objective in memory:
            row["extra_mib"] = {each: round(mib, 1) for each, mib in memory[objective].items()}
        rows.append(row)
    return rows


def peak_memory(name: str) -> dict[str, dict[str, float]]:
    """MiB of highest resident memory above that before the call, an objective and variant; in this process."""
    made = {}
    for objective in OBJECTIVES:
        made[objective] = {}
        for variant, run in variants_of(objective, draw(name, torch.float32)).items():
            run()
            Path("/proc/self/clear_refs").write_text("5")
            before = resident("VmRSS")
            run()
            made[objective][variant] = (resident("VmHWM") - before) / 1024
    return made


def resident(field: str) -> int:
    """KiB of a field of this process's status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def table(rows: list[dict]) -> str:
    """One row an objective."""
    names = ["as written", "plain vectorised", "plain", "bands"]
    header = ["objective", *(f"{each}, ms" for each in names), "times as written", "bar", "times vectorised", "bar"]
    with_memory = "extra_mib" in rows[0]
    if with_memory:
        header += ["as written, MiB", "bands, MiB", "times less", "bar"]
    lines = []
    for row in rows:
        bars = row["bars"] or ("", "")
        line = [row["objective"], *(row["timings"][each]["cpu_median"] * 1e3 for each in names)]
        line += [row["times_as_written"], bars[0], row["times_vectorised"], bars[1]]
        if with_memory:
            written, bands = row["extra_mib"]["as written"], row["extra_mib"]["bands"]
            line += [written, bands, written / bands, MEMORY_BAR if row["bars"] else ""]
        lines.append(line)
    return markdown_table(header, lines)


def bars_of(row: dict) -> list[dict]:
    """The bars that an objective must reach."""
    if row["bars"] is None:
        return []
    name, (written, vectorised) = row["objective"], row["bars"]
    less = row["extra_mib"]["as written"] / row["extra_mib"]["bands"]
    return [
        *bar(f"{name}, times as written", row["times_as_written"], written),
        *bar(f"{name}, times vectorised", row["times_vectorised"], vectorised),
        *bar(f"{name}, times less memory", less, MEMORY_BAR),
    ]


def main() -> None:
    """Memory in a child, then both sizes."""
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--memory"]:
        print(json.dumps(peak_memory("1280x640")))
        return
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    child = subprocess.run(
        [sys.executable, __file__, "--memory"], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    results = {name: bench_size(name, json.loads(child.stdout) if name == "1280x640" else {}) for name in SIZES}
    tables = []
    for name, (batch, low, _, _) in SIZES.items():
        tables += [
            f"## {name}, batch {batch}, from {low[1]}x{low[0]} logits, {CLASSES} classes\n",
            table(results[name]),
        ]
        tables.append("")
    p = upsample(draw("1280x640", torch.float32)[0], SIZES["1280x640"][2]).softmax(1).amax(1)
    settings = {
        "classes": CLASSES,
        "sizes": {name: {"batch": b, "logits": low, "loss": size} for name, (b, low, size, _) in SIZES.items()},
        "mean_largest_probability": round(p.mean().item(), 3),
        "share_above_threshold": round((p > THRESHOLD).float().mean().item(), 3),
    }
    bars = [each for row in results["1280x640"] for each in bars_of(row)]
    write_results("losses", 1, settings, results, "\n".join(tables), bars)


if __name__ == "__main__":
    main()
