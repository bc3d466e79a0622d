"""Hundreds of jobs: each is there once, and a row, a value or a seed more makes none of the others due."""

import pytest
from scored import MADE, scored_plan
from tiny import tiny_parameters

from segadapt.core.parameters import parameters_from
from segadapt.plan import Plan, make_plan, statuses
from segadapt.plan.status import write_cards

VALUES = [round(0.001 * number, 3) for number in range(1, 101)]


def swept(values=VALUES, rows=("source_only", "maxsquare"), seeds=(1, 2, 3)) -> Plan:
    """A table of one method over a grid."""
    parameters = tiny_parameters() | {"seeds": list(seeds)}
    sweep = {"method": "maxsquare", "parameter": "lambda_target", "values": list(values)}
    parameters["experiments"] = {"table2": {"rows": list(rows), "sweeps": [sweep]}}
    return make_plan(parameters_from(parameters, "tiny"))


def test_every_cell_of_a_large_grid_is_two_jobs_a_seed():
    plan = swept()
    stages = [job.stage for job in plan.jobs]
    # 0.1 is the method's own value and no cell of its own.
    assert stages.count("adapt") == 3 * len(VALUES) and stages.count("evaluate") == 3 * (len(VALUES) + 1)
    assert stages.count("pretrain") == 3 and len(plan.jobs) > 600
    assert len(plan.by_name) == len(plan.jobs) == len({job.card for job in plan.jobs})
    paths = [path for job in plan.jobs for path in job.outputs.values()]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({"values": [*VALUES, 0.3]}, [f"{stage}/maxsquare-lambda_target-0.3" for stage in ("adapt", "evaluate")]),
        ({"values": [0.3, *VALUES]}, [f"{stage}/maxsquare-lambda_target-0.3" for stage in ("adapt", "evaluate")]),
        ({"rows": ("minent", "source_only", "maxsquare")}, ["adapt/minent", "evaluate/minent"]),
    ],
)
def test_what_is_added_changes_no_other_job_that_trains_or_scores(changes, added):
    before, after = swept().by_name, swept(**changes).by_name
    assert before.keys() <= after.keys()
    altered = {name for name, job in before.items() if job.identity() != after[name].identity()}
    assert {before[name].stage for name in altered} <= {*(job.stage for job in before.values())} - set(MADE)
    assert after.keys() - before.keys() == {f"{name}/seed{seed}" for name in added for seed in (1, 2, 3)}


def test_one_seed_more_changes_no_job_of_the_others():
    before, after = swept().by_name, swept(seeds=(1, 2, 3, 4)).by_name
    made = [name for name, job in before.items() if job.stage in MADE]
    assert all(before[name].identity() == after[name].identity() for name in made)
    assert all(name.endswith("seed4") for name in after.keys() - before.keys())


def test_a_row_more_leaves_what_was_made_up_to_date_and_its_cards_untouched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = scored_plan(("source_only", "maxsquare"), (1, 2))
    write_cards(plan)
    cards = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cards/**/*.json")}
    parameters = tiny_parameters(("source_only", "minent", "maxsquare")) | {"seeds": [1, 2]}
    larger = make_plan(parameters_from(parameters, "tiny"))
    write_cards(larger)
    state = {status.job.name: status for status in statuses(larger) if status.job.stage in MADE}
    new = {f"{stage}/minent/seed{seed}" for stage in ("adapt", "evaluate") for seed in (1, 2)}
    assert {name for name, status in state.items() if not status.is_ok} == new
    old = {tmp_path / job.card for job in plan.jobs if job.stage in MADE}
    assert {path for path, time in cards.items() if path.stat().st_mtime_ns == time} >= old
