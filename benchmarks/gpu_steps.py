"""Training steps for ``gpu.py``: one adaptation step with a multi-level objective, in one mode after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from gpu_reference import AUXILIARY, LAMBDA_TARGET, LEARNING_RATE, ReferenceStep
from losses import ALPHA, CLASSES, GUIDANCE, IGNORED, THRESHOLD
from torch import Tensor, nn

from segadapt.losses import ImageWeight, cross_entropy, guidance, max_squares
from segadapt.models import BATCHNORM_POLICIES, apply_batchnorm_policy, deeplabv2, to_input
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


EAGER_MODES = (
    Mode("ours, TF32, channels-last"),
    Mode("ours, bf16, channels-last", bf16=True, graph=True),
    Mode("as written, TF32", reference=True),
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
        size = tuple(source_BHWC.shape[1:3])
        final, low = self._predict(source_BHWC)
        source_loss = cross_entropy(final, label_BHW, size) + AUXILIARY * cross_entropy(low, label_BHW, size)
        source_loss.backward()
        size = tuple(target_BHWC.shape[1:3])
        final, low = self._predict(target_BHWC)
        target_loss = max_squares(final, size, image_weight=self.weight)
        target_loss = LAMBDA_TARGET * (target_loss + GUIDANCE * guidance(low, final, size, THRESHOLD))
        target_loss.backward()
        self.optimiser.step(LEARNING_RATE)
        self.optimiser.zero_grad()
        return source_loss.detach(), target_loss.detach()

    def _predict(self, image_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        image_BCHW = to_input(image_BHWC)
        with torch.autocast(image_BHWC.device.type, torch.bfloat16, enabled=self.bf16):
            return self.forward(image_BCHW)


def capture(call: Callable, warm_ups: int = 3) -> tuple[Callable[[], None], Any]:
    """(a replay of what a call gives the device, what the call returned, whose tensors each replay fills anew).

    It fails if the call waits for the device.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(warm_ups):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = call()
    return graph.replay, made


def captured_step(step: Callable, batch: tuple[Tensor, ...]) -> Callable:
    """The step as a CUDA graph, which reads its batch from tensors of its own."""
    inputs = [each.clone() for each in batch]
    replay, losses = capture(lambda: step(*inputs))

    def replayed(*given: Tensor) -> tuple[Tensor, Tensor]:
        for mine, new in zip(inputs, given, strict=True):
            mine.copy_(new)
        replay()
        return losses

    return replayed


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
