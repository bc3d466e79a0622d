"""The polynomial learning-rate schedule of DeepLab."""


def poly_learning_rate(step: int, base: float, horizon: int, power: float = 0.9) -> float:
    """``base * (1 - step / horizon) ** power`` for the update number ``step`` (from 0); 0 from the horizon on.

    The released code has no clamp: past the horizon its rate would be a complex number
    (MaxSquareLoss ``tools/train_source.py``, ``poly_lr_scheduler``).
    """
    assert horizon > 0 and step >= 0, f"step {step} of a schedule of {horizon} steps"
    return base * (1.0 - min(step, horizon) / horizon) ** power
