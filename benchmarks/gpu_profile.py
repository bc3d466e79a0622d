"""Where a step's time goes on a GPU, for ``gpu.py``: its kernels, grouped by what they do."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from gpu_steps import EAGER_MODES, Mode, Problem, augmenting, make_step, set_precision

STEPS, WARM_UPS, SHOWN = 4, 6, 12

GROUPS = (
    ("convolution", ("conv", "gemm", "xmma", "cutlass", "wgrad", "dgrad", "implicit", "sm80_", "sm90_", "cudnn")),
    ("batch norm", ("batch_norm", "batchnorm", "bn_")),
    ("layout and casts", ("nchwtonhwc", "nhwctonchw", "transpose", "copy", "convert", "to_copy")),
    ("optimiser", ("multi_tensor", "fused_sgd", "sgd")),
    ("our losses", ("_forward", "_backward", "_cells", "_target", "_labelled", "triton")),
    ("pooling", ("pool",)),
    ("pointwise", ("elementwise", "vectorized", "threshold", "relu", "add", "fill", "reduce", "memset", "memcpy")),
)
"""What a kernel belongs to, by the first group with a part of its name."""


def measure_profile(section: Any) -> None:
    """Milliseconds a step of every group of kernels and of the longest kernels, in the eager modes of ours."""
    sizes = ((48, 64), (32, 64)) if section.quick else ((720, 1280), (640, 1280))
    problem = Problem("streets" if section.quick else "resnet101", *sizes, section.device)
    for mode in (each for each in EAGER_MODES if not each.reference):
        section.attempt(mode.name, lambda mode=mode: _profiled(section, mode, problem))


def _profiled(section: Any, mode: Mode, problem: Problem) -> dict[str, Any]:
    set_precision(mode.tf32)
    step, batches = augmenting(make_step(mode, problem)[0]), problem.batches()
    for _ in range(1 if section.quick else WARM_UPS):
        step(*next(batches))
    section.synchronise()
    on_gpu = section.device.type == "cuda"
    activity = torch.profiler.ProfilerActivity.CUDA if on_gpu else torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity]) as profile:
        for _ in range(STEPS):
            step(*next(batches))
        section.synchronise()
    return _summary(profile.key_averages(), on_gpu)


def _summary(events: Any, on_gpu: bool) -> dict[str, Any]:
    taken: dict[str, list[float]] = {}
    for event in events:
        microseconds = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if microseconds:
            taken[event.key] = [microseconds / STEPS / 1e3, event.count / STEPS]
    groups: dict[str, float] = defaultdict(float)
    for name, (milliseconds, _) in taken.items():
        groups[group_of(name)] += milliseconds
    longest = sorted(taken.items(), key=lambda each: -each[1][0])[:SHOWN]
    return {
        "milliseconds": sum(each[0] for each in taken.values()),
        "launches": sum(each[1] for each in taken.values()),
        "groups": dict(sorted(groups.items(), key=lambda each: -each[1])),
        "longest": {name[:120]: {"milliseconds": ms, "calls": calls} for name, (ms, calls) in longest},
    }


def group_of(name: str) -> str:
    """What a kernel of this name does."""
    lowered = name.lower()
    found: Callable = lambda parts: any(part in lowered for part in parts)  # noqa: E731
    return next((group for group, parts in GROUPS if found(parts)), "other")
