"""A GPU works while the program goes on, until the program looks at a value or at how many values there are."""

from torch import Tensor


def on_host(tensor: Tensor) -> bool:
    """Whether looking at the values costs nothing."""
    return tensor.device.type == "cpu"
