"""A plan that cannot run is refused when it is made, with the key and the mend: not by a job, hours later."""

import json
from types import SimpleNamespace

import pytest
import tiny
from safetensors.torch import save_file
from torch import zeros

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.models import Architecture
from segadapt.plan import make_plan
from segadapt.plan.requirements import check_requirements


def shipped(preset: str, edit=lambda preset: None) -> dict:
    """The shipped parameters with a preset made active and edited."""
    import yaml

    found = yaml.safe_load((tiny.REPOSITORY / "params.yaml").read_text()) | {"preset": preset, "seeds": [1]}
    edit(found["presets"][preset])
    return found


def refused(content: dict, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        make_plan(parameters_from(content, "params.yaml"))
    text = str(caught.value)
    assert all(word in text for word in words) and text.startswith("params.yaml: ") and "\n" not in text, text


def test_every_shipped_preset_can_be_planned():
    for preset in ("streets", "camvid", "digits", "paper"):
        make_plan(parameters_from(shipped(preset), "params.yaml"))


def test_a_setting_of_another_network_names_its_own_initial_weights():
    def as_it_was(preset):
        preset["settings"]["wide"]["model"] = {"backbone": "wide_resnet38"}

    where = "presets.paper.settings.wide.model.initial_weights: is missing"
    refused(shipped("paper", as_it_was), where, "resnet101", "weights of wide_resnet38, or null")
    for weights in (None, "datasets/weights/wide.safetensors"):
        named = shipped("paper", as_it_was)
        named["presets"]["paper"]["settings"]["wide"]["model"]["initial_weights"] = weights
        plan = make_plan(parameters_from(named, "params.yaml"))
        assert plan.by_name["pretrain/wide/source/seed1"].inputs.get("initial_weights") == weights


def test_the_wide_rows_of_the_paper_start_from_random_weights():
    """Nothing that they read is another network's."""
    plan = make_plan(parameters_from(shipped("paper"), "params.yaml"))
    wide = [job for job in plan.jobs if job.config.get("model", {}).get("backbone") == "wide_resnet38"]
    assert {job.stage for job in wide} == {"pretrain", "adapt", "pseudo_label", "self_train", "evaluate"}
    assert not any("initial_weights" in job.inputs for job in wide)
    for job in wide:
        for role, path in job.inputs.items():
            assert role != "model" or plan.by_output[path] in wide


def test_an_unknown_backbone_is_refused():
    refused(
        shipped("streets", lambda preset: preset["model"].update(backbone="resnet102")),
        "presets.streets.model.backbone", "'resnet102' is unknown", "resnet101",
    )  # fmt: skip
    refused(
        shipped("streets", lambda preset: preset["settings"]["wide"]["model"].update(backbone="wider")),
        "presets.streets.settings.wide.model.backbone", "'wider' is unknown",
    )  # fmt: skip
    refused(
        shipped("digits", lambda preset: preset["classification"]["model"].update(backbone="resnet18")),
        "presets.digits.classification.model.backbone", "'resnet18' is unknown",
    )  # fmt: skip


def test_a_wide_network_is_no_classifier():
    refused(
        shipped("digits", lambda preset: preset["classification"]["model"].update(backbone="streets_wide")),
        "presets.digits.classification.model.backbone: streets_wide has no classifier",
    )  # fmt: skip


@pytest.mark.parametrize("key", ["crop", "cache"])
def test_discriminators_need_maps_that_they_can_halve_five_times(key):
    def small(preset):
        if key == "crop":
            preset["joint"]["crop"] = "64x31"
        else:
            preset["caches"]["target_train"]["size"] = "64x31"

    def content(edit):
        found = shipped("streets", edit)
        found["presets"]["streets"]["methods"]["advent"] = {}
        found["experiments"]["table2"]["rows"] = ["advent"]
        return found

    make_plan(parameters_from(content(lambda preset: None), "params.yaml"))
    refused(content(small), "presets.streets", "joint/advent/seed1", "64x31", "at least 32 pixels")


def test_branches_mean_nothing_to_a_network_without_them():
    plan = make_plan(parameters_from(shipped("paper"), "params.yaml"))
    assert plan.parameters.resolved["wide"].methods["cbst"].aspp_branches == 4
    wide = [job for job in plan.jobs if job.stage == "pretrain" and "wide" in job.name]
    assert [job.name for job in wide] == ["pretrain/wide/source/seed1"]


def test_initial_weights_of_another_network_are_refused_before_anything_runs(tmp_path, monkeypatch):
    """By the file's header; one that says nothing is the job's to refuse."""
    monkeypatch.chdir(tmp_path)
    jobs = make_plan(parameters_from(shipped("camvid"), "params.yaml")).jobs
    job = next(job for job in jobs if "initial_weights" in job.inputs)
    path = tmp_path / job.inputs["initial_weights"]
    path.parent.mkdir(parents=True)
    for backbone, fails in (("resnet50", False), ("resnet101", True), (None, False)):
        said = {"other": json.dumps({})} if backbone is None else Architecture(backbone, None).as_metadata()
        save_file({"conv1.weight": zeros(1)}, path, said)
        status = SimpleNamespace(job=job)
        if fails:
            with pytest.raises(
                UserError, match=rf"{job.inputs['initial_weights']} are those of resnet101, .* resnet50"
            ):
                check_requirements([status])
        else:
            check_requirements([status])
