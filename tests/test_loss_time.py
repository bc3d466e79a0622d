"""λ by loss-time: its arithmetic against loops and closed forms, whom it holds for, and what a reader is told of it."""

from pathlib import Path

import pytest
import scored
import tiny
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.plan import Plan, make_plan
from segadapt.plan.loss_time import loss_time
from segadapt.reporting.lineage.trace import trace_table
from segadapt.reporting.tables import main
from segadapt.reporting.tables.cells import read_cells

RULE = {"name": "loss_time", "of": "theirs"}
METHODS = ("target_forwarded", "minent", "maxsquare", "maxsquare_iw_multi", "advent_minent", "adaptsegnet", "cbst")
LONG = {"steps": 40, "horizon": 40, "learning_rate": 0.002, "annealing": "constant"}
SHORT = {"steps": 10, "horizon": 10, "learning_rate": 0.004, "annealing": "constant"}


NEVER = {"steps": 1, "annealing": {"name": "poly", "warm_up": 5, "warm_up_ratio": 0}}


def content(rule: dict | None = RULE, ours: dict = SHORT, theirs: dict = LONG, rows=METHODS) -> dict:
    """The toy project with these schedules of adaptation, and the preset ``theirs`` whose λ its own are."""
    found = tiny.tiny_parameters(rows)
    preset = found["presets"]["tiny"]
    found["presets"] = {"tiny": preset, "theirs": preset | {}}
    for name, schedule in (("tiny", ours), ("theirs", theirs)):
        for stage in ("adapt", "refine"):
            found["presets"][name] |= {stage: preset[stage] | schedule | {"snapshots": 0}}
    preset["lambda_rule"] = rule
    return found


def plan_of(**parts) -> Plan:
    return make_plan(parameters_from(content(**parts), "tiny"))


def trained(plan: Plan) -> dict[str, Job]:
    """The job that trains each method."""
    return {job.subject["model"]: job for job in plan.jobs if "method" in job.config}


# --- arithmetic -----------------------------------------------------------------------------------


def test_constant_rates_by_hand():
    """40 steps at 0.002 are 0.08, ten at 0.004 half of it: twice the λ."""
    job = trained(plan_of())["maxsquare"]
    assert job.config["method"]["lambda_target"] == 0.2
    assert job.config["lambda_rule"] == RULE | {"lambda_target": 0.1}


def test_the_shipped_presets_by_a_loop_over_the_steps_of_their_files():
    read = lambda name: yaml.safe_load((tiny.REPOSITORY / f"presets/{name}.yaml").read_text())  # noqa: E731
    paper = read("paper")["adapt"]
    time = sum(2.5e-4 * (1 - step / paper["horizon"]) ** 0.9 for step in range(paper["steps"]))
    # Without the last ten steps, which add next to nothing, the sum is that of an integral.
    assert time == pytest.approx(2.5e-4 * paper["horizon"] / 1.9, rel=1e-4)
    for name in ("streets", "camvid"):
        ours = read(name)["adapt"]
        own = sum(float(ours["learning_rate"]) * (1 - s / ours["horizon"]) ** 0.9 for s in range(ours["steps"]))
        plan = make_plan(load_parameters(tiny.REPOSITORY / "params.yaml", {"preset": name, "seeds": [1]}))
        jobs = trained(plan)
        assert jobs["minent"].config["method"]["lambda_target"] == pytest.approx(0.1 * time / own, rel=1e-5)
        multi = jobs["maxsquare_iw_multi"].config["method"]["lambda_target"]
        assert multi == pytest.approx(0.09 * time / own, rel=1e-5)


schedules = st.fixed_dictionaries(
    {
        "steps": st.integers(1, 60),
        "horizon": st.integers(60, 90),
        "learning_rate": st.floats(1e-6, 1),
        "annealing": st.sampled_from(["constant", "poly", "inverse", "linear"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(ours=schedules, theirs=schedules, weight=st.floats(1e-3, 10))
def test_lambda_times_the_sum_of_rates_is_the_papers(ours, theirs, weight):
    found = content(ours=ours, theirs=theirs, rows=("maxsquare",))
    found["methods"]["maxsquare"]["lambda_target"] = weight
    parameters = parameters_from(found, "tiny")
    times = [loss_time(parameters.presets[name].adapt) for name in ("tiny", "theirs")]
    got = trained(make_plan(parameters))["maxsquare"].config["method"]["lambda_target"]
    assert got * times[0] == pytest.approx(weight * times[1], rel=1e-5)
    assert got == float(f"{got:.6g}"), "the last bits of a sum could differ between machines"


# --- whom it holds for ----------------------------------------------------------------------------


def test_it_holds_for_the_papers_losses_and_changes_nothing_else():
    """The control's λ is 0 and stays; that of ADVENT, of discriminators and of self-training is trained as written."""
    by_rule, plain = trained(plan_of()), trained(plan_of(rule=None))
    follow = {name for name, job in by_rule.items() if "lambda_rule" in job.config}
    assert follow == {"minent", "maxsquare", "maxsquare_iw_multi"}
    for name, job in by_rule.items():
        config = {key: each for key, each in job.config.items() if key != "lambda_rule"}
        if name in follow:
            factor = config["method"].pop("lambda_target") / plain[name].config["method"].pop("lambda_target")
            assert factor == pytest.approx(2)
        assert config == plain[name].config, name
    assert not [job.name for job in plan_of(rule=None).jobs if "lambda_rule" in job.config]


def test_values_of_sweeps_and_settings_are_the_papers_too():
    found = content(rows=("maxsquare", "slow/maxsquare"))
    preset = found["presets"]["tiny"]
    preset["settings"] = {"slow": {"adapt": {"learning_rate": 0.002}, "methods": {"maxsquare": {"lambda_target": 0.3}}}}
    sweep = {"method": "maxsquare", "parameter": "lambda_target", "values": [0.1, 0.5]}
    found["experiments"]["table2"]["sweeps"] = [sweep]
    jobs = trained(make_plan(parameters_from(found, "tiny")))
    weights = {name: job.config["method"]["lambda_target"] for name, job in jobs.items()}
    assert weights == {"maxsquare": 0.2, "slow/maxsquare": 1.2, "maxsquare-lambda_target-0.5": 1.0}
    found["presets"]["tiny"]["methods"]["maxsquare"] = {"training": {"steps": 5}}
    jobs = trained(make_plan(parameters_from(found, "tiny")))
    assert jobs["maxsquare"].config["method"]["lambda_target"] == 0.4, "its own schedule counts"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"of": "nobody"}, r"lambda_rule\.of: 'nobody' is not defined; known are"),
        ({"of": "tiny"}, r"lambda_rule\.of: preset tiny has a lambda_rule itself"),
        ({"name": "by_hand"}, r"lambda_rule\.name"),
        ({"factor": 2}, r"lambda_rule\.factor: unknown key"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(change, expected):
    with pytest.raises(UserError, match=expected):
        plan_of(rule=RULE | change)


@pytest.mark.parametrize(
    ("whose", "change", "expected"),
    [
        ("theirs", {"optimiser": "adamw"}, r"rates of repeated_sgd .* and adamw .* cannot be compared"),
        ("ours", NEVER, "adapt in preset tiny is 0"),
        ("theirs", NEVER, "preset theirs is 0"),
    ],
)  # fmt: skip
def test_schedules_that_have_no_common_measure_are_refused(whose, change, expected):
    schedule = (SHORT if whose == "ours" else LONG) | change
    with pytest.raises(UserError, match=rf"^presets/tiny\.yaml: lambda_rule: .*{expected}"):
        plan_of(**{whose: schedule}, rows=("maxsquare",))


def test_a_stage_that_the_other_preset_lacks_is_refused():
    found = content(rows=("maxsquare",))
    found["methods"]["maxsquare"]["start"] = "initial"
    found["presets"]["theirs"]["joint"] = None
    with pytest.raises(UserError, match=r"lambda_rule\.of: preset theirs has no joint, by which 'MaxSquare' is"):
        make_plan(parameters_from(found, "tiny"))


def test_a_preset_of_classification_alone_has_no_use_for_it():
    digits = yaml.safe_load((tiny.REPOSITORY / "presets/digits.yaml").read_text())
    over = {"presets": {"digits": digits | {"lambda_rule": {"name": "loss_time", "of": "paper"}}}}
    with pytest.raises(UserError, match=r"presets/digits\.yaml: lambda_rule: is of segmentation"):
        load_parameters(tiny.REPOSITORY / "params.yaml", over)


# --- what is told ---------------------------------------------------------------------------------


def test_tables_show_both(tmp_path, monkeypatch):
    """Of what was trained, by its record."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    Path("results/published").symlink_to(tiny.REPOSITORY / "results/published")
    rows = ("source_only", *METHODS, "advent_ensemble")
    plan = plan_of(rows=rows)
    for job in plan.jobs:
        if job.stage in scored.MADE:
            scored.make(job)
    job = plan.by_name["table/table2"]
    files, _ = main.build(trace_table(job))
    cells = read_cells(files["csv"])
    both = dict(zip(rows, cells[["lambda", "paper_lambda"]].itertuples(index=False, name=None), strict=False))
    none = dict.fromkeys(("source_only", "adaptsegnet", "advent_ensemble"), ("", ""))
    written = {"target_forwarded": ("0", ""), "advent_minent": ("0.1", ""), "cbst": ("1", "")}
    by_rule = {"minent": ("0.2", "0.1"), "maxsquare": ("0.2", "0.1"), "maxsquare_iw_multi": ("0.18", "0.09")}
    assert both == none | written | by_rule
