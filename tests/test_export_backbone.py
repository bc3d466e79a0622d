"""A trained backbone becomes initial weights: half as precise, without heads, and with the record of its making."""

import pytest
import tiny
import torch

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.models import deeplabv2, initialise, load_tensors, save_model
from segadapt.models.exporting import export_backbone
from segadapt.models.loading import initial_architecture, load_backbone


@pytest.fixture
def model():
    return initialise(deeplabv2("streets", 19, 2, True), 1, "kaiming")


def test_all_but_the_heads_comes_back_rounded_to_half_precision(tmp_path, model):
    model.bn1.running_var.fill_(123456.7)  # as images of 0..255 give it
    save_model(tmp_path / "model.safetensors", model, {})
    size = export_backbone(tmp_path / "model.safetensors", tmp_path / "initial.safetensors")
    assert size == (tmp_path / "initial.safetensors").stat().st_size < (tmp_path / "model.safetensors").stat().st_size
    other = initialise(deeplabv2("streets", 5, 2, False), 2, "kaiming")
    fresh_head = other.layer6.conv2d_list[0].weight.clone()
    load_backbone(tmp_path / "initial.safetensors", other)
    for name, tensor in other.state_dict().items():
        if not other.is_of_head(name):
            was = model.state_dict()[name]
            assert torch.equal(tensor, was if "running" in name else was.to(torch.float16).to(was.dtype)), name
    assert torch.equal(other.layer6.conv2d_list[0].weight, fresh_head)
    assert initial_architecture(tmp_path / "initial.safetensors").num_classes is None


def test_the_bytes_depend_on_the_weights_alone(tmp_path, model):
    for name in ("one", "two"):
        save_model(tmp_path / f"{name}.safetensors", model, {"job": name})
        export_backbone(tmp_path / f"{name}.safetensors", tmp_path / f"{name}_initial.safetensors")
    assert (tmp_path / "one_initial.safetensors").read_bytes() == (tmp_path / "two_initial.safetensors").read_bytes()


def test_what_half_precision_cannot_hold_is_refused(tmp_path, model):
    with torch.no_grad():
        model.conv1.weight[0, 0, 0, 0] = 70000
    save_model(tmp_path / "model.safetensors", model, {})
    with pytest.raises(UserError, match=r"conv1\.weight holds 7e\+04, more than half precision can"):
        export_backbone(tmp_path / "model.safetensors", tmp_path / "initial.safetensors")
    assert not (tmp_path / "initial.safetensors").exists()


def test_a_backbone_alone_is_no_model(tmp_path, model):
    save_model(tmp_path / "model.safetensors", model, {})
    export_backbone(tmp_path / "model.safetensors", tmp_path / "initial.safetensors")
    loaded, _ = load_tensors(tmp_path / "initial.safetensors")
    assert not any(model.is_of_head(name) for name in loaded)
    with pytest.raises(UserError, match="holds a backbone without a segmentation head"):
        export_backbone(tmp_path / "initial.safetensors", tmp_path / "again.safetensors")


def test_a_model_without_its_records_overwrites_nothing(tmp_path, monkeypatch, model, capsys):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", model, {})
    earlier = tmp_path / "initial.safetensors"
    earlier.write_bytes(b"earlier")
    assert main(["export-backbone", "model.safetensors", "initial.safetensors"]) == 2
    assert "record" in capsys.readouterr().err
    assert earlier.read_bytes() == b"earlier" and not (tmp_path / "initial.provenance.json").exists()


def test_a_cell_is_traced_back_to_the_recipe_of_its_initial_weights(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "project"
    tiny.make_project(folder, tiny.tiny_parameters(("source_only",)))
    tiny.make_here(folder, "results/table2.csv")
    monkeypatch.chdir(folder)
    (trained,) = sorted(folder.glob("work/tiny/sources/**/model.safetensors"))
    assert main(["export-backbone", str(trained.relative_to(folder)), "weights/tiny.safetensors"]) == 0
    parameters = tiny.tiny_parameters(("source_only",))
    parameters["presets"]["tiny"]["model"]["initial_weights"] = "weights/tiny.safetensors"
    tiny.write_parameters(folder, parameters)
    tiny.make_here(folder, "results/table2.csv")
    capsys.readouterr()
    assert main(["explain", "results/table2.csv", "source_only"]) == 0
    origin = capsys.readouterr().out.split("weights/tiny.safetensors was made by\n")[1].split("\n\n")[0]
    for wanted in ("prepare/source_train", "pretrain/source/seed1", "learning_rate"):
        assert wanted in origin
    (folder / "weights" / "tiny.safetensors").write_bytes((folder / "weights" / "tiny.safetensors").read_bytes() + b" ")
    assert main(["explain", "results/table2.csv", "source_only"]) == 0, "the table's own weights are those of before"
