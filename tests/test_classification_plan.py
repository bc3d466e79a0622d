"""Parameters and plan of Table 1: what is refused, what is shared, what depends on what."""

import copy

import pytest
import toy_classification

from segadapt.core.errors import UserError
from segadapt.core.parameters.loader import parameters_from
from segadapt.plan import make_plan, result_files

PATH = "presets.tiny.classification"


def changed(path: str, value) -> dict:
    """The toy parameters with the value at a dotted path replaced."""
    content = copy.deepcopy(toy_classification.parameters())
    *parents, last = path.split(".")
    section = content
    for key in parents:
        section = section[key]
    section[last] = value
    return content


def plan_of(content: dict):
    return make_plan(parameters_from(content, "params.yaml"))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (f"{PATH}.domains", {"clean": "clean"}, f"{PATH}.domains"),
        (f"{PATH}.domains.camera", "nothing", f"{PATH}.domains.camera: 'nothing' is not defined; known are clean"),
        (f"{PATH}.model.classes", "cityscapes19", "are classes of pixels; name classes of whole images"),
        ("presets.tiny.caches.clean.classes", "office31", "set classes: digits10 for that cache"),
        ("presets.tiny.caches.clean.labels", False, "needs labels: true"),
        ("presets.tiny.caches.clean.size", "48x48", "do not fit in one batch; use one size"),
        ("presets.tiny.caches.clean.classes", None, "presets.tiny.caches.clean.classes: is missing"),
        (f"{PATH}.training.crop", "40x40", f"{PATH}.training.crop: 40x40 does not fit into images of 32x32"),
        (f"{PATH}.training.snapshots", 4, f"{PATH}.training.snapshots: must be fewer than steps"),
        (f"{PATH}.training.learning_rate", float("inf"), f"{PATH}.training.learning_rate"),
        (f"{PATH}.training.learning_rate", float("nan"), f"{PATH}.training.learning_rate"),
        (f"{PATH}.training.annealing", "cosine", f"{PATH}.training.annealing"),
        (f"{PATH}.training.joint_batch", False, "'dann' needs source and target in one batch"),
        (f"{PATH}.easy_and_hard.target", "clean", "is the source itself"),
        (f"{PATH}.easy_and_hard.source", "dslr", "'dslr' is not defined; known are clean, camera"),
        (f"{PATH}.easy_and_hard.methods", ["nothing"], "'nothing' is not defined"),
        (f"{PATH}.easy_and_hard.share", 0.7, f"{PATH}.easy_and_hard.share"),
        (f"{PATH}.protocol", {"normalization": "paper"}, f"{PATH}.protocol.normalization: unknown key"),
        ("methods.maxsquare_classifier.lambda_target", float("inf"), "methods.maxsquare_classifier.lambda_target"),
        ("experiments.table1.rows", ["maxsquare_iw_multi"], "has guidance, which an image classifier has no use for"),
        ("experiments.table1.rows", ["adaptsegnet"], "name: adaptsegnet, whose discriminators see output maps"),
        ("experiments.table1.rows", ["source_only", "source_only"], "a row stands there twice"),
        ("experiments.table1.classes", "synthia16", "experiments.table1.classes: is for segmentation"),
        ("experiments.table1.settings", ["rome"], "experiments.table1.settings: is for segmentation"),
        ("experiments.table1.task", "segmentation", "preset tiny has no segmentation"),
        ("presets.tiny.classification", None, "presets.tiny.model: is missing"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_path(path, value, said):
    with pytest.raises(UserError) as refused:
        plan_of(changed(path, value))
    assert said in str(refused.value), refused.value


def test_a_preset_without_classification_makes_no_table_of_it():
    content = toy_classification.tiny.tiny_parameters()
    content["experiments"]["table1"] = {"task": "classification", "rows": ["source_only"]}
    with pytest.raises(UserError, match=r"preset tiny has no classification; .* name table1 only in the tables of"):
        plan_of(content)
    content["presets"]["tiny"]["tables"] = ["table2"]
    content["presets"]["streets"]["tables"] = ["table1"]
    assert not any(job.stage == "train_classifier" for job in plan_of(content).jobs)


def test_dann_is_no_row_of_a_segmentation_table():
    content = toy_classification.tiny.tiny_parameters(("source_only", "dann"))
    with pytest.raises(UserError, match="dann trains image classifiers"):
        plan_of(content)


def test_segmentation_has_no_joint_batches():
    content = toy_classification.tiny.tiny_parameters()
    content["presets"]["tiny"]["adapt"]["joint_batch"] = True
    with pytest.raises(UserError, match=r"presets\.tiny\.adapt\.joint_batch: is for classification"):
        plan_of(content)


def test_every_ordered_pair_is_a_task_and_a_source_model_is_trained_once():
    content = toy_classification.parameters(seeds=(1,))
    content["presets"]["tiny"]["caches"]["textured"] = {
        "dataset": "digits", "split": "textured", "size": "32x32", "classes": "digits10",
    }  # fmt: skip
    content["presets"]["tiny"]["classification"]["domains"]["textured"] = "textured"
    plan = plan_of(content)
    names = [job.name for job in plan.jobs]
    tasks = plan.parameters.active_preset.classification.tasks
    assert len(tasks) == 6 and all(source != target for source, target in tasks.values())
    assert [name for name in names if "source_only" in name and name.startswith("train")] == [
        f"train_classifier/{domain}/source_only/seed1" for domain in ("clean", "camera", "textured")
    ]
    assert len([name for name in names if name.startswith("evaluate/") and "source_only" in name]) == 6
    assert len(names) == len(set(names))
    # Upstream first: nothing reads what comes later.
    made: set[str] = set()
    for job in plan.jobs:
        assert all(each.path in made for each in job.inputs if each.path.startswith("work/")), job.name
        made |= set(job.outputs.values())


def test_source_only_never_sees_a_target_image_and_methods_never_a_target_label():
    plan = plan_of(toy_classification.parameters())
    for job in plan.jobs:
        if job.stage == "train_classifier":
            assert bool(job.read("target")) == ("source_only" not in job.name), job.name
            assert not job.read("labelled")


def identities(content: dict) -> dict[str, str]:
    return {job.name: repr(job.identity()) for job in plan_of(content).jobs}


@pytest.mark.parametrize(
    ("path", "value", "touched"),
    [
        ("methods.maxsquare_classifier.lambda_target", 0.2, {"maxsquare_classifier"}),
        (f"{PATH}.easy_and_hard.training.learning_rate", 0.5, {"figure5"}),
        (f"{PATH}.easy_and_hard.share", 0.2, {"figure/figure5"}),
    ],
)
def test_a_change_touches_what_depends_on_it_alone(path, value, touched):
    before, after = identities(toy_classification.parameters()), identities(changed(path, value))
    different = {name for name in before if before[name] != after[name]}
    assert different and all(any(part in name for part in touched) for name in different), different


def test_everything_that_is_shown_is_asked_for():
    plan = plan_of(toy_classification.parameters())
    assert set(result_files(plan)) == {
        "results/table1.csv", "results/table1_protocols.csv", "results/table1_statistics.csv",
        "results/table1_costs.csv",
        "results/figures/figure5.png",
        "results/report/index.html",
    }  # fmt: skip
