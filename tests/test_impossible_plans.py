"""A plan that cannot run is refused when it is made, with the key and the mend: not by a job, hours later."""

import json
import re
from types import SimpleNamespace

import pytest
import tiny
from safetensors.torch import save_file
from torch import zeros

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.models import Architecture
from segadapt.plan import make_plan, networks
from segadapt.plan.requirements import check_requirements


def shipped(preset: str, edit=lambda preset: None) -> dict:
    """The shipped parameters with a preset made active and edited."""
    found = tiny.shipped() | {"preset": preset, "seeds": [1]}
    edit(found["presets"][preset])
    return found


def refused(content: dict, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        make_plan(parameters_from(content, "params.yaml"))
    text = str(caught.value)
    assert text.startswith(("params.yaml: ", "presets/")) and "\n" not in text, text
    # A plan names the preset's file; parameters that are no files, the key.
    by_key = re.sub(r"^presets/(\w+)\.yaml: ", r"presets.\1.", text)
    assert all(word in text or word in by_key for word in words), text


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
        given = plan.by_name["pretrain/wide/source/seed1"].read("initial_weights")
        assert [each.path for each in given] == ([] if weights is None else [weights])


def test_the_wide_rows_of_the_paper_start_from_random_weights():
    """Nothing that they read is another network's."""
    plan = make_plan(parameters_from(shipped("paper"), "params.yaml"))
    wide = [job for job in plan.jobs if job.config.get("model", {}).get("backbone") == "wide_resnet38"]
    assert {job.stage for job in wide} == {"pretrain", "adapt", "pseudo_label", "self_train", "evaluate"}
    assert not any(job.read("initial_weights") for job in wide)
    for job in wide:
        assert all(plan.by_output[each.path] in wide for each in job.read("model"))


def test_an_unknown_backbone_is_refused():
    refused(
        shipped("streets", lambda preset: preset["model"].update(backbone="resnet102")),
        "presets/streets.yaml: model.backbone", "'resnet102' is unknown", "resnet101",
    )  # fmt: skip
    refused(
        shipped("streets", lambda preset: preset["settings"]["wide"]["model"].update(backbone="wider")),
        "presets/streets.yaml: settings.wide.model.backbone", "'wider' is unknown",
    )  # fmt: skip
    refused(
        shipped("digits", lambda preset: preset["classification"]["model"].update(backbone="resnet18")),
        "presets/digits.yaml: classification.model.backbone", "'resnet18' is unknown",
    )  # fmt: skip


def test_a_wide_network_is_no_classifier():
    refused(
        shipped("digits", lambda preset: preset["classification"]["model"].update(backbone="streets_wide")),
        "presets/digits.yaml: classification.model.backbone: streets_wide has no classifier",
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
        found["presets"]["streets"] |= {"tables": ["table2"], "settings": {}}
        found["experiments"]["table2"]["rows"] = ["advent"]
        return found

    make_plan(parameters_from(content(lambda preset: None), "params.yaml"))
    refused(content(small), "presets/streets.yaml: ", "joint/advent/seed1", "64x31", "at least 32 pixels")


def test_branches_mean_nothing_to_a_network_without_them():
    plan = make_plan(parameters_from(shipped("paper"), "params.yaml"))
    assert plan.parameters.resolved["wide"].methods["cbst"].aspp_branches == 4
    wide = [job for job in plan.jobs if job.stage == "pretrain" and "wide" in job.name]
    assert [job.name for job in wide] == ["pretrain/wide/source/seed1"]


def test_initial_weights_of_another_network_are_refused_before_anything_runs(tmp_path, monkeypatch):
    """By the file's header; one that says nothing is the job's to refuse."""
    monkeypatch.chdir(tmp_path)
    jobs = make_plan(parameters_from(shipped("camvid"), "params.yaml")).jobs
    job = next(job for job in jobs if job.read("initial_weights"))
    path = tmp_path / job.input("initial_weights")
    path.parent.mkdir(parents=True)
    for backbone, fails in (("resnet50", False), ("resnet101", True), (None, False)):
        said = {"other": json.dumps({})} if backbone is None else Architecture(backbone, None).as_metadata()
        save_file({"conv1.weight": zeros(1)}, path, said)
        status = SimpleNamespace(job=job)
        if fails:
            with pytest.raises(UserError, match=rf"{path.name} are those of resnet101, .* resnet50"):
                check_requirements([status])
        else:
            check_requirements([status])


def of_preset(preset: dict, path: str, value) -> None:
    """Sets a key of a preset by its path."""
    *parents, last = path.split(".")
    for key in parents:
        preset = preset[key]
    preset[last] = value


FROM_A_JOB = [
    # What only a job said before: the key, a value that no job can work with, and what is told instead.
    ("model.batch_norm", {"batch_statistics": False}, "model.batch_norm: update_running is true but batch_statistics"),
    ("model.batch_norm", {"train_affine": False, "train_stem_affine": True}, "train_stem_affine is true"),
    ("settings.wide.model.batch_norm", {"batch_statistics": False}, "settings.wide.model.batch_norm: update_running"),
    ("model.initial_weights", "weights/resnet.pth", "model.initial_weights: weights/resnet.pth is a file of torch"),
    ("model.classes", "office31", "model.classes: office31 are classes of whole images; name classes of pixels"),
    ("model.bottleneck", 8, "model.bottleneck: is for classifiers"),
    ("datasets.game.render.size", "456x15", "datasets.game.render: size (456, 15) of the built-in streets is"),
    ("datasets.game.render.splits", {"train": 400, "rest": 3}, "datasets.game.render: split 'rest' of the built-in"),
    ("datasets.game.render.splits", {"train": 40_000}, "datasets.game.render: split 'train' asks for 40000 pictures"),
    ("datasets.digits.render.size", "32x15", "datasets.digits.render: size 32x15 of the built-in digits is too small"),
    ("datasets.digits.render.splits.clean", 2, "datasets.digits.render: domain 'clean' asks for 2 digits"),
    ("datasets.digits.render.splits.clean", 900, "900 + 599 + 599 built-in digits are asked for but there are 1797"),
    ("figure_rows", [], "figure_rows"),
    ("settings.synthia.figure_rows", [], "settings.synthia.figure_rows"),
    ("adapt.annealing", {"name": "linear", "warm_up": 100}, "adapt.annealing.warm_up: must be fewer than horizon"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "said"), FROM_A_JOB, ids=[f"{path}={value}" for path, value, _ in FROM_A_JOB]
)
def test_what_params_say_alone_is_refused_before_any_job(path, value, said):
    refused(shipped("streets", lambda preset: of_preset(preset, path, value)), "presets.streets.", said)


def test_refined_rows_are_scored_on_the_images_of_the_others():
    def other(preset):
        preset["caches"]["elsewhere"] = preset["caches"]["target_val"] | {"split": "train"}
        preset["evaluate_refined_on"] = "elsewhere"

    refused(
        shipped("streets", other), "presets.streets.evaluate_refined_on: holds camera train, and evaluate_on camera"
    )


def test_a_method_without_batch_statistics_cannot_update_them():
    found = shipped("streets")
    found["methods"]["cbst"]["batch_norm"] = {"batch_statistics": False}
    refused(found, "methods.cbst.batch_norm: update_running is true")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("caches.target_train.split", "all", "target_train.split: camvid has no 'all'; known are train, val, test"),
        ("caches.target_val.classes", "nthu13", "nthu13"),
        ("model.classes", "cityscapes19", "classes: CamVid's files hold 11 merged classes"),
    ],
)  # fmt: skip
def test_splits_and_classes_that_a_data_set_cannot_have_are_refused(path, value, said):
    refused(shipped("camvid", lambda preset: of_preset(preset, path, value)), "presets.camvid.", said)


def test_a_classifier_that_sees_one_value_a_channel_is_refused():
    for key, value in (("crop", "28x28"), ("batch_size", 1)):
        content = shipped("digits", lambda preset: preset["classification"]["training"].update({key: value}))  # noqa: B023
        if key == "crop":
            make_plan(parameters_from(content, "params.yaml"))
        else:
            refused(content, "presets.digits.classification.training.batch_size: 1 leaves batch norm a single value")


def test_a_head_that_a_network_lacks_is_refused(monkeypatch):
    """With a method that needs one; without it the plan stands."""
    monkeypatch.setattr(networks, "has_switch", lambda backbone, switch, where: False)
    for rows, fails in ((["maxsquare"], False), (["maxsquare_iw_multi"], True)):
        content = tiny.tiny_parameters(tuple(rows))
        if fails:
            refused(
                content, "presets/tiny.yaml: pretrain/source_multi/seed1 needs an auxiliary head, and streets has none"
            )
        else:
            make_plan(parameters_from(content, "params.yaml"))


@pytest.mark.parametrize(("change", "words"), [({"crop": "60x24"}, "source images of 60x24"), ({}, "images of 64x32")])
def test_sides_that_a_network_cannot_divide_are_refused(monkeypatch, change, words):
    sides = {"streets_vit": 8 if change else 24}
    monkeypatch.setattr(networks, "_constant", lambda module, name, default: sides if name == "SIDES" else default)
    parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
    preset = parameters["presets"]["tiny"]
    preset["model"]["backbone"] = "streets_vit"
    preset["adapt"] |= change
    refused(parameters, words, "multiples of", "choose another cache or crop")


def test_images_of_whole_patches_are_planned_and_tokens_hidden_only_where_there_are_some():
    parameters = tiny.tiny_parameters(("source_only", "vfm_uda"))
    refused(parameters, "adapt/vfm_uda/seed1 hides tokens, and streets has none", "streets_vit")
    parameters["presets"]["tiny"]["model"]["backbone"] = "streets_vit"
    make_plan(parameters_from(parameters, "params.yaml"))


def test_methods_that_want_the_maps_of_one_target_from_other_images_are_refused():
    content = shipped("streets")
    own = content["methods"]["cross_city_prior"] | {"title": "mine", "training": {"later": "rio_later"}}
    content["methods"]["mine"] = own
    rows = ["rome/source_only", "rome/cross_city_prior", "rome/mine"]
    for each in content["presets"].values():
        each |= {"experiments": {}, "tables": None, "report": []}
    content["experiments"] = {"table6": {"rows": rows, "published": None}}
    refused(content, "static/rome_train", "rome_later", "rio_later", "name the same caches for both methods")
    own["training"]["later"] = "rome_later"
    make_plan(parameters_from(content, "params.yaml"))
