"""The costs of every row add up over its own jobs and those that it shares, as a naive walk adds them."""

from pathlib import Path

import pandas
import pytest
from scored import MADE, record, scored_plan

from segadapt.core.errors import UserError
from segadapt.core.metering import Cost
from segadapt.reporting.lineage.explain import explain
from segadapt.reporting.lineage.verify import verify
from segadapt.reporting.tables.costs import COLUMNS, shares
from segadapt.stages import table

ROWS = {
    "source_only": "Source only",
    "maxsquare": "MaxSquare",
    "maxsquare_iw_multi": "MaxSquare+IW+Multi",
    "oracle": "Oracle (target labels)",
}
SEEDS = (1, 2)
CSV = Path("results/table2_costs.csv")


def cost_of(job) -> Cost:
    """Another one for every job: hours whose sums tell which jobs are in them."""
    number = 1 + sum(map(ord, job.name)) % 997
    gpu = 36.0 * number if job.stage in ("adapt", "refine", "pretrain") else 0.0
    killed = job.name == "adapt/maxsquare/seed2"
    return Cost(360.0 * number, 3600.0 * number, gpu, number * 2**20, 2 * number * 2**20 if gpu else 0, 1 + 2 * killed)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = scored_plan(tuple(ROWS), SEEDS, cost_of)
    job = plan.by_name["costs/table2"]
    record(job, more=table.assemble(job, Path("scratch")))
    return plan


def behind(plan, row: str) -> list:
    """The jobs that lead to a row's metrics, by a naive walk."""
    names = {f"evaluate/{'source' if row == 'source_only' else row}/seed{seed}" for seed in SEEDS}
    while True:
        read = {each.path for name in names for each in plan.by_name[name].inputs}
        more = {job.name for job in plan.jobs if job.stage in MADE and read & set(job.outputs.values())} - names
        if not more:
            return [plan.by_name[name] for name in names]
        names |= more


OWN = {"source_only": ("evaluate",), "maxsquare": ("adapt", "evaluate"), "oracle": ("pretrain", "evaluate")}


@pytest.mark.parametrize("row", ROWS)
def test_hours_memory_and_kills_are_those_of_the_chain(plan, row):
    jobs = behind(plan, row)
    own = [job for job in jobs if job.stage in OWN.get(row, ("refine", "evaluate"))]
    parts = {
        "data": [job for job in jobs if job.stage in ("render", "prepare")],
        "source": [job for job in jobs if job.stage == "pretrain" and job not in own],
        "own": own,
    }
    assert sum(map(len, parts.values())) == len(jobs)
    frame = pandas.read_csv(CSV).set_index("method")
    found = frame.loc[ROWS[row]]
    hours = {part: sum(cost_of(job).cpu_seconds for job in each) / 3600 for part, each in parts.items()}
    gpu = {part: sum(cost_of(job).gpu_seconds for job in each) / 3600 for part, each in parts.items()}
    assert {part: found[f"{part}_cpu_hours"] for part in parts} == pytest.approx(hours)
    assert found["cpu_hours"] == pytest.approx(sum(hours.values())) and hours["own"] > 0
    assert (found["own_gpu_hours"], found["source_gpu_hours"]) == pytest.approx((gpu["own"], gpu["source"]), abs=1e-4)
    assert found["gpu_hours"] == pytest.approx(sum(gpu.values()), abs=1e-4)
    assert found["wall_hours"] == pytest.approx(sum(hours.values()) / 10)
    largest = [max(getattr(cost_of(job), f"peak_{kind}_bytes") for job in jobs) for kind in ("memory", "gpu_memory")]
    assert (found["peak_memory_gib"], found["peak_gpu_memory_gib"]) == pytest.approx(
        [size / 2**30 for size in largest], abs=0.005
    )
    assert found["interruptions"] == 2 * (row == "maxsquare") and found["seeds"] == len(SEEDS)


def test_the_columns_are_fixed_and_the_twin_says_what_they_mean(plan):
    assert list(pandas.read_csv(CSV).columns) == list(COLUMNS)
    text = CSV.with_suffix(".md").read_text()
    for wanted in ("source models", "| MaxSquare | ours |", "machine: ", "preset: tiny"):
        assert wanted in text


def test_costs_are_verified_and_refer_to_the_table_for_scores(plan):
    differs, absent, agree = verify(CSV)
    assert differs == [] and agree > 20
    assert absent == ["toy/gta5", "toy/cityscapes"]  # the jobs are made up, and so are their data sets
    with pytest.raises(UserError, match="holds no scores"):
        explain(CSV, "maxsquare")
    CSV.write_text(CSV.read_text().replace("ours", "mine"))
    assert [each.path for each in verify(CSV)[0]] == [CSV]


@pytest.mark.parametrize(
    ("method", "stage", "name", "part"),
    [
        ("maxsquare", "pretrain", "pretrain/source/seed1", "source"),
        ("oracle", "pretrain", "pretrain/rome/oracle/seed1", "own"),
        ("oracle", "evaluate", "evaluate/oracle/seed1", "own"),
        ("advent", "joint", "joint/rome/advent/seed1", "own"),
        ("advent_minent", "adapt", "adapt/minent/seed1", "own"),  # an ensemble's member
        ("maxsquare", "prepare", "prepare/rome_train", "data"),
    ],
)
def test_what_a_row_shares_with_others(method, stage, name, part):
    found = shares(method, [{"identity": {"stage": stage, "name": name}, "cpu_seconds": 5.0}])
    assert {each for each, cost in found.items() if cost.cpu_seconds} == {part}
