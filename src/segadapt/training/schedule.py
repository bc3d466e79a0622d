"""How learning rates go, by the names that ``annealing`` has in params.yaml."""

from collections.abc import Callable

from segadapt.core.parameters.learning import Annealing, Linear, Poly
from segadapt.core.parameters.training import Schedule

INVERSE_SLOPE = 10.0
"""Of progress from 0 to 1; source: MaxSquareLoss, section 4.5, after Ganin and Lempitsky 2015."""


def scaled_rate(training: Schedule) -> float:
    """The backbone's learning rate before it is annealed."""
    return training.learning_rate * (training.batch_size**0.5 if training.rate_of_image else 1.0)


def learning_rate(step: int, base: float, horizon: int, annealing: Annealing) -> float:
    """The rate of the update number ``step`` (from 0) by a section of ``segadapt.core.parameters.learning``."""
    assert horizon > 0 and step >= 0, f"step {step} of a schedule of {horizon} steps"
    return ANNEALING[annealing.name](step, base, horizon, annealing)


def poly_learning_rate(step: int, base: float, horizon: int, power: float = 0.9) -> float:
    """``base * (1 - step / horizon) ** power`` for the update number ``step`` (from 0); 0 from the horizon on.

    The released code has no clamp: past the horizon its rate would be a complex number
    (MaxSquareLoss ``tools/train_source.py``, ``poly_lr_scheduler``).
    """
    return base * (1.0 - min(step, horizon) / horizon) ** power


def inverse_learning_rate(step: int, base: float, horizon: int, power: float = 0.75) -> float:
    """``base / (1 + 10 p) ** power`` for the update number ``step`` (from 0) at progress p = step / horizon."""
    return base / (1.0 + INVERSE_SLOPE * step / horizon) ** power


def _poly(step: int, base: float, horizon: int, its: Poly) -> float:
    """Warm-up: mmcv's linear one (``mmcv/runner/hooks/lr_updater.py``), with which SegFormer and DAFormer train."""
    rate = poly_learning_rate(step, base, horizon, its.power)
    return rate * _warm(step, its.warm_up, its.warm_up_ratio) if step < its.warm_up else rate


def _linear(step: int, base: float, horizon: int, its: Linear) -> float:
    if step < its.warm_up:
        return base * _warm(step, its.warm_up, its.warm_up_ratio)
    return base * (horizon - min(step, horizon)) / (horizon - its.warm_up)


def _warm(step: int, warm_up: int, ratio: float) -> float:
    return 1.0 - (1.0 - step / warm_up) * (1.0 - ratio)


ANNEALING: dict[str, Callable[..., float]] = {
    "poly": _poly,
    "linear": _linear,
    "inverse": lambda step, base, horizon, its: inverse_learning_rate(step, base, horizon, its.power),
    "constant": lambda step, base, horizon, its: base,
}
