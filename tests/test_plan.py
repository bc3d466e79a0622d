"""The plan: its jobs, and what depends on what."""

from pathlib import Path

import pytest
from tiny import REPOSITORY, tiny_parameters

from segadapt.core.artifacts import write_json
from segadapt.core.job import Input, Job, read_card
from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.core.stages import PHASES, STAGES
from segadapt.plan import Plan, make_plan, phase_targets, result_files
from segadapt.plan.rows import look
from segadapt.plan.targets import jobs_behind, main_table, named_targets

ROWS = (
    "source_only",
    "source_continued",
    "target_forwarded",
    "minent",
    "maxsquare",
    "maxsquare_iw",
    "maxsquare_iw_multi",
)
METHODS = ROWS[1:]
# What shows every row, and what shows the unadapted model and MaxSquare alone.
FIGURES = ["figure/curves", "figure/gallery", "figure/qualitative", "figure/table2_classes"]
OF_MAXSQUARE = ["figure/figure2", "figure/figure4"]
TABLES = ["costs/table2", "measures/table2", "scoring/table2", "statistics/table2", "table/table2"]


def plan_of(**changes) -> Plan:
    """The plan of the toy project with all methods; ``changes`` replace top-level sections."""
    return make_plan(parameters_from(tiny_parameters(ROWS) | changes, "params.yaml"))


def below(plan: Plan, name: str) -> set[str]:
    """All jobs that depend on a job, by a naive walk."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        outputs = set(plan.by_name[waiting.pop()].outputs.values())
        for job in plan.jobs:
            if outputs & {each.path for each in job.inputs} and job.name not in found:
                found.add(job.name)
                waiting.append(job.name)
    return found


# --- the jobs -------------------------------------------------------------------------------------


def test_every_input_is_external_or_made_by_an_earlier_job():
    for parameters in (parameters_from(tiny_parameters(ROWS), "tiny"), load_parameters(REPOSITORY / "params.yaml")):
        plan = make_plan(parameters)
        made: set[str] = set()
        for job in plan.jobs:
            for each in job.inputs:
                assert each.path in made or each.path not in plan.by_output, (job.name, each)
            assert not made & set(job.outputs.values()), job.name
            made |= set(job.outputs.values())
        assert len({job.name for job in plan.jobs}) == len(plan.jobs)


def test_inputs_are_found_by_what_they_are():
    keys = ("maxsquare", "rome/maxsquare", "rome/cbst")
    scores = [Input("metrics", f"{key} {seed}", key, seed) for key in keys for seed in (1, 11)]
    job = Job("table", "table/x", "tiny", (*scores, Input("published", "x.csv")), {}, "", {}, "")
    for key in keys:
        assert [each.path for each in job.read("metrics", row=key)] == [f"{key} 1", f"{key} 11"]
        assert job.input("metrics", row=key, seed=1) == f"{key} 1"
    assert job.input("published") == "x.csv" and job.read("target") == []
    for wrong in ("metrics", "target"):
        with pytest.raises(ValueError):
            job.input(wrong)


def test_the_phases_hold_every_job_once():
    plan = plan_of()
    assert sorted(path for phase in PHASES for path in phase_targets(plan, phase)) == sorted(
        job.provenance for job in plan.jobs
    )


def altered(edit) -> list[str]:
    """Names of the jobs whose identity an edit of the toy parameters changes."""
    parameters = tiny_parameters(ROWS)
    before = {job.name: job.identity() for job in make_plan(parameters_from(parameters, "before")).jobs}
    edit(parameters)
    after = {job.name: job.identity() for job in make_plan(parameters_from(parameters, "after")).jobs}
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("source_continued", "target_forwarded")])
def test_one_lambda_changes_one_card(method):
    stage = "refine" if method.endswith("multi") else "adapt"
    assert altered(lambda each: each["methods"][method].update(lambda_target=0.123)) == [f"{stage}/{method}/seed1"]


def test_edits_change_the_cards_they_must():
    tiny = lambda each: each["presets"]["tiny"]  # noqa: E731
    assert altered(lambda each: each["methods"]["minent"].update(title="Entropy")) == sorted(
        [*FIGURES, *TABLES, "report"]
    )
    assert altered(lambda each: tiny(each)["run"].update(save_steps=5, loader_threads=3)) == []
    # The tables print the size that a number was measured at.
    assert altered(lambda each: tiny(each)["caches"]["target_val"].update(size="96x48")) == [
        "measures/table2",
        "prepare/target_val",
        "scoring/table2",
        "table/table2",
    ]
    multi = ["evaluate/maxsquare_iw_multi/seed1", "refine/maxsquare_iw_multi/seed1"]
    assert altered(lambda each: tiny(each)["refine"].update(learning_rate=0.1)) == multi[1:]
    # Other snapshots are scored, and curves end elsewhere.
    assert altered(lambda each: tiny(each)["refine"].update(steps=5)) == sorted([*multi, "figure/curves", "report"])
    assert altered(lambda each: tiny(each)["refine"].update(snapshots=2)) == multi
    assert altered(lambda each: tiny(each)["pretrain"].update(optimiser={"name": "repeated_sgd", "momentum": 0.8})) == [
        "pretrain/source/seed1",
        "pretrain/source_multi/seed1",
    ]
    new = altered(lambda each: each.update(seeds=[1, 2]))
    figures = ["figure/curves", "figure/figure4", "figure/table2_classes"]
    assert [name for name in new if not name.endswith("seed2")] == sorted([*figures, *TABLES, "report"])


def test_switches_of_the_evaluation_change_the_evaluations_that_they_concern():
    def evaluations(*models):
        return sorted(f"evaluate/{model}/seed1" for model in models)

    switch = lambda **changes: altered(lambda each: each["presets"]["tiny"]["evaluation"].update(changes))  # noqa: E731
    assert switch(flip=False) == evaluations("source", *METHODS)
    assert switch(heads=False) == evaluations("maxsquare_iw_multi")
    assert switch(label_free_images=7) == evaluations("source", *METHODS)


def test_snapshots_go_from_training_to_evaluation_with_target_images(tmp_path):
    parameters = tiny_parameters(ROWS)
    parameters["presets"]["tiny"]["adapt"]["snapshots"] = 2
    parameters["presets"]["tiny"]["refine"]["snapshots"] = 0
    plan = make_plan(parameters_from(parameters, "tiny"))
    for name in METHODS[:-1]:
        job, folder = plan.by_name[f"evaluate/{name}/seed1"], f"work/tiny/models/{name}/seed1"
        expected = {2: Path(f"{folder}/snapshot000002.safetensors"), 4: Path(f"{folder}/snapshot000004.safetensors")}
        assert job.snapshot_paths() == plan.by_name[f"adapt/{name}/seed1"].snapshot_paths() == expected
        assert read_card_of(job, tmp_path).snapshot_paths() == expected
        assert job.input("target") == "work/tiny/cache/target_train/manifest.json" and job.config["last_step"] == 6
    # Without snapshots the last step's model is looked at alone, and the source model for comparison.
    for model in ("source", "maxsquare_iw_multi"):
        job = plan.by_name[f"evaluate/{model}/seed1"]
        assert {each.role for each in job.inputs} == {"model", "labelled", "target"} and job.config["last_step"] == 6


def read_card_of(job: Job, folder: Path) -> Job:
    """The job as its stage reads it."""
    write_json(folder / "card.json", job.as_card())
    return read_card(folder / "card.json")


def test_an_ensemble_scores_its_members_models_and_trains_none():
    parameters = tiny_parameters(("source_only", "both"))
    parameters["methods"]["both"] = {"title": "both", "ensemble": ["minent", "maxsquare_iw_multi"]}
    plan = make_plan(parameters_from(parameters, "tiny"))
    job = plan.by_name["evaluate/both/seed1"]
    members = [f"work/tiny/models/{name}/seed1/model.safetensors" for name in ("minent", "maxsquare_iw_multi")]
    assert [each.path for each in job.read("model")] == members
    assert not job.snapshots and job.read("target")
    assert job.config["ensemble_average"] == "logits", "as ADVENT, whose ensemble is the only one of the compared rows"
    assert job.config["auxiliary_of_members"] == [False, True] and not job.config["test_time"]["heads"]
    trained = {each.name for each in plan.jobs if each.stage in ("adapt", "refine", "joint")}
    assert trained == {"adapt/minent/seed1", "refine/maxsquare_iw_multi/seed1"}
    assert "evaluate/minent/seed1" not in plan.by_name, "no table has that row"


def test_the_oracle_is_no_candidate_of_a_choice_without_labels():
    parameters = tiny_parameters(("source_only", "oracle"))
    job = make_plan(parameters_from(parameters, "tiny")).by_name["evaluate/oracle/seed1"]
    assert {each.role for each in job.inputs} == {"model", "labelled"} and "label_free_images" not in job.config


def test_only_what_shows_a_row_depends_on_it():
    plan = plan_of()
    assert below(plan, "evaluate/minent/seed1") == {
        "figure/curves",
        "figure/gallery",
        "figure/table2_classes",
        "report",
        *TABLES,
    }
    assert below(plan, "adapt/maxsquare/seed1") == {
        "evaluate/maxsquare/seed1",
        *FIGURES,
        *OF_MAXSQUARE,
        *TABLES,
        "report",
    }
    assert plan.by_name["figure/figure1"].inputs == ()
    assert list(plan.by_name["figure/figure2"].config["models"]) == ["source_only", "maxsquare"]


def test_only_what_a_target_needs_is_asked_of_the_user():
    plan = plan_of()
    minent = jobs_behind(plan, ["work/tiny/metrics/minent/seed1/metrics.json"])
    assert minent == {
        "evaluate/minent/seed1",
        "adapt/minent/seed1",
        "pretrain/source/seed1",
        *(f"prepare/{name}" for name in ("source_train", "target_train", "target_val")),
    }
    everything = {job.name for job in plan.jobs}
    assert jobs_behind(plan, []) == jobs_behind(plan, ["no_rule_and_no_file"]) == everything
    assert jobs_behind(plan, ["phase_data"]) == {name for name in everything if name.startswith("prepare/")}


@pytest.mark.parametrize("preset", ["streets", "paper"])
def test_the_papers_tables_and_figures_need_no_model_of_later_tables_alone(preset):
    plan = make_plan(load_parameters(REPOSITORY / "params.yaml", {"preset": preset}))
    made = [plan.by_output[path] for path in result_files(plan, of_paper=True)]
    tables = {job.subject["table"] for job in made if "table" in job.subject}
    beside_the_papers = {"table2_compared", "table3_head19", "table5_lambda"} & plan.parameters.tables.keys()
    assert tables == {f"table{number}" for number in range(1, 7)} | beside_the_papers

    def trained(jobs: list[Job]) -> set[str]:
        behind = jobs_behind(plan, [job.provenance for job in jobs])
        return {name for name in behind if STAGES[plan.by_name[name].stage].trains}

    of_figure5 = trained([plan.by_name["figure/figure5"]])
    assert trained(made) == trained([job for job in made if "table" in job.subject]) | of_figure5
    figures = {
        "curves",
        "qualitative",
        "qualitative_synthia",
        "qualitative_rome",
        *(f"figure{n}" for n in (1, 2, 4, 5)),
    }
    names = {job.name for job in made}
    assert {f"figure/{name}" for name in figures} | {"report"} <= names
    assert not names & {"figure/qualitative_rome19", "figure/qualitative_mit"}
    assert "figure/qualitative_rome19" in plan.by_name


@pytest.mark.parametrize(("preset", "shown"), [("streets", 2), ("camvid", 0), ("paper", 0)])
def test_table2_trains_its_own_models_alone(preset, shown):
    plan = make_plan(load_parameters(REPOSITORY / "params.yaml", {"preset": preset}))
    files = main_table(plan)
    assert {*files[:3]} == {f"results/table2{ending}.csv" for ending in ("", "_statistics", "_protocols")}
    assert len(files) == 3 + shown
    wanted, needed = jobs_behind(plan, files[:3]), jobs_behind(plan, files)
    assert {STAGES[plan.by_name[name].stage].phase for name in needed - wanted} <= {"table"}


@pytest.mark.parametrize("preset", ["streets", "paper"])
def test_a_name_asks_for_its_files_alone(preset):
    plan = make_plan(load_parameters(REPOSITORY / "params.yaml", {"preset": preset}))
    for name in ("paper", "table2", "phase_data"):
        named = jobs_behind(plan, [name])
        assert named == jobs_behind(plan, named_targets(plan)[name]) and len(named) < len(plan.jobs), name
    assert jobs_behind(plan, ["all"]) == jobs_behind(plan, []) == jobs_behind(plan, ["nobody", "table2"])
    assert {STAGES[plan.by_name[name].stage].phase for name in jobs_behind(plan, ["phase_data"])} == {"data"}


def test_a_new_row_repaints_no_other():
    def looks(rows):
        plan = make_plan(parameters_from(tiny_parameters(rows), "tiny"))
        return {row["key"]: row["look"] for row in plan.by_name["figure/table2_classes"].config["rows"]}

    few, all_rows = looks(("source_only", "maxsquare")), looks(ROWS)
    assert few == {key: all_rows[key] for key in few} and len(set(all_rows.values())) == len(ROWS)
    methods = [f"method{number}" for number in range(20)]
    assert len({look(key, methods) for key in (*methods, "source_only", "oracle")}) == 22


def test_the_baseline_is_the_control_that_forwards_target_images():
    def baselines_of(*rows):
        job = make_plan(parameters_from(tiny_parameters(rows), "tiny")).by_name["statistics/table2"]
        return {row["baseline"] for row in job.config["rows"]}

    assert baselines_of(*ROWS) == {"target_forwarded"}
    assert baselines_of("source_only", "source_continued", "minent") == {"source_only"}


def test_a_table_of_unadapted_models_has_no_figure_of_adaptation():
    names = {job.name for job in make_plan(parameters_from(tiny_parameters(("source_only",)), "x")).jobs}
    figures = {f"figure/{name}" for name in ("figure1", "figure2", "figure4", "gallery", "table2_classes")}
    assert {name for name in names if name.startswith("figure/")} == figures


def test_a_method_that_no_table_lists_is_not_run():
    names = {job.name for job in make_plan(parameters_from(tiny_parameters(("source_only", "maxsquare")), "x")).jobs}
    assert "adapt/maxsquare/seed1" in names and "pretrain/source/seed1" in names
    assert not any("minent" in name or "multi" in name for name in names)
