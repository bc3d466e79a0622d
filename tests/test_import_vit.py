"""DINOv2's and VFM-UDA's files, built from their lists of keys: read, told apart, refused; scored in their windows."""

import json

import numpy as np
import pytest
import torch

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.evaluation.opened import open_weights
from segadapt.models import Architecture, build, load_tensors, open_model, to_input
from segadapt.models.compute import Compute
from segadapt.models.importing import import_weights
from segadapt.models.loading import heads_predictor, load_backbone
from segadapt.models.networks.vit import BACKBONES, Backbone

W, DEEP, PATCH, GRID, CLASSES = 8, 2, 4, 3, 19
BLOCK = {
    "norm1.weight": (W,), "norm1.bias": (W,), "attn.qkv.weight": (3 * W, W), "attn.qkv.bias": (3 * W,),
    "attn.proj.weight": (W, W), "attn.proj.bias": (W,), "ls1.gamma": (W,), "norm2.weight": (W,),
    "norm2.bias": (W,), "mlp.fc1.weight": (4 * W, W), "mlp.fc1.bias": (4 * W,),
    "mlp.fc2.weight": (W, 4 * W), "mlp.fc2.bias": (W,), "ls2.gamma": (W,),
}  # fmt: skip
ENCODER = {
    "cls_token": (1, 1, W), "pos_embed": (1, 1 + GRID**2, W), "mask_token": (1, W),
    "patch_embed.proj.weight": (W, 3, PATCH, PATCH), "patch_embed.proj.bias": (W,),
    **{f"blocks.{index}.{name}": shape for index in range(DEEP) for name, shape in BLOCK.items()},
    "norm.weight": (W,), "norm.bias": (W,),
}  # fmt: skip
HEAD = {
    "upscale.0.weight": (8, 4, 2, 2), "upscale.1.weight": (4,), "upscale.1.bias": (4,),
    "upscale.3.weight": (4, 2, 2, 2), "upscale.4.weight": (2,), "upscale.4.bias": (2,),
    "upscale.5.weight": (2, 2, 3, 3),
    "upscale.6.weight": (2,), "upscale.6.bias": (2,), "out.weight": (CLASSES, 2, 1, 1),
}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    backbone = Backbone(W, DEEP, 2, patch=PATCH, grid=GRID, window=16)
    monkeypatch.setitem(BACKBONES, "small", backbone)
    monkeypatch.setitem(BACKBONES, "small_reg", Backbone(W, DEEP, 2, patch=PATCH, grid=GRID, registers=4))


def tensors(shapes, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def under(prefix: str, named: dict) -> dict:
    return {prefix + name: tensor for name, tensor in named.items()}


def network(seed: int) -> dict[str, torch.Tensor]:
    """As in VFM-UDA's files: the mask token stands there twice."""
    found = tensors(under("encoder.", ENCODER) | HEAD, seed)
    return found | {"token_masking.mask_token": found["encoder.mask_token"]}


def lightning() -> dict:
    """A checkpoint: student, teacher, Adam's state and counters."""
    return {
        "epoch": 0, "global_step": 40000, "pytorch-lightning_version": "2.2.0",
        "state_dict": under("network.", network(1)) | under("network_ema.", network(2)),
        "optimizer_states": [{"state": {0: {"step": torch.tensor(4.0), "exp_avg": torch.ones(3)}}, "param_groups": []}],
        "lr_schedulers": [{"last_epoch": 40000}],
    }  # fmt: skip


def saved(folder, content) -> tuple:
    torch.save(content, folder / "theirs.pth")
    return folder / "theirs.pth", folder / "ours.safetensors"


@pytest.mark.parametrize("registers", [False, True])
def test_dinov2s_encoder_becomes_initial_weights(tmp_path, capsys, registers):
    theirs = tensors(ENCODER | ({"register_tokens": (1, 4, W)} if registers else {}))
    source, target = saved(tmp_path, theirs)
    assert main(["import-weights", str(source), str(target)]) == 0
    printed = capsys.readouterr().out
    name = "small_reg" if registers else "small"
    assert (
        f"backbone           {name}" in printed and f"matched            {len(theirs)} of {len(theirs)} keys" in printed
    )
    kept, about = load_tensors(target)
    assert kept.keys() == under("encoder.", theirs).keys()
    assert all(torch.equal(kept[f"encoder.{key}"], each) for key, each in theirs.items())
    architecture = Architecture.from_metadata(about, target)
    assert (architecture.num_classes, architecture.input) == (None, "imagenet")
    model = build(Architecture(name, 5, auxiliary=False, input="imagenet"))
    assert load_backbone(target, model) == pytest.approx(len(theirs) / (len(theirs) + len(HEAD)))
    assert torch.equal(model.encoder.mask_token, theirs["mask_token"])


def test_of_a_vfm_uda_checkpoint_the_student_is_taken(tmp_path, capsys):
    source, target = saved(tmp_path, lightning())
    assert main(["import-weights", str(source), str(target)]) == 0
    printed = capsys.readouterr().out
    assert "state_dict, names without 'network.'; passed over: " in printed and "optimizer_states" in printed
    assert "token_masking.mask_token: the encoder's mask token by another name" in printed
    model, about = open_model(target)
    own = network(1)
    assert all(torch.equal(each, own[name]) for name, each in model.state_dict().items())
    assert model.architecture == Architecture("small", 19, 2, False, "first_1x1", "imagenet", "cityscapes19")
    record = json.loads(about["import"])
    assert (record["kind"], record["matched"], record["left_out"]) == (
        "vfm_uda", len(own) - 1, ["token_masking.mask_token"],
    )  # fmt: skip
    assert open_weights(target).long_side == 2048, "Cityscapes is scored at its own size"


def test_the_teacher_is_taken_by_its_name(tmp_path):
    source, target = saved(tmp_path, lightning())
    import_weights(source, target, part="state_dict.network_ema")
    assert torch.equal(open_model(target)[0].out.weight, network(2)["out.weight"])


def test_a_frozen_encoder_beside_it_is_passed_over(tmp_path):
    content = lightning()
    content["state_dict"] |= under("network_feature_extractor.", tensors(ENCODER, 3))
    source, target = saved(tmp_path, content)
    assert import_weights(source, target).kind == "vfm_uda"
    assert torch.equal(open_model(target)[0].encoder.cls_token, network(1)["encoder.cls_token"])


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (under("network_two.", network(3)), r"holds 3 networks .*add --part state_dict\.network"),
        ({"criterion.weight": torch.ones(19)}, "holds 2 networks"),
    ],
    ids=["a third network", "a tensor of nobody"],
)
def test_what_is_not_known_beside_the_student_is_not_passed_over(tmp_path, extra, words):
    content = lightning()
    content["state_dict"] |= extra
    source, target = saved(tmp_path, content)
    with pytest.raises(UserError, match=words) as refused:
        import_weights(source, target)
    assert "\n" not in str(refused.value) and not target.exists()


def damaged(content: dict, damage: str, key: str) -> dict:
    state = content.get("state_dict", content)
    if damage == "missing":
        del state[key]
    elif damage == "unexpected":
        state[key.replace("norm1", "norm3")] = state[key]
    elif damage == "of another shape":
        state[key] = torch.ones(*state[key].shape, 2)
    else:
        state[key] = torch.full_like(state[key], torch.nan)
    return content


@pytest.mark.parametrize("damage", ["missing", "unexpected", "of another shape", "not finite"])
@pytest.mark.parametrize("kind", ["dinov2", "vfm_uda"])
def test_one_key_that_is_wrong_refuses_the_file(tmp_path, kind, damage):
    key = "blocks.1.norm1.weight"
    whole = kind == "vfm_uda"
    content = damaged(lightning() if whole else tensors(ENCODER), damage, f"network.encoder.{key}" if whole else key)
    source, target = saved(tmp_path, content)
    target.write_bytes(b"an earlier result")
    with pytest.raises(UserError, match=damage) as refused:
        import_weights(source, target)
    message = str(refused.value)
    assert f"encoder.{key.replace('norm1', 'norm3') if damage == 'unexpected' else key}" in message
    assert "\n" not in message and target.read_bytes() == b"an earlier result"


def test_files_without_a_mask_token_or_of_other_sizes_are_refused(tmp_path):
    """timm's have none, and VFM-UDA needs it."""
    theirs = tensors(ENCODER)
    del theirs["mask_token"]
    with pytest.raises(UserError, match=r"1 missing: encoder\.mask_token"):
        import_weights(*saved(tmp_path, theirs))
    with pytest.raises(UserError, match=r"a vision transformer of 8 channels, 3 blocks, patches of 4 pixels and 0 reg"):
        import_weights(*saved(tmp_path, tensors(ENCODER | {f"blocks.2.{name}": each for name, each in BLOCK.items()})))


def test_an_imported_network_is_scored_in_windows(tmp_path):
    """16 pixels square, 8 apart, probabilities averaged."""
    source, target = saved(tmp_path, lightning())
    import_weights(source, target)
    model = open_model(target)[0].eval()
    image = np.random.default_rng(0).integers(0, 256, (16, 40, 3), dtype=np.uint8)
    final, low = heads_predictor(open_model(target)[0], Compute(torch.device("cpu")))(image)
    whole = to_input(torch.from_numpy(image)[None], "imagenet")
    total, seen = torch.zeros(1, 19, 16, 40), torch.zeros(40)
    with torch.no_grad():
        for left in (0, 8, 16, 24):
            total[..., left : left + 16] += model(whole[..., left : left + 16].contiguous())[0].softmax(1)
            seen[left : left + 16] += 1
    torch.testing.assert_close(final.softmax(1), total / seen, rtol=5e-3, atol=1e-4)  # norms of two channels
    assert low is None and final.shape == (1, 19, 16, 40)
