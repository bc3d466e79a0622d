"""Weights as other people's code saves them: nested, under prefixes, beside other weights. Read, or the part named."""

import pytest
import torch
from test_import_weights import as_checkpoint, backbone, init_file, trained

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.models import open_model
from segadapt.models.importing import import_weights

STATE = trained().state_dict()
OTHER = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in STATE.items()}
DISCRIMINATOR = {"conv1.weight": torch.ones(4, 19, 4, 4), "conv1.bias": torch.ones(4)}
MOMENTUM = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 1.0, "params": [0]}]}


def under(prefix, state=STATE):
    return {prefix + name: tensor for name, tensor in state.items()}


def compiled(state=STATE):
    """As ``torch.compile`` of every layer by itself names it."""
    return {name.replace("layer2.", "layer2._orig_mod."): tensor for name, tensor in state.items()}


UNAMBIGUOUS = {
    "flat": (STATE, "."),
    "_orig_mod.": (under("_orig_mod."), "."),
    "module._orig_mod.": (under("module._orig_mod."), "module"),
    "_orig_mod.module.": (under("_orig_mod.module."), "module"),
    "module.module.": (under("module.module."), "module.module"),
    "compiled layers": (compiled(), "."),
    "model.": (under("model."), "model"),
    "net.": (under("net."), "net"),
    "of Lightning": ({"state_dict": under("model.net."), "global_step": 2}, "state_dict.model.net"),
    "state_dict": ({"state_dict": STATE, "epoch": 3}, "state_dict"),
    "model": ({"model": STATE, "optimizer": MOMENTUM, "args": {"lr": 1.0}}, "model"),
    "model, module.": ({"model": under("module."), "epoch": 3}, "model.module"),
    "net": ({"net": STATE, "acc": 0.5}, "net"),
    "student": ({"student": STATE, "iteration": 4}, "student"),
    "two dictionaries deep": ({"state": {"model": STATE}, "epoch": 3}, "state.model"),
    "a discriminator": ({"model": STATE, "model_D": DISCRIMINATOR}, "model"),
    "an optimiser by names": ({"model": STATE, "optimizer": {"momentum": OTHER}}, "model"),
    "maxsquare": (as_checkpoint(STATE), "state_dict.module"),
    "maxsquare with crop_size": (as_checkpoint(STATE) | {"crop_size": (1280, 640)}, "state_dict.module"),
}  # fmt: skip
"""Content of a file, and the name of the network that it holds."""


@pytest.mark.parametrize("name", UNAMBIGUOUS)
def test_one_network_is_found_wherever_it_lies(tmp_path, capsys, name):
    content, part = UNAMBIGUOUS[name]
    source, target = tmp_path / "f.pth", tmp_path / "o.safetensors"
    torch.save(content, source)
    assert main(["import-weights", str(source), str(target)]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in part.split(".") if word), printed
    tensors = open_model(target)[0].state_dict()
    assert all(torch.equal(tensors[key], tensor) for key, tensor in STATE.items())
    assert import_weights(source, target, part=part).part.name == part, "the name that is shown is taken, too"


def test_what_is_passed_over_is_named(tmp_path, capsys):
    torch.save({"model": STATE, "model_D": DISCRIMINATOR, "epoch": 3}, tmp_path / "f.pth")
    assert main(["import-weights", str(tmp_path / "f.pth"), str(tmp_path / "o.safetensors")]) == 0
    assert "passed over: model_D, epoch" in capsys.readouterr().out


AMBIGUOUS = {
    "a teacher": ({"student": STATE, "teacher": OTHER}, ("student", "teacher")),
    "an average": ({"model": STATE, "ema": under("module.", OTHER)}, ("model", "ema.module")),
    "prefixes": ({"net": under("model.") | under("ema_model.", OTHER)}, ("net.model", "net.ema_model")),
    "one in the other": (STATE | under("teacher.", OTHER), (".", "teacher")),
    "flat prefixes": (under("student.") | under("teacher.", OTHER), ("student", "teacher")),
}  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_of_several_networks_one_must_be_named(tmp_path, name):
    content, (first, second) = AMBIGUOUS[name]
    source, target = tmp_path / "f.pth", tmp_path / "o.safetensors"
    torch.save(content, source)
    with pytest.raises(UserError, match="holds 2 networks") as refused:
        import_weights(source, target)
    assert f"'{first}'" in str(refused.value) and f"'{second}'" in str(refused.value)
    assert "--part" in str(refused.value) and "\n" not in str(refused.value) and not target.exists()
    for part, state in ((first, STATE), (second, OTHER)):
        import_weights(source, target, "maxsquare", part=part)
        assert torch.equal(open_model(target)[0].conv1.weight, state["conv1.weight"])
    with pytest.raises(UserError, match=f"has no network 'third'.*'{second}'.*correct --part"):
        import_weights(source, target, part="third")


def test_tensors_beside_a_network_are_not_lost_without_a_word(tmp_path):
    """A backbone of mmsegmentation: its decoder is none of ours."""
    content = {"state_dict": under("backbone.", backbone(trained())) | {"decode_head.conv_seg.weight": torch.ones(2)}}
    torch.save(content, tmp_path / "f.pth")
    with pytest.raises(UserError, match=r"under 'state_dict.backbone' and 1 other keys beside it \(decode_head.conv"):
        import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors")
    done = import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors", "caffe", part="state_dict.backbone")
    assert done.architecture.num_classes is None


def test_the_prefix_of_initial_weights_stays_a_sign(tmp_path):
    torch.save(under("module.", init_file(backbone(trained()))), tmp_path / "f.pth")
    done = import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors")
    assert (done.kind, done.part.prefix) == ("deeplab_init", "module.")


def test_two_keys_of_one_name_are_refused(tmp_path):
    twice = STATE | {"_orig_mod.conv1.weight": STATE["conv1.weight"]}
    torch.save(twice, tmp_path / "f.pth")
    with pytest.raises(UserError, match=r"1 unexpected: _orig_mod\.conv1"):
        import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors")


@pytest.mark.parametrize("name", ["vgg", "alexnet", "densenet", "segformer", "empty"])
def test_a_file_without_such_a_network_says_so(tmp_path, name):
    content = {
        "vgg": {"features.0.weight": torch.ones(64, 3, 3, 3)},
        "alexnet": {"features.0.weight": torch.ones(64, 3, 11, 11), "features.3.weight": torch.ones(192, 64, 5, 5)},
        "densenet": {"features.conv0.weight": torch.ones(64, 3, 7, 7)},
        "segformer": {"model": {"backbone.patch_embed1.proj.weight": torch.ones(3)}},
        "empty": {"model": {}},
    }[name]
    torch.save(content, tmp_path / "f.pth")
    with pytest.raises(
        UserError,
        match=r"no (network|VGG-16) that segadapt knows.*(features\.conv0|channels|a Mix T)|is a dict, not a named",
    ) as refused:
        import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors")
    assert "\n" not in str(refused.value)
