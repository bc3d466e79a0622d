"""How learning rates fall: DeepLab's polynomial, and the inverse power of classification papers."""


def poly_learning_rate(step: int, base: float, horizon: int, power: float = 0.9) -> float:
    """``base * (1 - step / horizon) ** power`` for the update number ``step`` (from 0); 0 from the horizon on.

    The released code has no clamp: past the horizon its rate would be a complex number
    (MaxSquareLoss ``tools/train_source.py``, ``poly_lr_scheduler``).
    """
    assert horizon > 0 and step >= 0, f"step {step} of a schedule of {horizon} steps"
    return base * (1.0 - min(step, horizon) / horizon) ** power


INVERSE_SLOPE = 10.0
"""Of progress from 0 to 1; source: MaxSquareLoss, section 4.5, after Ganin and Lempitsky 2015."""


def inverse_learning_rate(step: int, base: float, horizon: int, power: float = 0.75) -> float:
    """``base / (1 + 10 p) ** power`` for the update number ``step`` (from 0) at progress p = step / horizon."""
    assert horizon > 0 and step >= 0, f"step {step} of a schedule of {horizon} steps"
    return base / (1.0 + INVERSE_SLOPE * step / horizon) ** power


ANNEALING = {"poly": poly_learning_rate, "inverse": inverse_learning_rate}
"""By the name that ``annealing`` has in params.yaml."""
