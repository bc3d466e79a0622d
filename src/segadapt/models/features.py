"""What a network's final head reads: the features that its logits are made of."""

from collections.abc import Callable

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.network import Network


def num_features(model: Network) -> int:
    """Channels of the map that the first of the network's heads reads."""
    head = model.get_submodule(model.heads[0])
    return next(each for each in head.parameters() if each.ndim > 1).shape[1]


def with_features(model: Network) -> Callable[[Tensor], tuple[Tensor | None, ...]]:
    """The network as a function that returns features_BFHW behind its two maps of logits, in one pass.

    UserError if its head reads anything but one map.
    """
    head = model.get_submodule(model.heads[0])

    def forward(image_BCHW: Tensor) -> tuple[Tensor | None, ...]:
        read: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
        try:
            final_BCHW, low_BCHW = model(image_BCHW)[:2]
        finally:
            hook.remove()
        if len(read) != 1 or not isinstance(read[0], Tensor):
            raise UserError(
                f"the head of {type(model).__name__} reads several maps, and a discriminator one; align features of "
                "another backbone"
            )
        return final_BCHW, low_BCHW, read[0]

    return forward
