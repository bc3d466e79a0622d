"""Foreign weights: every format that is out there, built from our own model with its keys renamed."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segadapt.cli import main
from segadapt.core.artifacts import sha256_file
from segadapt.core.errors import UserError
from segadapt.models import Architecture, deeplabv2, initialise, load_tensors, open_model
from segadapt.models.importing import import_weights
from segadapt.models.loading import trained_network

HEADS = ("layer5.", "layer6.")
CAFFE, VGG, IMAGENET = "caffe", "caffe_vgg", "imagenet"


def trained(auxiliary: bool = True, branches: int = 2, placement: str = "first_1x1", classes: int = 19):
    """A model whose batch norm has moved and whose summed branches have, too."""
    model = initialise(deeplabv2("streets", classes, branches, auxiliary, placement), 5, "released")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.fill_(7)
            elif "running" in name or "bn" in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif not name.startswith(HEADS):
                tensor.mul_(20)
            elif int(name.split(".")[2]) < branches:
                tensor.mul_(3)
    return model.eval()


def backbone(model) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(HEADS)}


def without_counters(state: dict) -> dict:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def as_checkpoint(state: dict) -> dict:
    """As MaxSquareLoss saves: DataParallel names, an optimiser with repeated parameters, a NumPy score."""
    return {
        "epoch": 3,
        "iteration": 4711,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {
            "state": {0: {"momentum_buffer": torch.ones(3)}},
            "param_groups": [{"lr": 2.5e-4, "params": [0, 0, 0]}],
        },
        "best_MIou": np.float64(0.443),
    }


def single_level(state: dict) -> dict:
    return {name.replace("layer6.", "layer5."): tensor for name, tensor in state.items()}


def init_file(state: dict) -> dict:
    prefixed = {f"Scale.{name}": tensor for name, tensor in without_counters(state).items()}
    head = {f"Scale.layer5.conv2d_list.{branch}.weight": torch.ones(21, 256, 3, 3) for branch in range(4)}
    return prefixed | head | {f"Scale.layer5.conv2d_list.{branch}.bias": torch.ones(21) for branch in range(4)}


def classifier(state: dict) -> dict:
    return state | {"fc.weight": torch.ones(1000, 256), "fc.bias": torch.ones(1000)}


def half(state: dict) -> dict:
    return {name: tensor.half() if tensor.ndim == 4 else tensor for name, tensor in state.items()}


WHOLE = [
    # name, auxiliary, branches, kind asked for, kind found, wrapping
    ("maxsquare_checkpoint", True, 2, None, "maxsquare", as_checkpoint),
    ("maxsquare_flat", True, 2, "maxsquare", "maxsquare", dict),
    ("data_parallel_flat", True, 2, None, "adaptsegnet", lambda state: {f"module.{n}": t for n, t in state.items()}),
    ("adaptsegnet", True, 2, None, "adaptsegnet", without_counters),
    ("adaptsegnet_single", False, 2, None, "adaptsegnet_single", single_level),
    ("advent", True, 4, "advent", "advent", dict),
    ("advent_single", False, 4, "advent", "advent", dict),
    ("crst", False, 4, "crst", "crst", single_level),
]
INPUTS = {"crst": IMAGENET}
SAVERS: dict[str, Callable] = {
    "zip": lambda state, path: torch.save(state, path),
    "legacy": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "safetensors": lambda state, path: save_file(state, path),
}


@pytest.mark.parametrize("container", SAVERS)
@pytest.mark.parametrize(("name", "auxiliary", "branches", "asked", "kind", "wrap"), WHOLE, ids=[e[0] for e in WHOLE])
def test_a_whole_model_gives_the_same_logits(tmp_path, container, name, auxiliary, branches, asked, kind, wrap):
    if container == "safetensors" and wrap is as_checkpoint:
        wrap = dict  # that format holds tensors alone
        asked = "maxsquare"
    model = trained(auxiliary, branches)
    source, target = tmp_path / f"foreign.{container}", tmp_path / "ours.safetensors"
    SAVERS[container](wrap(model.state_dict()), source)
    done = import_weights(source, target, asked)
    ours, metadata = open_model(target)
    convention = INPUTS.get(kind, CAFFE)
    assert ours.architecture == Architecture(
        "streets", 19, branches, auxiliary, "first_1x1", convention, "cityscapes19"
    )
    image = torch.rand(1, 3, 33, 48) * 255 - 110
    for have, want in zip(ours.eval()(image), model(image), strict=True):
        assert (have is None and want is None) or torch.equal(have, want)
    record = json.loads(metadata["import"])
    assert record["kind"] == done.kind == kind
    assert record["source_sha256"] == sha256_file(source)
    assert record["matched_fraction"] == done.fraction == 1.0 and not done.left_out


BACKBONES = [
    # name, kind asked for, kind found, placement, input, keys left out, wrapping
    ("deeplab_init", None, "deeplab_init", "first_1x1", CAFFE, 8, init_file),
    ("torchvision", "torchvision", "torchvision", "3x3", IMAGENET, 2, classifier),
    ("caffe", "caffe", "caffe", "first_1x1", VGG, 2, lambda state: half(classifier(without_counters(state)))),
]


@pytest.mark.parametrize(("name", "asked", "kind", "placement", "convention", "left_out", "wrap"), BACKBONES)
def test_a_backbone_comes_with_its_strides_and_input(
    tmp_path, name, asked, kind, placement, convention, left_out, wrap
):
    model = trained()
    source, target = tmp_path / "foreign.pth", tmp_path / "ours.safetensors"
    torch.save(wrap(backbone(model)), source)
    done = import_weights(source, target, asked)
    tensors, metadata = load_tensors(target)
    architecture = Architecture.from_metadata(metadata, target)
    assert (done.kind, architecture.num_classes, architecture.backbone) == (kind, None, "streets")
    assert (architecture.stride_placement, architecture.input) == (placement, convention)
    assert len(done.left_out) == left_out and done.fraction == len(done.matched) / (len(done.matched) + left_out)
    assert set(tensors) == set(backbone(model))
    for key, tensor in tensors.items():
        want = backbone(model)[key]
        if key.endswith("num_batches_tracked"):
            assert tensor.item() == (7 if name == "torchvision" else 0)
        else:
            want = want.half().float() if name == "caffe" and want.ndim == 4 else want
            assert tensor.dtype == torch.float32 and torch.equal(tensor, want), key
    with pytest.raises(UserError, match="without a segmentation head"):
        open_model(target)


def test_the_file_cannot_tell_torchvision_from_caffe(tmp_path):
    torch.save(classifier(backbone(trained())), tmp_path / "r.pth")
    with pytest.raises(UserError, match=r"normalised images.*--kind torchvision.*--kind caffe"):
        import_weights(tmp_path / "r.pth", tmp_path / "o.safetensors")
    assert not (tmp_path / "o.safetensors").exists()


def test_trained_branches_ask_for_the_kind_and_untrained_ones_are_not_summed(tmp_path):
    torch.save(trained(branches=4).state_dict(), tmp_path / "four.pth")
    with pytest.raises(UserError, match=r"2 or 4.*--kind advent"):
        import_weights(tmp_path / "four.pth", tmp_path / "o.safetensors")
    torch.save(trained(branches=2).state_dict(), tmp_path / "two.pth")
    with pytest.raises(UserError, match=r"never trained.*--kind maxsquare"):
        import_weights(tmp_path / "two.pth", tmp_path / "o.safetensors", "advent")
    torch.save(single_level(trained(False).state_dict()), tmp_path / "single.pth")
    with pytest.raises(UserError, match=r"never trained.*--kind adaptsegnet_single"):
        import_weights(tmp_path / "single.pth", tmp_path / "o.safetensors", "crst")
    assert not (tmp_path / "o.safetensors").exists()


CHECKPOINT = {"epoch": 1, "iteration": 2, "best_MIou": 0.4}


@pytest.mark.parametrize(
    ("auxiliary", "wrap", "kinds"),
    [
        (False, single_level, ("crst", "adaptsegnet_single")),
        (False, dict, ("advent", "adaptsegnet")),
        (True, lambda state: {"state_dict": state, **CHECKPOINT}, ("advent", "maxsquare")),
    ],
    ids=["one head named layer5", "one head named layer6", "a checkpoint"],
)
def test_two_and_four_branches_label_differently_and_no_file_is_taken_for_either(tmp_path, auxiliary, wrap, kinds):
    """The same weights: which branches are summed stands in the imported file, and everything downstream obeys."""
    four, two = trained(auxiliary, 4), deeplabv2("streets", 19, 2, auxiliary).eval()
    two.load_state_dict(four.state_dict())
    source = tmp_path / "f.pth"
    torch.save(wrap(four.state_dict()), source)
    with pytest.raises(UserError, match=rf"2 or 4 are summed.*--kind {kinds[0]} \(4\).*--kind {kinds[1]}") as refused:
        import_weights(source, tmp_path / "o.safetensors")
    assert "\n" not in str(refused.value) and not (tmp_path / "o.safetensors").exists()
    image, labels = torch.rand(1, 3, 65, 129) * 255 - 110, {}
    for kind, branches, model in zip(kinds, (4, 2), (four, two), strict=True):
        target = tmp_path / f"{kind}.safetensors"
        import_weights(source, target, kind)
        opened, metadata = open_model(target)
        assert json.loads(metadata["architecture"])["aspp_branches"] == opened.architecture.aspp_branches == branches
        labels[branches] = opened.eval()(image)[0].argmax(1)
        assert torch.equal(labels[branches], model(image)[0].argmax(1))
        config = {"model": {"backbone": "streets", "classes": "cityscapes19", "input": None, "bottleneck": None}}
        config |= {"auxiliary": auxiliary, "aspp_branches": branches}
        assert trained_network(target, config).architecture.aspp_branches == branches
        with pytest.raises(UserError, match=f"made for aspp_branches {branches}, but params.yaml says"):
            trained_network(target, config | {"aspp_branches": 6 - branches})
    assert (labels[2] != labels[4]).float().mean() > 0.05


def test_other_heads_and_inputs_are_named_by_the_user(tmp_path):
    torch.save(trained(classes=13).state_dict(), tmp_path / "f.pth")
    done = import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors", None, "imagenet", "nthu13")
    assert (done.architecture.num_classes, done.architecture.class_set) == (13, "nthu13")
    assert done.architecture.input == "imagenet"
    with pytest.raises(UserError, match="head of 13 classes, and cityscapes19 has 19"):
        import_weights(tmp_path / "f.pth", tmp_path / "p.safetensors", None, None, "cityscapes19")
    assert import_weights(tmp_path / "f.pth", tmp_path / "q.safetensors").architecture.class_set == "synthia13"


def test_the_same_file_gives_the_same_bytes(tmp_path):
    torch.save(trained().state_dict(), tmp_path / "f.pth")
    for name in ("a", "b"):
        import_weights(tmp_path / "f.pth", tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_the_command_reports_and_the_evaluating_commands_send_pth_files_here(tmp_path, capsys):
    torch.save(init_file(backbone(trained())), tmp_path / "init.pth")
    out = str(tmp_path / "o.safetensors")
    assert main(["import-weights", str(tmp_path / "init.pth"), out]) == 0
    printed = capsys.readouterr().out
    for words in ("deeplab_init", "streets", "first_1x1", "caffe", "unexpected         0", "Scale.layer5", out):
        assert words in printed, words
    assert main(["predict", "--weights", str(tmp_path / "init.pth"), str(tmp_path), "-o", str(tmp_path / "x")]) == 2
    assert "segadapt import-weights" in capsys.readouterr().err
    assert main(["import-weights", str(tmp_path / "init.pth"), str(tmp_path / "o.pth")]) == 2
    assert main(["import-weights", str(tmp_path / "init.pth"), out, "--kind", "resnet"]) == 2
    assert "deeplab_init" in capsys.readouterr().err
