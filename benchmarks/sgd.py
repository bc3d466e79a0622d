"""One optimiser step of a DeepLab-v2 with ResNet-101: the released code's list, a careful user's loop, at once.

``python benchmarks/sgd.py``; half a minute. The released list names backbone tensors three or four times (940 entries
for 310 tensors), so that a step updates them that often with the same gradient. After five steps all variants must have
moved every tensor as the same rule in float64 has; then they are timed.

* as written: one entry after the other by the library's loop or, where decay stays in the gradient, PyTorch 1.0's.
* plain vectorised: every tensor once, k rounds of the library's multi-tensor calls.
* at once: ``segadapt.training.optimiser``.
"""

import copy
import warnings
from collections.abc import Callable, Iterator

import torch
from common import bar, markdown_table, measure, write_results
from torch import Tensor, nn

from segadapt.models import deeplabv2
from segadapt.models.networks.deeplab import released_repeats
from segadapt.training.optimiser import RepeatedSGD, parameter_groups

RATE, MOMENTUM, DECAY = 2.5e-4, 0.9, 5e-4
STEPS, REPEATS = 5, 9
TOLERANCE = 1e-6
# At least so many times faster than as written.
BARS = {"modern": 2, "torch10": 2, "none": None}
WHAT = {
    "modern": "three or four updates, as today's torch runs the list",
    "torch10": "the same, decay adding up, as PyTorch 1.0 ran it",
    "none": "one update",
}

Step = Callable[[], None]


class ReleasedLoop:
    """The list in order; with ``torch10`` the decay is added to the gradient itself, which the next entry finds."""

    def __init__(self, model: nn.Module, rule: str) -> None:
        self.entries = [
            (parameter, RATE * factor)
            for factor, name, parameter in trained(model)
            for _ in range(1 if rule == "none" else released_repeats(name))
        ]
        self.momentum: dict[int, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        for parameter, rate in self.entries:
            buffer = self.momentum.setdefault(id(parameter), torch.zeros_like(parameter))
            parameter.grad.add_(parameter, alpha=DECAY)
            buffer.mul_(MOMENTUM).add_(parameter.grad)
            parameter.add_(buffer, alpha=-rate)


class Rounds:
    """k rounds of multi-tensor calls over all tensors that are updated at least that often.

    With ``modern`` every round of the first step starts the momentum anew.
    """

    def __init__(self, model: nn.Module, rule: str) -> None:
        self.rule = rule
        self.kept = 0.0 if rule == "modern" else MOMENTUM
        self.named = list(trained(model))
        self.momentum = [torch.zeros_like(parameter) for _, _, parameter in self.named]

    @torch.no_grad()
    def step(self) -> None:
        gradients = [parameter.grad for _, _, parameter in self.named]
        repeats = [1 if self.rule == "none" else released_repeats(name) for _, name, _ in self.named]
        for turn in range(max(repeats)):
            for factor in (1.0, 10.0):
                due = [i for i, each in enumerate(self.named) if each[0] == factor and turn < repeats[i]]
                if not due:
                    continue
                parameters, buffers = [self.named[i][2] for i in due], [self.momentum[i] for i in due]
                decayed = torch._foreach_add([gradients[i] for i in due], parameters, alpha=DECAY)
                if self.rule == "torch10":
                    for i, each in zip(due, decayed, strict=True):
                        gradients[i] = each
                torch._foreach_mul_(buffers, self.kept)
                torch._foreach_add_(buffers, decayed)
                torch._foreach_add_(parameters, buffers, alpha=-RATE * factor)
        self.kept = MOMENTUM


def trained(model: nn.Module) -> Iterator[tuple[float, str, nn.Parameter]]:
    """(learning rate's factor, name, tensor) of all that have a gradient."""
    for group in parameter_groups(model):
        for name, parameter in group.parameters.items():
            if parameter.grad is not None:
                yield group.lr_factor, name, parameter


def as_written(model: nn.Module, rule: str) -> Step:
    if rule == "torch10":
        return ReleasedLoop(model, rule).step
    groups: dict[float, list[nn.Parameter]] = {}
    for factor, name, parameter in trained(model):
        groups.setdefault(factor, []).extend([parameter] * (released_repeats(name) if rule == "modern" else 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of tensors that are listed twice, which is the point
        listed = [{"params": each, "lr": RATE * factor} for factor, each in groups.items()]
        optimiser = torch.optim.SGD(listed, momentum=MOMENTUM, weight_decay=DECAY, foreach=False)
    return optimiser.step


def at_once(model: nn.Module, rule: str) -> Step:
    optimiser = RepeatedSGD(parameter_groups(model), MOMENTUM, DECAY, rule)
    return lambda: optimiser.step(RATE)


VARIANTS = {"as written": as_written, "plain vectorised": lambda *each: Rounds(*each).step, "at once": at_once}


def draw_gradients(model: nn.Module, seed: int) -> None:
    """A new gradient for all but the two ASPP branches that the released code does not sum."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "conv2d_list.2" not in name and "conv2d_list.3" not in name:
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter) * 1e-2


def true_motion(start: nn.Module, rule: str) -> dict[str, Tensor]:
    """How far the rule, by the book and in float64, moves every tensor."""
    model = copy.deepcopy(start).double()
    draw_gradients(model, 0)
    momentum = {name: torch.zeros_like(parameter) for _, name, parameter in trained(model)}
    with torch.no_grad():
        for seed in range(STEPS):
            draw_gradients(model, seed)
            kept = 0.0 if rule == "modern" and seed == 0 else MOMENTUM
            for factor, name, parameter in trained(model):
                gradient = parameter.grad
                for _ in range(1 if rule == "none" else released_repeats(name)):
                    decayed = gradient + DECAY * parameter
                    gradient = decayed if rule == "torch10" else gradient
                    momentum[name] = kept * momentum[name] + decayed
                    parameter -= RATE * factor * momentum[name]
    before = dict(start.named_parameters())
    return {name: parameter.detach() - before[name].double() for _, name, parameter in trained(model)}


def check(start: nn.Module, models: dict[str, nn.Module], steps: dict[str, Step], rule: str) -> float:
    """SystemExit unless every variant moves all tensors as it should; the largest difference, of the largest value."""
    for seed in range(STEPS):
        for name, model in models.items():
            draw_gradients(model, seed)
            steps[name]()
    worst = 0.0
    before, motion = dict(start.named_parameters()), true_motion(start, rule)
    for variant, model in models.items():
        for _, name, parameter in trained(model):
            moved = parameter.detach().double() - before[name].double()
            difference = (moved - motion[name]).abs().max() / before[name].abs().max().clamp(min=1e-2)
            if difference > TOLERANCE:
                raise SystemExit(f"{rule}, {variant}: {name} is {difference:.1e} off after {STEPS} steps")
            worst = max(worst, difference.item()) if variant == "at once" else worst
    return worst


def bench_rule(start: nn.Module, rule: str) -> dict:
    """Times of every variant and ratios."""
    models = {name: copy.deepcopy(start) for name in VARIANTS}
    for model in models.values():
        draw_gradients(model, 0)
    steps = {name: make(models[name], rule) for name, make in VARIANTS.items()}
    difference = check(start, models, steps, rule)
    timings = measure(steps, repeats=REPEATS, title=f"bench sgd {rule}")
    fast = timings["at once"].cpu_median
    return {
        "rule": rule,
        "times_as_written": round(timings["as written"].cpu_median / fast, 2),
        "times_vectorised": round(timings["plain vectorised"].cpu_median / fast, 2),
        "difference": difference,
        "timings": {name: timing.as_json() for name, timing in timings.items()},
    }


def main() -> None:
    """All three rules."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    start = deeplabv2("resnet101", num_classes=19)
    results = [bench_rule(start, rule) for rule in BARS]
    header = ["backbone tensors", *(f"{name}, ms" for name in VARIANTS)]
    header += ["times as written", "bar", "times vectorised", "off float64"]
    rows = []
    for row in results:
        line = [f"{row['rule']}: {WHAT[row['rule']]}", *(row["timings"][name]["cpu_median"] * 1e3 for name in VARIANTS)]
        line += [row["times_as_written"], BARS[row["rule"]] or "", row["times_vectorised"], f"{row['difference']:.1e}"]
        rows.append(line)
    settings = {"parameters": sum(each.numel() for each in start.parameters()), "steps_compared": STEPS}
    bars = []
    for row in results:
        bars += bar(f"optimiser step, {row['rule']}, times as written", row["times_as_written"], BARS[row["rule"]])
    write_results("sgd", 1, settings, results, markdown_table(header, rows), bars)


if __name__ == "__main__":
    main()
