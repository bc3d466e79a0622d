"""What a weight file says of its network, and that everything downstream follows it."""

import json

import pytest
import tiny
import torch
import torch.nn.functional as F

from segadapt.core.artifacts import write_json
from segadapt.core.errors import UserError
from segadapt.core.parameters.loader import parameters_from
from segadapt.models import (
    Architecture,
    deeplabv2,
    initialise,
    load_tensors,
    open_model,
    save_tensors,
)
from segadapt.models.importing import import_weights
from segadapt.plan import make_plan
from segadapt.stages.runner import run_card

ARCHITECTURE = Architecture("streets", 13, 4, False, "3x3", "imagenet", "nthu13")


def test_metadata_come_back():
    assert Architecture.from_metadata(ARCHITECTURE.as_metadata(), "f") == ARCHITECTURE
    assert ARCHITECTURE.differences(ARCHITECTURE) == []
    assert ARCHITECTURE.differences(Architecture("streets", 13)) == [
        "aspp_branches", "auxiliary", "stride_placement", "input",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "import-weights"),
        ({"architecture": "{"}, "does not know"),
        ({"architecture": "[]"}, "does not know"),
        ({"architecture": '{"backbone": "vgg", "num_classes": 3}'}, "vgg"),
        ({"architecture": '{"backbone": "streets"}'}, "does not know"),
        ({"architecture": '{"backbone": "streets", "num_classes": true}'}, "True"),
        ({"architecture": '{"backbone": "streets", "num_classes": 3, "input": "rgb"}'}, "imagenet"),
        ({"architecture": '{"backbone": "streets", "num_classes": 3, "stride_placement": "1x1"}'}, "first_1x1"),
        ({"architecture": '{"backbone": "streets", "num_classes": 3, "aspp_branches": 3}'}, "aspp_branches"),
        ({"architecture": '{"backbone": "streets", "num_classes": 3, "depth": 3}'}, "depth"),
    ],
)
def test_other_metadata_are_refused_with_the_files_name(metadata, words):
    with pytest.raises(UserError, match=words) as caught:
        Architecture.from_metadata(metadata, "some/file")
    assert "some/file" in str(caught.value)


@pytest.mark.parametrize("placement", ["first_1x1", "3x3"])
def test_the_stride_sits_where_the_placement_says(placement):
    model = deeplabv2("streets", 5, auxiliary=False, stride_placement=placement)
    strided = {name for name, module in model.named_modules() if getattr(module, "stride", 1) == (2, 2)}
    moved = "layer2.0.conv1" if placement == "first_1x1" else "layer2.0.conv2"
    assert strided == {"conv1", moved, "layer2.0.downsample.0"}


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 40), (17, 9)])
def test_a_block_with_its_stride_in_the_3x3_equals_the_functional_one(height, width):
    block = initialise(deeplabv2("streets", 5, stride_placement="3x3"), 1, "kaiming").layer2[0].double().eval()
    features = torch.randn(2, 32, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scale = (1 + 1e-5) ** -0.5  # batch norm that has seen nothing: mean 0, variance 1
    y = (F.conv2d(features, block.conv1.weight) * scale).clamp(min=0)
    y = (F.conv2d(y, block.conv2.weight, stride=2, padding=1) * scale).clamp(min=0)
    y = F.conv2d(y, block.conv3.weight) * scale
    y = (y + F.conv2d(features, block.downsample[0].weight, stride=2) * scale).clamp(min=0)
    torch.testing.assert_close(block(features), y, rtol=1e-12, atol=1e-12)
    other = initialise(deeplabv2("streets", 5), 1, "kaiming").layer2[0].double().eval()
    assert other(features).shape == y.shape and not torch.allclose(other(features), y)


def test_a_file_that_does_not_fit_what_it_says_is_refused(tmp_path):
    tensors = deeplabv2("streets", 5).state_dict()
    save_tensors(tmp_path / "m.safetensors", tensors, Architecture("streets", 6).as_metadata())
    with pytest.raises(UserError, match="head of 5 classes"):
        open_model(tmp_path / "m.safetensors")


def prepared(tmp_path, **model):
    """The source and target caches of a tiny project and its training jobs, with torchvision-like initial weights."""
    state = initialise(deeplabv2("streets", 19), 4, "kaiming").state_dict()
    state = {name: tensor for name, tensor in state.items() if not name.startswith(("layer5.", "layer6."))}
    torch.save(state, tmp_path / "foreign.pth")
    import_weights(tmp_path / "foreign.pth", tmp_path / "initial.safetensors", "torchvision")
    parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
    parameters["presets"]["tiny"]["model"] |= {"initial_weights": str(tmp_path / "initial.safetensors")} | model
    tiny.write_gta5(tmp_path / "toy" / "gta5")
    tiny.write_cityscapes(tmp_path / "toy" / "cityscapes")
    plan = make_plan(parameters_from(parameters, "params.yaml"))
    return {job.name: job for job in plan.jobs if job.stage in ("prepare", "pretrain", "adapt", "evaluate")}


def run(jobs, *names):
    from segadapt.stages import evaluate, prepare, train

    stages = {"prepare": prepare.pack, "pretrain": train.train, "adapt": train.train, "evaluate": evaluate.score}
    for job in jobs.values():
        if job.stage == "prepare" or job.name in names:
            write_json(tmp := (jobs_folder() / f"{job.name.replace('/', '_')}.json"), job.as_card())
            run_card(stages[job.stage], tmp)


def jobs_folder():
    from pathlib import Path

    return Path("cards")


def test_every_model_downstream_has_the_strides_and_the_input_of_the_initial_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = prepared(tmp_path)
    run(jobs, "pretrain/source/seed1", "adapt/maxsquare/seed1", "evaluate/maxsquare/seed1")
    for name in ("pretrain/source/seed1", "adapt/maxsquare/seed1"):
        model, metadata = open_model(tmp_path / jobs[name].outputs["model"])
        assert model.architecture == Architecture("streets", 19, 2, False, "3x3", "imagenet", "cityscapes19")
        assert model.layer2[0].conv2.stride == (2, 2) and metadata["image_size"] == "64x32"
    assert json.loads((tmp_path / jobs["evaluate/maxsquare/seed1"].outputs["metrics"]).read_text())["images"] == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": "caffe"}, r"input imagenet, but params.yaml says model.input: caffe"),
        ({"backbone": "resnet50"}, r"backbone streets, but params.yaml says model.backbone: resnet50"),
    ],
)
def test_settings_that_contradict_the_initial_weights_are_refused(tmp_path, monkeypatch, changes, words):
    monkeypatch.chdir(tmp_path)
    jobs = prepared(tmp_path, **changes)
    with pytest.raises(UserError, match=words):
        run(jobs, "pretrain/source/seed1")
    assert not (tmp_path / jobs["pretrain/source/seed1"].outputs["model"]).exists()


def test_without_initial_weights_the_input_is_the_settings_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = prepared(tmp_path, initial_weights=None, input="imagenet")
    run(jobs, "pretrain/source/seed1")
    _, metadata = load_tensors(tmp_path / jobs["pretrain/source/seed1"].outputs["model"])
    recorded = Architecture.from_metadata(metadata, "f")
    assert (recorded.input, recorded.stride_placement) == ("imagenet", "first_1x1")
