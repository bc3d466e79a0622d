"""Training steps for ``gpu.py``: one adaptation step with a multi-level objective, in one mode after the other."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from gpu_reference import AUXILIARY, LAMBDA_TARGET, LEARNING_RATE, ReferenceStep
from loss_baselines import ALPHA, CLASSES, GUIDANCE, IGNORED, THRESHOLD
from torch import Tensor, nn

from segadapt.data.batches.batch import Batch
from segadapt.data.batches.device_augment import augment_on_device
from segadapt.data.batches.draws import Draws
from segadapt.losses import ImageWeight, cross_entropy, guidance, max_squares
from segadapt.models import BATCHNORM_POLICIES, apply_batchnorm_policy, deeplabv2, to_input
from segadapt.training.graphs import CudaRecorder, GraphedStep
from segadapt.training.optimiser import RepeatedSGD, parameter_groups

BATCHES = 4


@dataclass(frozen=True)
class Mode:
    """How a step is run. ``reference`` is the released code's way, in the default memory layout.

    ``graph``: that it is run as a CUDA graph, too.
    """

    name: str
    reference: bool = False
    tf32: bool = True
    bf16: bool = False
    compiled: bool = False
    graph: bool = False

    @property
    def kind(self) -> str:
        """Whose matrix products bound it: "bf16", "tf32" or "fp32"."""
        return "bf16" if self.bf16 else "tf32" if self.tf32 else "fp32"


# What all others are compared with comes first, what matters least last: time may run out.
EAGER_MODES = (
    Mode("as written, TF32", reference=True),
    Mode("ours, bf16, channels-last", bf16=True, graph=True),
    Mode("ours, TF32, channels-last"),
    Mode("as written, strict fp32", reference=True, tf32=False),
)
COMPILED_MODES = (Mode("ours, bf16, channels-last, compiled", bf16=True, compiled=True, graph=True),)
AS_GRAPH = ", CUDA graph"


@dataclass(frozen=True)
class Problem:
    """What is trained: a backbone, the sizes (H, W) of both domains' images, and the device."""

    backbone: str
    source: tuple[int, int]
    target: tuple[int, int]
    device: torch.device

    def batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For ever the same few batches, on the device: source and target images uint8 (1, H, W, 3), labels uint8."""
        generator = torch.Generator().manual_seed(1)
        made = []
        for _ in range(BATCHES):
            images = [_image(size, generator).to(self.device) for size in (self.source, self.target)]
            coarse = torch.randint(0, CLASSES, (1, 1, 9, 16), generator=generator).float()
            label_BHW = nn.functional.interpolate(coarse, self.source).byte()[0]
            label_BHW[:, : self.source[0] // 10] = IGNORED
            made.append((images[0], label_BHW.to(self.device), images[1]))
        while True:
            yield from made

    def model(self, channels_last: bool) -> nn.Module:
        """The same random weights every time, in training mode as released.

        Heads have larger weights than one would train from: some pixels must be certain, for without any the released
        guidance is not a number.
        """
        model = deeplabv2(self.backbone, num_classes=CLASSES)
        for head in (model.layer5, model.layer6):
            for branch in head.conv2d_list:
                branch.weight.data.mul_(4 * (2048 / branch.in_channels) ** 0.5)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        model = model.to(self.device, memory_format=layout)
        apply_batchnorm_policy(model, BATCHNORM_POLICIES["released"])
        return model


def _image(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    coarse = torch.rand(1, 3, 12, 20, generator=generator) * 255
    smooth = nn.functional.interpolate(coarse, size, mode="bicubic").permute(0, 2, 3, 1)
    return (smooth + 8 * torch.randn(smooth.shape, generator=generator)).clamp(0, 255).byte()


class OurStep:
    """segadapt's own losses, batch norm and optimiser; returns both losses as tensors, so that nothing waits."""

    def __init__(self, model: nn.Module, forward: Callable, bf16: bool) -> None:
        self.forward, self.bf16 = forward, bf16
        self.optimiser = RepeatedSGD(parameter_groups(model), repeated_updates="modern")
        self.weight = ImageWeight(ALPHA)

    def __call__(self, source_BHWC: Tensor, label_BHW: Tensor, target_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        return self.train(LEARNING_RATE, Batch(source_BHWC, label_BHW), Batch(target_BHWC, None))

    def train(self, rate: float | Tensor, source: Batch, target: Batch) -> tuple[Tensor, Tensor]:
        """One step at a learning rate, which a recording has on the device."""
        size = source.size
        final, low = self._predict(source.image_BHWC)
        source_loss = cross_entropy(final, source.label_BHW, size)
        source_loss = source_loss + AUXILIARY * cross_entropy(low, source.label_BHW, size)
        source_loss.backward()
        size = target.size
        final, low = self._predict(target.image_BHWC)
        target_loss = max_squares(final, size, image_weight=self.weight)
        target_loss = LAMBDA_TARGET * (target_loss + GUIDANCE * guidance(low, final, size, THRESHOLD))
        target_loss.backward()
        self.optimiser.step(rate)
        self.optimiser.zero_grad()
        return source_loss.detach(), target_loss.detach()

    def _predict(self, image_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        image_BCHW = to_input(image_BHWC)
        with torch.autocast(image_BHWC.device.type, torch.bfloat16, enabled=self.bf16):
            return self.forward(image_BCHW)


def recorded(step: OurStep) -> Callable:
    """The step as a CUDA graph, as a training run has it: its first calls run one operation at a time."""
    graphed = GraphedStep(step.train, CudaRecorder())

    def replayed(source_BHWC: Tensor, label_BHW: Tensor, target_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        return graphed(LEARNING_RATE, Batch(source_BHWC, label_BHW), Batch(target_BHWC, None))

    return replayed


def augmenting(step: Callable) -> Callable:
    """A step that mirrors and blurs first, as ours do in training: every other image each, at a middling radius.

    The released code leaves that to its loader's processes, so its steps have nothing to add.
    """
    turns = itertools.cycle([(True, None), (False, 0.5), (False, None), (True, 0.5)])

    def augmented(source_BHWC: Tensor, label_BHW: Tensor, target_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        source_BHWC, label_BHW = augment_on_device(source_BHWC, label_BHW, [Draws(*next(turns))])
        target_BHWC, _ = augment_on_device(target_BHWC, None, [Draws(*next(turns))])
        return step(source_BHWC, label_BHW, target_BHWC)

    return augmented


def set_precision(tf32: bool) -> None:
    """Whether float32 products and convolutions may round their factors to TF32."""
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def make_step(mode: Mode, problem: Problem, may_compile: bool = True) -> tuple[Callable, dict]:
    """(a step on uint8 batches, the losses of its first call); unless it ``may_compile`` it stays as it is."""
    model = problem.model(channels_last=not mode.reference)
    batch = next(problem.batches())
    if mode.reference:
        reference = ReferenceStep(model)

        def step(source: Tensor, label: Tensor, target: Tensor) -> tuple[float, float]:
            images = [to_input(each).contiguous() for each in (source, target)]
            return reference(images[0], label.long(), images[1])
    else:
        forward = torch.compile(model, dynamic=False) if mode.compiled and may_compile else model
        step = OurStep(model, forward, mode.bf16)
    first = [float(each) for each in step(*batch)]
    return step, {"first_source_loss": first[0], "first_target_loss": first[1]}
