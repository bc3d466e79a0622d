"""torchvision: imported with and without its compiled operators, and what of ours is the same as its own."""

import subprocess
import sys

import numpy
import pytest
import tiny
import torch
from PIL import Image

from segadapt.core.torchvision import torchvision
from segadapt.labels import CITYSCAPES19
from segadapt.models import Architecture, build, initialise
from segadapt.reporting.figures.photographs import OPACITY, class_map, overlay

OPERATORS = """
LIBRARY = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    LIBRARY.impl(name, lambda boxes, scores, threshold: torch.tensor([7]), "CPU")
"""
DESCRIPTIONS = """
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda boxes, scores, threshold: boxes)
"""
IMPORTED = """
import torch
from segadapt.core import torchvision
print(hasattr(torchvision, "_DECLARED"))
try:
    print(torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5).item())
except NotImplementedError:
    print("nothing behind it")
"""


@pytest.mark.parametrize(("operators", "told"), [("", "True\nnothing behind it\n"), (OPERATORS, "False\n7\n")])
def test_operators_are_declared_only_where_they_are_missing(tmp_path, operators, told):
    package = tmp_path / "torchvision"
    (package / "transforms/v2").mkdir(parents=True)
    for name in ("transforms/__init__.py", "transforms/v2/__init__.py", "transforms/v2/functional.py"):
        (package / name).touch()
    (package / "__init__.py").write_text(f"import torch\n{operators}{DESCRIPTIONS}")
    environment = tiny.environment(tiny.REPOSITORY)
    environment["PYTHONPATH"] = f"{tmp_path}:{tiny.REPOSITORY / 'src'}"
    result = subprocess.run([sys.executable, "-c", IMPORTED], env=environment, capture_output=True, text=True)
    assert (result.stdout, result.returncode) == (told, 0), result.stderr


@pytest.mark.parametrize("placement", ["3x3", "first_1x1"])
def test_our_resnet50_is_torchvisions(placement):
    ours = build(Architecture("resnet50", 31, auxiliary=False, stride_placement=placement, task="classification"))
    ours = initialise(ours, 5, "kaiming")
    theirs = torchvision.models.resnet50()
    theirs.fc = torch.nn.Identity()
    shared = {name: each for name, each in ours.state_dict().items() if not name.startswith("layer6.")}
    theirs.load_state_dict(shared)
    if placement == "first_1x1":
        for layer in (theirs.layer2, theirs.layer3, theirs.layer4):
            layer[0].conv1.stride, layer[0].conv2.stride = layer[0].conv2.stride, layer[0].conv1.stride
    seen = {}
    for name, model in (("ours", ours), ("theirs", theirs)):
        for layer in ("conv1", "layer1", "layer2", "layer3", "layer4"):
            keep = lambda module, inputs, output, key=(name, layer): seen.update({key: output})  # noqa: E731
            getattr(model, layer).register_forward_hook(keep)
    images = torch.randn(3, 3, 61, 75, generator=torch.Generator().manual_seed(1))
    for training in (False, True):
        features = [model.train(training)(images) for model in (ours, theirs)]
        for layer in ("conv1", "layer1", "layer2", "layer3", "layer4"):
            assert torch.equal(seen["ours", layer], seen["theirs", layer]), layer
        # The mean of a map may be summed in another order.
        torch.testing.assert_close(features[0][2].flatten(1), features[1], rtol=1e-6, atol=1e-6)
    features[0][2].sum().backward(), features[1].sum().backward()
    slopes = {name: each.grad for name, each in ours.named_parameters()}
    for name, each in theirs.named_parameters():
        torch.testing.assert_close(slopes[name], each.grad, rtol=1e-4, atol=1e-5, msg=name)
    for name, each in theirs.named_buffers():
        assert torch.equal(ours.state_dict()[name], each), name


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48)])
def test_an_overlay_has_the_bytes_of_torchvisions(size):
    random = numpy.random.default_rng(3)
    image_HWC = random.integers(0, 256, (*size, 3), dtype=numpy.uint8)
    label_HW = random.integers(0, len(CITYSCAPES19), size, dtype=numpy.uint8)
    ours = overlay(Image.fromarray(image_HWC), class_map(label_HW, CITYSCAPES19))
    masks_CHW = torch.from_numpy(label_HW) == torch.arange(len(CITYSCAPES19))[:, None, None]
    theirs_CHW = torchvision.utils.draw_segmentation_masks(
        torch.from_numpy(image_HWC).permute(2, 0, 1), masks_CHW, alpha=OPACITY, colors=list(CITYSCAPES19.palette)
    )
    assert numpy.array_equal(numpy.asarray(ours), theirs_CHW.permute(1, 2, 0).numpy())
