"""The network, how it computes, and how it learns."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from segadapt.core.parameters.learning import Annealing, Optimiser, Poly, RepeatedSgd
from segadapt.core.parameters.section import ClassSetName, Count, Fraction, Name, PathText, Section, Size, Whole

TORCH_SUFFIXES = (".pth", ".pt", ".tar", ".pkl")
"""Of weights that must be imported before they are used."""
Margin = Annotated[float, Field(ge=0, lt=0.5)]


class BatchNormPolicy(Section):
    """Four switches that authors call "frozen batch norm" without saying which; see ``segadapt.models.batchnorm``.

    ``batch_statistics``: in training, normalise by the batch's own mean and variance (else by the running ones).
    ``update_running``: in training, move the running statistics (momentum 0.1); needs ``batch_statistics``.
    ``train_affine``: the weight and bias of every batch norm get gradients.
    ``train_stem_affine``: those of the stem's ``bn1`` do too; needs ``train_affine``.

    In evaluation the running statistics are used and stay as they are, whatever the switches say.
    """

    batch_statistics: bool = True
    update_running: bool = True
    train_affine: bool = True
    train_stem_affine: bool = False

    @model_validator(mode="after")
    def _agree(self) -> "BatchNormPolicy":
        if self.update_running and not self.batch_statistics:
            raise ValueError(
                "update_running is true but batch_statistics is false; running statistics move only when the batch's "
                "own are computed, so set both or neither"
            )
        if self.train_stem_affine and not self.train_affine:
            raise ValueError(
                "train_stem_affine is true but train_affine is false; set train_affine to true, or train_stem_affine "
                "to false"
            )
        return self


class ModelSettings(Section):
    """The network, where its first weights come from, and what its input looks like.

    ``input`` is null for what the initial weights say (``caffe`` without any); another value that contradicts
    them is refused. ``bottleneck`` is for classifiers: the width of a layer between the pooled features and the
    classes, null for none.
    """

    backbone: str
    classes: ClassSetName
    initial_weights: PathText | None = None
    initialisation: Literal["released", "kaiming"] = "released"
    input: Literal["caffe", "caffe_vgg", "imagenet"] | None = None
    bottleneck: Count | None = None
    batch_norm: BatchNormPolicy = BatchNormPolicy()

    @field_validator("initial_weights")
    @classmethod
    def _ours(cls, value: str | None) -> str | None:
        if value is not None and value.endswith(TORCH_SUFFIXES):
            ours = f"{value.rpartition('.')[0]}.safetensors"
            raise ValueError(
                f"{value} is a file of torch; convert it once with 'segadapt import-weights {value} {ours}' and name "
                "that one"
            )
        return value


class Precision(Section):
    """Speed switches (docs/performance.md). All off gives the same bytes on the same CPU every time.

    ``bf16``, ``tf32`` and ``channels_last`` are how the network computes. ``compile`` fuses its operations in training
    by ``torch.compile``. ``cuda_graphs`` records a whole training step and replays it, on a GPU, in runs without
    adversarial training.
    """

    bf16: bool = False
    tf32: bool = False
    channels_last: bool = False
    compile: bool = False
    cuda_graphs: bool = False


class RareClassSettings(Section):
    """Rare-class sampling of source images (DAFormer): a class c of share f of the labelled pixels is drawn with
    probability proportional to exp((1 - f) / ``temperature``), then an image with more than ``image_pixels`` of it,
    then, of at most ten windows, one with more than ``crop_pixels``; counted in the cache, whatever its size.
    """

    temperature: Annotated[float, Field(gt=0)] = 0.01
    image_pixels: Annotated[Whole, Field(ge=0)] = 3000
    crop_pixels: Annotated[Whole, Field(ge=0)] = 1500


class Margins(Section):
    """Shares of an image's height and width, from its edges, that are left out."""

    top: Margin = 0.0
    bottom: Margin = 0.0
    left: Margin = 0.0
    right: Margin = 0.0


class Schedule(Section):
    """For how long, how fast and on how changed images a network learns.

    ``optimiser`` and ``annealing``, the learning rate's way, are sections of several kinds, or a kind's name alone
    (``segadapt.core.parameters.learning``). The rate ends at ``horizon`` steps; ``steps`` is where training stops.
    The network is updated every ``accumulate`` steps, by the mean of their gradients.
    ``processes`` split each batch in equal parts, on a GPU each (docs/cluster.md).
    Heads learn at ``head_factor`` times the backbone's rate, ``learning_rate``; with ``rate_of_image`` that is for a
    batch of one image and grows with the root of the batch (VFM-UDA).
    ``auxiliary_weight`` is that of the low head's loss with labels, or of a detail's, in the place of that share.
    ``joint_batch`` passes source and target images through the network as one batch, so that batch norm sees both
    domains at once.
    ``mirror`` to ``crop``: see ``segadapt.data.batches.augment.Augmentation``; the paper uses the first two.
    Of at most ten random windows of a source image, that one is ``crop``'s in which no class has ``crop_largest_share``
    of the labelled pixels; ``synchronised_crop`` puts the windows of both domains at the same place.
    ``target_margins`` of a target image, where a camera's car or a frame is, have no pseudo-labels that count.
    ``snapshots`` models are kept on the way, evenly spaced, so that ways to choose a step can be compared.
    """

    steps: Count
    horizon: Count
    batch_size: Count = 1
    accumulate: Count = 1
    processes: Count = 1
    learning_rate: Annotated[float, Field(gt=0)] = 2.5e-4
    head_factor: Annotated[float, Field(gt=0)] = 10.0
    rate_of_image: bool = False
    optimiser: Optimiser = RepeatedSgd()
    annealing: Annealing = Poly()
    auxiliary_weight: Annotated[float, Field(ge=0)] = 0.1
    joint_batch: bool = False
    mirror: Fraction = 0.5
    blur: Fraction = 0.5
    colour: Fraction = 0.0
    zoom: Annotated[float, Field(ge=1)] = 1.0
    crop: Size | None = None
    crop_largest_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    synchronised_crop: bool = False
    rare_classes: RareClassSettings | None = None
    target_margins: Margins | None = None
    snapshots: Annotated[Whole, Field(ge=0)] = 0

    @property
    def snapshot_steps(self) -> tuple[int, ...]:
        """After how many finished steps a snapshot is kept; the last step is the model itself and none of them."""
        parts = self.snapshots + 1
        return tuple(part * self.steps // parts for part in range(1, parts))


class TrainingSettings(Schedule):
    """One training stage of a segmentation network: its schedule, and the caches that it reads.

    ``later`` has the target's places at another time, ``static`` maps of what stands still in its images: for methods
    that ask for one of the two (docs/crosscity.md).
    """

    source: Name
    target: Name | None = None
    later: Name | None = None
    static: Name | None = None
