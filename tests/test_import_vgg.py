"""torchvision's VGG-16 on ImageNet as Cross City's network: fully connected layers become convolutions."""

import pytest
import torch
from safetensors.torch import load_file

from segadapt.core.errors import UserError
from segadapt.core.torchvision import torchvision
from segadapt.models import Architecture, build
from segadapt.models.importing import import_weights
from segadapt.models.importing.vgg import KINDS
from segadapt.models.loading import load_backbone
from segadapt.models.networks import vgg
from segadapt.models.networks.vgg import VggBackbone

CHANNELS, WIDE = (2, 3, 4, 5, 6), 8


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(vgg.BACKBONES, "toy_vgg", VggBackbone(CHANNELS, WIDE, dilation=1))


def theirs():
    """A thin VGG-16 in torchvision's layout, drawn at random."""
    layers, before = [], 3
    for depth, channels in zip(vgg.DEPTHS, CHANNELS, strict=True):
        for _ in range(depth):
            layers += [torch.nn.Conv2d(before, channels, 3, padding=1), torch.nn.ReLU(inplace=True)]
            before = channels
        layers.append(torch.nn.MaxPool2d(2, 2))
    model = torchvision.models.VGG(torch.nn.Sequential(*layers), num_classes=5)
    model.classifier[0] = torch.nn.Linear(CHANNELS[-1] * 49, WIDE)
    model.classifier[3], model.classifier[6] = torch.nn.Linear(WIDE, WIDE), torch.nn.Linear(WIDE, 5)
    return model.double().eval()


def imported(tensors, folder):
    torch.save(tensors, folder / "vgg.pth")
    return import_weights(folder / "vgg.pth", folder / "ours.safetensors")


def test_features_of_a_map_of_seven_are_theirs(tmp_path):
    model = theirs()
    done = imported(model.state_dict(), tmp_path)
    assert (done.kind, done.architecture.backbone, done.architecture.input) == (
        "torchvision_vgg",
        "toy_vgg",
        "imagenet",
    )
    assert done.architecture.num_classes is None and {key for key, _ in done.left_out} == {
        "classifier.6.weight",
        "classifier.6.bias",
    }
    ours = build(Architecture("toy_vgg", 2)).double().eval()
    found = load_file(tmp_path / "ours.safetensors")
    missing, unexpected = ours.load_state_dict(found, strict=False)
    assert not unexpected and {name.split(".")[0] for name in missing} == {"score", "upscore"}
    # What is dilated differs from theirs by design; the layers up to the third pooling, and the two wide ones, do not.
    image_BCHW = torch.rand(2, 3, 48, 64, dtype=torch.float64)
    features = image_BCHW
    for block, depth in enumerate(vgg.DEPTHS[:3], 1):
        for number in range(1, depth + 1):
            features = getattr(ours, f"conv{block}_{number}")(features).relu()
        features = torch.nn.functional.max_pool2d(features, 2)
    torch.testing.assert_close(features, model.features[:17](image_BCHW), rtol=1e-6, atol=1e-7)
    map_BCHW = torch.rand(2, CHANNELS[-1], 7, 7, dtype=torch.float64)
    wide = ours.fc7(ours.fc6(map_BCHW)[:, :, 3:4, 3:4].relu()).flatten(1)
    torch.testing.assert_close(wide, model.classifier[:4](map_BCHW.flatten(1)), rtol=1e-6, atol=1e-7)


def test_the_names_are_those_of_torchvision_s_own_network():
    with torch.device("meta"):
        expected = {name: tuple(each.shape) for name, each in torchvision.models.vgg16().state_dict().items()}
        own = {name: tuple(each.shape) for name, each in build(Architecture("vgg16", 2)).state_dict().items()}
    kind, renamed = KINDS["torchvision_vgg"], {}
    for name, shape in expected.items():
        if name.startswith("classifier.6."):
            continue
        for old, new in kind.renamed:
            name = new + name.removeprefix(old) if name.startswith(old) else name
        side = kind.convolved.get(name)
        renamed[name] = shape if side is None else (shape[0], shape[1] // side**2, side, side)
    assert renamed == {name: shape for name, shape in own.items() if name.split(".")[0] not in vgg.Vgg.heads}


@pytest.mark.parametrize(
    ("key", "tensor", "told"),
    [
        ("features.2.weight", None, "1 missing: conv1_2.weight"),
        ("features.99.weight", torch.zeros(1), "1 unexpected: features.99.weight"),
        ("classifier.0.weight", torch.zeros(WIDE, 48), "1 of another shape: fc6.weight is (8, 48), not (8, 6, 7, 7)"),
        ("classifier.3.bias", torch.full((WIDE,), float("nan")), "fc7.bias holds a value that is not finite"),
        ("classifier.0.weight", torch.zeros(9, CHANNELS[-1] * 49), "is no VGG-16 that segadapt knows"),
    ],
)
def test_another_file_is_refused(tmp_path, key, tensor, told):
    tensors = theirs().float().state_dict()
    tensors.pop(key, None)
    if tensor is not None:
        tensors[key] = tensor
    with pytest.raises(UserError) as caught:
        imported(tensors, tmp_path)
    assert told in str(caught.value) and not (tmp_path / "ours.safetensors").exists()


def test_a_network_starts_from_it(tmp_path):
    tensors = theirs().float().state_dict()
    imported(tensors, tmp_path)
    ours = build(Architecture("toy_vgg", 2))
    assert 0.9 < load_backbone(tmp_path / "ours.safetensors", ours) < 1
    assert torch.equal(ours.fc7.weight.flatten(1), tensors["classifier.3.weight"])
