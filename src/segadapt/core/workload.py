"""What networks have to compute, as counts: which pass over which images, and the operations of such a pass."""

from collections import Counter
from dataclasses import dataclass, fields

SMALLEST_SIDE = 2**5
"""Pixels of a map for a discriminator: each of its five layers halves it, rounding down, and one score must be left."""


@dataclass(frozen=True)
class NetworkPass:
    """A network over one batch: of segmentation, or an image classifier by ``task``, perhaps with a ``bottleneck``.

    ``size`` is (width, height) in pixels. ``learns``: the pass is followed by its backward, from every head, to the
    parameters and not to the image. ``stride_placement`` is None where nobody has said it: the network's default.
    The three switches of batch norm are those of ``BatchNormPolicy``.
    """

    backbone: str
    num_classes: int
    size: tuple[int, int]
    batch_size: int = 1
    learns: bool = False
    bf16: bool = False
    aspp_branches: int = 2
    auxiliary: bool = False
    stride_placement: str | None = None
    batch_statistics: bool = False
    train_affine: bool = True
    train_stem_affine: bool = False
    task: str = "segmentation"
    bottleneck: int | None = None


@dataclass(frozen=True)
class DiscriminatorPass:
    """A discriminator over the output maps of one batch, at (width, height) ``size``, and the backward that follows.

    ``learns``: to its own parameters; else to the map, for the segmentation network. Always in single precision.
    """

    num_channels: int
    width: int
    size: tuple[int, int]
    batch_size: int = 1
    learns: bool = False


Pass = NetworkPass | DiscriminatorPass


@dataclass(frozen=True)
class Operation:
    """One operation: floating-point operations (2 a multiply-add), bytes read and written, whether in 16 bits."""

    flops: int
    bytes: int
    half: bool = False


@dataclass(frozen=True)
class Work:
    """How often each operation is to be done, and the most bytes that what they make takes at a time.

    ``parameters`` are the network's, of which ``peak`` has the gradients alone.
    """

    operations: Counter[Operation]
    peak: int = 0
    parameters: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations, 2 a multiply-add; of convolutions and products of matrices alone."""
        return sum(operation.flops * count for operation, count in self.operations.items())

    @property
    def bytes(self) -> int:
        """Bytes read and written, every operation's inputs and outputs once."""
        return sum(operation.bytes * count for operation, count in self.operations.items())


@dataclass(frozen=True)
class Amount:
    """What jobs come to: training steps, images that are looked at outside training, FLOPs, bytes, seconds."""

    steps: int = 0
    scored_images: int = 0
    flops: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))
