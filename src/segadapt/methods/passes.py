"""What goes through the network in a training step, and what is minimised on its predictions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from torch import Tensor, nn

from segadapt.data.batches.batch import Batch


@dataclass(frozen=True)
class Prediction:
    """Logits at network resolution; ``logits_low_BCHW`` is None without the auxiliary head.

    ``features_BFHW`` are what a classifier's logits are a linear function of, or an encoder's last stage, of networks
    that give them. ``logits_detail_BCHW`` are those of a part of the images alone, its rows and columns ``box``, of a
    network that looks at one in detail (``segadapt.models.networks.hrda``).
    """

    logits_final_BCHW: Tensor
    logits_low_BCHW: Tensor | None
    features_BFHW: Tensor | None = None
    logits_detail_BCHW: Tensor | None = None
    box: tuple[slice, slice] | None = None

    def split(self, sizes: list[int]) -> tuple["Prediction", ...]:
        """Those on the first images of the batch, on the next ones, and so on."""
        parts = [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]
        return (self,) if len(sizes) == 1 else tuple(self.changed(lambda each, own=own: each[own]) for own in parts)

    def changed(self, change: Callable[[Tensor], Tensor]) -> "Prediction":
        """With every tensor changed."""
        tensors = self.logits_final_BCHW, self.logits_low_BCHW, self.features_BFHW, self.logits_detail_BCHW
        return Prediction(*(each if each is None else change(each) for each in tensors), self.box)


@dataclass(frozen=True)
class Step:
    """What a method may know of a step, ``number`` from 0; its batches are on the device, augmented.

    ``progress`` of the schedule in [0, 1]. ``model`` is the network that is trained. ``rate(base)`` is the learning
    rate at this step of what begins with ``base`` (by default the network's) on its schedule. ``predict(network,
    image_BHWC)`` passes whole uint8 images through any network, or a function of such a one's input, as the trainer
    feeds its own; whoever calls it says whether a gradient is wanted.
    """

    number: int
    progress: float
    source: Batch
    target: Batch | None
    model: nn.Module
    rate: Callable[..., float]
    predict: Callable[[nn.Module, Tensor], Prediction]


@dataclass(frozen=True)
class Pass:
    """Batches that go through the network as one, so that batch norm sees them together.

    ``losses(*predictions)``, a prediction a batch, gives scalars by the history's columns; their sum is minimised.
    ``name`` tells the pass from others of the step, also in what dropout draws. With ``learns`` False no graph is made:
    nothing but the statistics of batch norm moves. ``more`` is what else ``forward`` is given of each image, by name.
    """

    name: str
    batches: tuple[Batch, ...]
    losses: Callable[..., dict[str, Tensor]]
    learns: bool = True
    more: Mapping[str, Tensor] = field(default_factory=dict)


def joined(name: str, *passes: Pass) -> Pass:
    """Passes of one batch each as a single one."""

    def losses(*predictions: Prediction) -> dict[str, Tensor]:
        parts = [each.losses(prediction) for each, prediction in zip(passes, predictions, strict=True)]
        return {column: loss for part in parts for column, loss in part.items()}

    return Pass(name, tuple(batch for each in passes for batch in each.batches), losses)
