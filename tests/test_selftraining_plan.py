"""Self-training in the plan: its jobs, what a number remakes, and which combinations are refused."""

import math

import pytest
from tiny import REPOSITORY, tiny_parameters

from segadapt.core.errors import UserError
from segadapt.core.parameters import SelfTrainingSettings, load_parameters, parameters_from
from segadapt.plan import Plan, make_plan, phase_targets

OWN_STAGES = ("prior", "pseudo_label", "self_train")


def content(method: str = "cbst", rounds: int = 3, **changes) -> dict:
    """The toy parameters with a table of one self-trained method; ``changes`` go to its section."""
    found = tiny_parameters(("source_only", method))
    entry = found["presets"]["tiny"]["methods"].setdefault(method, {})
    entry["self_training"] = {"rounds": rounds} | changes
    return found


def plan_of(method: str = "cbst", rounds: int = 3, **changes) -> Plan:
    return make_plan(parameters_from(content(method, rounds, **changes), "tiny"))


def own_jobs(plan: Plan) -> dict[str, dict]:
    return {job.name: job.identity() for job in plan.jobs if job.stage in OWN_STAGES}


def changed(**changes) -> list[str]:
    before, after = own_jobs(plan_of()), own_jobs(plan_of(**changes))
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def paths_of(job) -> dict[str, str]:
    return {each.role: each.path for each in job.inputs}


def of_round(number: int, *stages: str) -> list[str]:
    return [f"{stage}/cbst-round{number}/seed1" for stage in stages or OWN_STAGES[1:]]


def test_a_round_labels_by_the_model_before_it_and_goes_on_from_there():
    plan = plan_of()
    before = "work/tiny/sources/source/seed1/model.safetensors"
    for number in (1, 2, 3):
        label, train = (plan.by_name[name] for name in of_round(number))
        assert paths_of(label) == {"model": before, "target": "work/tiny/cache/target_train/manifest.json"}
        folder = f"work/tiny/models/cbst-round{number}/seed1"
        assert paths_of(train) == {
            "model": before,
            "source": "work/tiny/cache/source_train/manifest.json",
            "target": label.input("target"),
            "labels": f"{folder}/labels/manifest.json",
            "selection": f"{folder}/labels/selection.json",
        }
        assert {train.input("labels"), train.input("selection")} < set(label.outputs.values())
        before = train.outputs["model"]
        assert before == f"{folder}/model.safetensors"
    scored = plan.by_name["evaluate/cbst/seed1"]
    assert scored.input("model") == before and scored.config["last_step"] == 3 * train.config["training"]["steps"]
    assert set(own_jobs(plan)) == {name for number in (1, 2, 3) for name in of_round(number)}


def test_a_prior_is_counted_once_for_all_seeds():
    found = content("cbst_sp", 2) | {"seeds": [1, 2]}
    plan = make_plan(parameters_from(found, "tiny"))
    (prior,) = (job for job in plan.jobs if job.stage == "prior")
    assert paths_of(prior) == {"source": "work/tiny/cache/source_train/manifest.json"}
    labelling = [job for job in plan.jobs if job.stage == "pseudo_label"]
    assert len(labelling) == 4 and all(job.input("prior") == prior.outputs["prior"] for job in labelling)
    order = [job.name for job in plan.jobs]
    assert all(order.index(prior.name) < order.index(job.name) for job in labelling)


def test_the_numbers_of_every_round():
    plan = plan_of(
        rounds=4, portion=0.3, portion_step=0.15, portion_limit=0.5, source_share=0.1, source_share_step=0.1,
        source_share_limit=0.25, learning_rate=0.008, learning_rate_divisor=2, steps=5,
    )  # fmt: skip
    jobs = [[plan.by_name[name].config for name in of_round(number)] for number in (1, 2, 3, 4)]
    assert [label["selection"]["portion"] for label, _ in jobs] == [0.3, 0.45, 0.5, 0.5]
    assert [train["round"]["source_share"] for _, train in jobs] == [0.1, 0.2, 0.25, 0.25]
    schedules = [train["training"] for _, train in jobs]
    assert [each["learning_rate"] for each in schedules] == [0.008, 0.004, 0.002, 0.001]
    assert all(
        (each["steps"], each["horizon"], each["annealing"]) == (5, 5, {"name": "constant"}) for each in schedules
    )
    # Without numbers of its own, a round takes those of the preset's adaptation.
    schedule = plan_of().by_name["self_train/cbst-round3/seed1"].config["training"]
    assert schedule["steps"] == 6 and schedule["learning_rate"] == pytest.approx(0.001 / 2)


def test_the_defaults_are_the_originals_for_gta5():
    numbers = SelfTrainingSettings()
    assert [numbers.portion_of(number) for number in range(1, 10)] == [
        0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5,
    ]  # fmt: skip
    assert [numbers.source_share_of(number) for number in (1, 2, 13, 14)] == [0.03, 0.0325, 0.06, 0.06]
    assert numbers.rounds == 6 and numbers.learning_rate_divisor == math.sqrt(2) and numbers.mining == 0.8


def test_another_round_trains_only_itself():
    assert changed(rounds=4) == sorted(of_round(4))
    assert changed(rounds=2) == sorted(of_round(3))


def test_a_number_remakes_the_rounds_that_depend_on_it():
    """Jobs that read what a changed one makes are remade with it; here is whose own numbers change."""
    labels = [name for number in (1, 2, 3) for name in of_round(number, "pseudo_label")]
    trainings = [name for number in (1, 2, 3) for name in of_round(number, "self_train")]
    assert changed(portion_step=0.1) == labels[1:]
    assert changed(portion_limit=0.24) == labels[2:] and changed(portion_limit=0.25) == []
    assert changed(portion=0.16) == changed(stride=2) == changed(selection="global") == changed(flip=False) == labels
    assert changed(learning_rate_divisor=2) == trainings[1:]
    assert changed(mining=0.5) == changed(source_redraw=True) == trainings
    assert changed(spatial_prior=True) == ["prior/cbst", *labels]
    assert changed(prior_blur=0.5) == []  # without a prior


def test_batch_norm_is_frozen_as_in_the_originals():
    """On DeepLab as CRST has it; on the wide network, whose affine part is trained, as CBST has it."""
    from segadapt.models.batchnorm import CBST, CRST

    shipped = load_parameters(REPOSITORY / "params.yaml")
    for method in ("cbst", "cbst_sp", "self_training"):
        model = plan_of(method).by_name[f"self_train/{method}-round1/seed1"].config["model"]
        assert model["batch_norm"] == vars(CRST)
        assert shipped.resolved["wide"].methods[method].batch_norm.model_dump() == vars(CBST)
        # Predicting knows no such switch.
        plain = plan_of(method).by_name[f"pseudo_label/{method}-round1/seed1"].config["model"]
        assert plain["batch_norm"] == plan_of(method).by_name["evaluate/source/seed1"].config["model"]["batch_norm"]


def test_phases_curves_settings_and_sweeps_know_the_rounds():
    found = content()
    found["presets"]["tiny"]["settings"] = {"dark": {"title": "Dark", "adapt": {"mirror": 0.1}}}
    found["experiments"]["table2"] = {
        "rows": ["source_only", "cbst", "dark/cbst"],
        "sweeps": [{"method": "cbst", "parameter": "self_training.portion", "values": [0.1]}],
    }
    plan = make_plan(parameters_from(found, "tiny"))
    adapted = phase_targets(plan, "adapt")
    for model in ("cbst-round1", "dark/cbst-round1", "cbst-self_training.portion-0.1-round1"):
        train = plan.by_name[f"self_train/{model}/seed1"]
        assert train.outputs["model"] == f"work/tiny/models/{model}/seed1/model.safetensors"
        assert train.provenance in adapted and plan.by_name[f"pseudo_label/{model}/seed1"].provenance in adapted
    curves = plan.by_name["figure/curves"]
    assert curves.input("history", row="cbst", seed=1) == "work/tiny/models/cbst-round3/seed1/history.csv"
    assert plan.by_name["evaluate/dark/cbst/seed1"].input("model").startswith("work/tiny/models/dark/cbst-round3/")


@pytest.mark.parametrize(("parameter", "values"), [("rounds", [1, 2, 3]), ("steps", [2, 4])])
def test_whole_numbers_are_swept_too(parameter, values):
    """Also where the method's entry has null."""
    found = content()
    sweep = {"method": "cbst", "parameter": f"self_training.{parameter}", "values": values}
    found["experiments"]["table2"] = {"rows": ["source_only"], "sweeps": [sweep]}
    methods = parameters_from(found, "tiny").resolved[None].methods
    name = f"cbst-self_training.{parameter}"
    # Three rounds are what the method has anyway.
    cells = [methods.get(f"{name}-{value}", methods["cbst"]).self_training for value in values]
    assert [repr(getattr(each, parameter)) for each in cells] == list(map(repr, values))
    made = {job.name for job in make_plan(parameters_from(found, "tiny"), hash_code=False).jobs}
    assert {f"self_train/{name}-2-round2/seed1"} <= made
    sweep["values"] = [*values, 1.5]
    with pytest.raises(UserError, match=rf"sweeps\[0\].self_training.{parameter}: .*integer, got 1.5"):
        parameters_from(found, "tiny")


def test_the_shipped_presets_self_train_as_a_table_asks():
    for preset in ("streets", "paper"):
        parameters = parameters_from(tiny_parameters(("cbst",)) | {"preset": preset}, preset)
        for method in ("cbst", "cbst_sp", "self_training"):
            entry = parameters.methods[method]
            assert entry.target_loss == "self_training" and entry.lambda_target == 1
            assert entry.self_training.spatial_prior == (method == "cbst_sp")
            assert entry.self_training.selection == ("global" if method == "self_training" else "class_balanced")


def test_a_presets_number_leaves_the_others_as_the_method_has_them():
    found = content(rounds=2)
    found["methods"]["cbst"]["self_training"] |= {"portion": 0.2, "rounds": 5}
    section = parameters_from(found, "tiny").methods["cbst"].self_training
    assert (section.rounds, section.portion) == (2, 0.2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"self_training": None}, r"methods\.cbst\.self_training: is missing; say how"),
        ({"target_loss": "entropy"}, r"methods\.cbst\.self_training: has no effect on entropy"),
        ({"target_loss": None, "lambda_target": 0}, r"methods\.cbst\.self_training: has no effect without target_loss"),
        ({"lambda_target": 0}, r"methods\.cbst\.lambda_target: is 0"),
        ({"guidance": {}}, r"methods\.cbst\.guidance: has no effect on self_training"),
        ({"image_weight": {}}, r"methods\.cbst\.image_weight: has no effect on self_training"),
        ({"auxiliary": True}, r"methods\.cbst\.auxiliary: has no effect in self-training"),
        ({"adversarial": {"name": "advent"}}, r"methods\.cbst\.adversarial: has no effect on self_training"),
        ({"start": "initial"}, r"methods\.cbst\.start: self-training needs the labels of a source model"),
        ({"ensemble": ["minent", "maxsquare"], "target_loss": None, "lambda_target": 0, "batch_norm": None},
         r"methods\.cbst\.self_training: has no effect, for an ensemble"),
        ({"self_training": {"portion": 0}}, r"methods\.cbst\.self_training\.portion: Input should be greater than 0"),
        ({"self_training": {"portion": 0.6}}, r"cbst\.self_training: portion_limit: 0\.5 is below portion, 0\.6"),
        ({"self_training": {"source_share": 0.5}}, r"source_share_limit: 0\.06 is below source_share, 0\.5"),
        ({"self_training": {"rounds": 0}}, r"methods\.cbst\.self_training\.rounds: "),
        ({"self_training": {"learning_rate_divisor": 0.5}}, r"methods\.cbst\.self_training\.learning_rate_divisor: "),
        ({"self_training": {"selection": "best"}}, r"methods\.cbst\.self_training\.selection: .*class_balanced"),
        ({"self_training": {"portions": 0.1}}, r"methods\.cbst\.self_training\.portions: unknown key"),
    ],
)  # fmt: skip
def test_combinations_that_make_no_sense_are_refused(changes, words):
    found = tiny_parameters(("source_only", "cbst"))
    for preset in found["presets"].values():
        preset.get("methods", {}).pop("cbst", None)
    found["methods"]["cbst"] |= changes
    with pytest.raises(UserError, match=words):
        make_plan(parameters_from(found, "params.yaml"))


def test_no_method_can_be_named_like_a_round():
    found = tiny_parameters()
    found["methods"]["cbst-round1"] = found["methods"]["cbst"]
    with pytest.raises(UserError, match="cbst-round1"):
        parameters_from(found, "params.yaml")
