"""Files of SegFormer, DAFormer, HRDA and MIC, on both encoders, built from lists of keys: read, told apart, refused."""

import json

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from PIL import Image

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.evaluation.opened import open_weights
from segadapt.models import Architecture, build, load_tensors, open_model, to_input
from segadapt.models.importing import import_weights
from segadapt.models.loading import load_backbone
from segadapt.models.networks import hrda, resnet_v1c
from segadapt.models.networks.deeplab import Backbone
from segadapt.models.networks.mit import BACKBONES, Sizes

WIDTHS, DEPTHS, HEAD, CLASSES = (4, 8, 20, 32), (1, 2, 1, 1), 6, 19


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(BACKBONES, "small", Sizes(WIDTHS, DEPTHS, HEAD))
    monkeypatch.setitem(hrda.BACKBONES, "hrda_small", "small")
    monkeypatch.setitem(hrda.LEAST_SIZES, "hrda_small", (64, 64))
    monkeypatch.setitem(resnet_v1c.BACKBONES, "v1c_small", Backbone((1, 2, 1, 1), width=4))


def pair(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    """A weight and its bias."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def normed_conv(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    statistics = {f"{name}.bn.{each}": shape[:1] for each in ("weight", "bias", "running_mean", "running_var")}
    return {f"{name}.conv.weight": shape, **statistics, f"{name}.bn.num_batches_tracked": ()}


def encoder() -> dict[str, tuple[int, ...]]:
    found, before = {}, 3
    for stage, (width, depth, side, ratio) in enumerate(
        zip(WIDTHS, DEPTHS, (7, 3, 3, 3), (8, 4, 2, 1), strict=True), 1
    ):
        found |= pair(f"patch_embed{stage}.proj", width, before, side, side) | pair(f"patch_embed{stage}.norm", width)
        for block in (f"block{stage}.{index}" for index in range(depth)):
            found |= pair(f"{block}.norm1", width) | pair(f"{block}.norm2", width)
            found |= pair(f"{block}.attn.q", width, width) | pair(f"{block}.attn.kv", 2 * width, width)
            found |= pair(f"{block}.attn.proj", width, width)
            if ratio > 1:
                found |= pair(f"{block}.attn.sr", width, width, ratio, ratio) | pair(f"{block}.attn.norm", width)
            found |= pair(f"{block}.mlp.fc1", 4 * width, width) | pair(f"{block}.mlp.fc2", width, 4 * width)
            found |= pair(f"{block}.mlp.dwconv.dwconv", 4 * width, 1, 3, 3)
        found |= pair(f"norm{stage}", width)
        before = width
    return found


def embedded(head: str) -> dict[str, tuple[int, ...]]:
    found = pair(f"{head}.conv_seg", CLASSES, HEAD, 1, 1)
    for index, width in enumerate(WIDTHS):
        found |= pair(f"{head}.embed_layers.{index}.proj", HEAD, width)
    return found


def fused(head: str) -> dict[str, tuple[int, ...]]:
    found, fuse = embedded(head), f"{head}.fuse_layer"
    found |= normed_conv(f"{fuse}.aspp_modules.0", HEAD, 4 * HEAD, 1, 1)
    for index in (1, 2, 3):
        found |= normed_conv(f"{fuse}.aspp_modules.{index}.depthwise_conv", 4 * HEAD, 1, 3, 3)
        found |= normed_conv(f"{fuse}.aspp_modules.{index}.pointwise_conv", HEAD, 4 * HEAD, 1, 1)
    return found | normed_conv(f"{fuse}.bottleneck", HEAD, 4 * HEAD, 3, 3)


def under(prefix: str, named: dict) -> dict:
    return {prefix + name: each for name, each in named.items()}


DAFORMER = under("backbone.", encoder()) | fused("decode_head")
ATTENTION = "decode_head.scale_attention"
HRDA = (
    under("backbone.", encoder()) | fused("decode_head.head") | embedded(ATTENTION)
    | normed_conv(f"{ATTENTION}.fuse_layer", HEAD, 4 * HEAD, 1, 1)
)  # fmt: skip


def with_statistics(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    found = {f"{name}.{each}": (channels,) for each in ("weight", "bias", "running_mean", "running_var")}
    return found | {f"{name}.num_batches_tracked": ()}


def dlv2(blocks=(1, 2, 1, 1), width=4) -> dict[str, tuple[int, ...]]:
    """A ResNet with a deep stem, and two dilated convolutions."""
    found, before = {}, 3
    for index, channels in ((0, width // 2), (3, width // 2), (6, width)):
        found |= {f"stem.{index}.weight": (channels, before, 3, 3)} | with_statistics(f"stem.{index + 1}", channels)
        before = channels
    for layer, count in enumerate(blocks, 1):
        inner = width * 2 ** (layer - 1)
        for name in (f"layer{layer}.{block}" for block in range(count)):
            for index, shape in enumerate(((inner, before, 1, 1), (inner, inner, 3, 3), (4 * inner, inner, 1, 1)), 1):
                found |= {f"{name}.conv{index}.weight": shape} | with_statistics(f"{name}.bn{index}", shape[0])
            if name.endswith(".0"):
                found |= {f"{name}.downsample.0.weight": (4 * inner, before, 1, 1)}
                found |= with_statistics(f"{name}.downsample.1", 4 * inner)
            before = 4 * inner
    head = [pair(f"decode_head.aspp_modules.{index}.conv", CLASSES, before, 3, 3) for index in (0, 1)]
    return under("backbone.", found) | head[0] | head[1]


SHAPES = {"daformer": DAFORMER, "hrda": HRDA, "daformer_dlv2": dlv2()}
NAMES = {"daformer": "small", "hrda": "hrda_small", "daformer_dlv2": "v1c_small"}
A_KEY = {"daformer_dlv2": "layer2.1.bn1.weight"}
CLASSIFIER = pair("head", 1000, WIDTHS[-1])


def tensors(shapes: dict, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    found |= {name: each.abs() + 0.5 for name, each in found.items() if name.endswith("running_var")}
    return {name: torch.tensor(7) if name.endswith("tracked") else each for name, each in found.items()}


def checkpoint(shapes: dict) -> dict:
    """As mmcv saves: the student, its teacher, the reference of the feature distance, an optimiser."""
    state = under("model.", tensors(shapes, 1)) | under("ema_model.", tensors(shapes, 2))
    return {
        "meta": {"epoch": 1, "iter": 40000, "CLASSES": ["road", "sidewalk"], "config": "model = dict()"},
        "state_dict": state | under("imnet_model.", tensors(shapes, 3)),
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 6e-5}]},
    }  # fmt: skip


def saved(folder, content) -> tuple:
    torch.save(content, folder / "theirs.pth")
    return folder / "theirs.pth", folder / "ours.safetensors"


def test_the_lists_have_the_published_numbers_of_entries():
    """An encoder of 16 entries a block (20 with coarser keys), 58 of the head, 16 of the attention."""
    blocks = sum(depth * (16 if stage == 3 else 20) for stage, depth in enumerate(DEPTHS))
    assert len(encoder()) == blocks + 4 * 4 + 4 * 2 and len(DAFORMER) - len(encoder()) == 58
    assert len(HRDA) - len(DAFORMER) == 16 and len(dlv2((3, 4, 23, 3))) == 640


def test_segformers_encoder_becomes_initial_weights(tmp_path, capsys):
    theirs = tensors(encoder())
    source, target = saved(tmp_path, theirs | tensors(CLASSIFIER))
    assert main(["import-weights", str(source), str(target)]) == 0
    printed = capsys.readouterr().out
    assert "backbone           small" in printed and "head.weight: the classifier of ImageNet" in printed
    kept, about = load_tensors(target)
    assert kept.keys() == under("backbone.", theirs).keys()
    assert Architecture.from_metadata(about, target).num_classes is None
    model = build(Architecture("small", 5, auxiliary=False, input="imagenet"))
    load_backbone(target, model)
    assert all(torch.equal(each, theirs[name]) for name, each in model.backbone.state_dict().items())


@pytest.mark.parametrize("kind", SHAPES)
def test_of_a_checkpoint_the_student_is_taken(tmp_path, capsys, kind):
    source, target = saved(tmp_path, checkpoint(SHAPES[kind]))
    assert main(["import-weights", str(source), str(target)]) == 0
    printed = capsys.readouterr().out
    assert "state_dict, names without 'model.'; passed over: " in printed and "optimizer" in printed
    model, about = open_model(target)
    own, name = tensors(SHAPES[kind], 1), NAMES[kind]
    assert own.keys() == model.state_dict().keys()
    assert all(torch.equal(each, own[key]) for key, each in model.state_dict().items())
    assert model.architecture == Architecture(name, 19, 2, False, "first_1x1", "imagenet", "cityscapes19")
    assert json.loads(about["import"])["matched_fraction"] == 1
    assert open_weights(target).long_side == (2048 if kind == "hrda" else 1024)
    import_weights(source, target, part="state_dict.ema_model")
    key = next(iter(own))
    assert torch.equal(open_model(target)[0].state_dict()[key], tensors(SHAPES[kind], 2)[key])


@pytest.mark.parametrize("damage", ["missing", "unexpected", "of another shape", "not finite"])
@pytest.mark.parametrize("kind", ["mit", *SHAPES])
def test_one_key_that_is_wrong_refuses_the_file(tmp_path, kind, damage):
    key = A_KEY.get(kind, "block2.1.norm1.weight")
    content = tensors(encoder()) if kind == "mit" else checkpoint(SHAPES[kind])
    state, name = (content, key) if kind == "mit" else (content["state_dict"], f"model.backbone.{key}")
    if damage == "missing":
        del state[name]
    elif damage == "unexpected":
        state[name.replace("1.weight", "9.weight")] = state[name]
    else:
        state[name] = torch.ones(8, 2) if damage == "of another shape" else torch.full((8,), torch.inf)
    source, target = saved(tmp_path, content)
    target.write_bytes(b"an earlier result")
    with pytest.raises(UserError, match=damage) as refused:
        import_weights(source, target)
    wrong = key.replace("1.weight", "9.weight") if damage == "unexpected" else key
    assert f"backbone.{wrong}" in str(refused.value)
    assert "\n" not in str(refused.value) and target.read_bytes() == b"an earlier result"


def test_what_nobody_knows_beside_the_student_is_not_passed_over(tmp_path):
    content = checkpoint(DAFORMER)
    content["state_dict"]["discriminator.weight"] = torch.ones(3)
    with pytest.raises(UserError, match=r"holds 3 networks .*add --part state_dict"):
        import_weights(*saved(tmp_path, content))


def test_encoders_of_other_sizes_are_refused(tmp_path):
    more = {name.replace("block1.0", "block1.1"): each for name, each in encoder().items() if "block1.0" in name}
    with pytest.raises(UserError, match=r"Mix Transformer of \(4, 8, 20, 32\) channels and \(2, 2, 1, 1\) blocks"):
        import_weights(*saved(tmp_path, tensors(encoder() | more)))


@pytest.mark.parametrize("kind", SHAPES)
def test_the_evaluation_of_an_imported_file_is_its_authors(tmp_path, kind):
    """Whole images, or windows; then to native labels, corners not aligned."""
    tiny.write_cityscapes(tmp_path / "data", {"val": 2}, width=192, height=96)
    source, target = saved(tmp_path, checkpoint(SHAPES[kind]))
    import_weights(source, target)
    model = open_model(target)[0].eval()
    command = ["evaluate", "--weights", str(target), "--dataset", "cityscapes", "--root", str(tmp_path / "data")]
    assert main([*command, "--size", "128x64", "--threads", "1", "-o", str(tmp_path / "m.json")]) == 0
    ids, matrix = {tiny.ROAD: 0, tiny.BUILDING: 2, tiny.SKY: 10, tiny.CAR: 13}, np.zeros((19, 19), np.int64)
    for number in range(2):
        image, label_HW = tiny.toy_scene(1000 + number, 192, 96, darkness=40)
        small = torch.from_numpy(np.asarray(image.resize((128, 64), Image.Resampling.BICUBIC)).copy())[None]
        with torch.no_grad():
            logits = model.whole(to_input(small, "imagenet"))[0]
        found, otherwise = (
            F.interpolate(logits, (96, 192), mode="bilinear", align_corners=aligned).argmax(1)[0].numpy()
            for aligned in (False, True)
        )
        assert len(np.unique(found)) > 2 and (found != otherwise).any()
        np.add.at(matrix, (np.vectorize(ids.get)(label_HW), found), 1)
    there = matrix.sum(0) + matrix.sum(1) - matrix.diagonal() > 0
    wanted = (matrix.diagonal()[there] / (matrix.sum(0) + matrix.sum(1) - matrix.diagonal())[there]).mean()
    record = json.loads((tmp_path / "m.json").read_text())
    assert record["mIoU_of_class_sets"]["cityscapes19"]["native"] == pytest.approx(wanted, abs=1e-6)
