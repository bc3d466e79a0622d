"""The plan puts file times in order, so that every engine agrees on what is due."""

import json
import os
import random
import time
from pathlib import Path

import pytest
from test_plan import below, finished, plan_of  # noqa: F401 - the fixture is used by name

from segadapt.plan import Plan, order_times, statuses
from segadapt.plan.status import LONG_AGO


def files(plan: Plan) -> list[str]:
    """Every file that a job makes."""
    benchmarks = [str(path) for path in Path("work").rglob("*.benchmark.tsv")]
    return [path for job in plan.jobs for path in (*job.outputs.values(), job.provenance)] + benchmarks


def scramble(paths, seed: int, latest: float = 1e5) -> None:
    """Sets times at random, up to ``latest`` seconds from now."""
    draw = random.Random(seed)
    for path in paths:
        moment = time.time() + draw.uniform(-1e7, latest)
        os.utime(path, (moment, moment))


def input_time(path: str) -> float:
    """What Snakemake compares: the newer one of a link and what it points to."""
    return max(os.stat(path).st_mtime, os.lstat(path).st_mtime)


def output_times(plan: Plan, name: str) -> list[float]:
    """What Snakemake compares: the own times of links, and the benchmark's as well."""
    job = plan.by_name[name]
    benchmark = f"work/tiny/logs/{name}.benchmark.tsv"
    return [
        os.lstat(path).st_mtime for path in (*job.outputs.values(), job.provenance, benchmark) if os.path.exists(path)
    ]


def assert_ordered(plan: Plan, stale: set[str]) -> None:
    """Asserts what Snakemake must see: only the stale jobs have an input newer than an output."""
    assert {status.job.name for status in statuses(plan) if not status.is_ok} == stale
    for job in plan.jobs:
        outputs, card = output_times(plan, job.name), input_time(job.card)
        assert max((card, *outputs)) <= time.time(), job.name
        if job.name in stale:
            assert card > max(outputs, default=0), job.name
        else:
            newest = max(map(input_time, (*job.inputs.values(), job.card)))
            assert newest <= min(outputs), job.name


@pytest.mark.parametrize("seed", range(12))
def test_scrambled_times_are_put_in_order(finished, seed):
    scramble(files(finished), seed)
    scramble(["results/published/paper_table2.csv"], seed, latest=0)
    assert all(status.is_ok for status in order_times(finished))
    assert_ordered(finished, set())


@pytest.mark.parametrize(
    "name", ["prepare/source_train", "pretrain/source/seed1", "adapt/minent/seed1", "table/table2"]
)
def test_a_stale_job_has_a_card_newer_than_its_outputs(finished, name):
    order_times(finished)
    scramble(files(finished), 99)
    for path in files(finished)[::7]:
        os.utime(path, (time.time() + 3600,) * 2)
    record = Path(finished.by_name[name].provenance)
    content = json.loads(record.read_text())
    content["identity"]["code"] = "older"
    record.write_text(json.dumps(content))
    os.utime(finished.by_name[name].outputs[next(iter(finished.by_name[name].outputs))], (time.time() + 3600,) * 2)
    stale = {name} | below(finished, name)
    assert {status.job.name for status in order_times(finished) if not status.is_ok} == stale
    assert_ordered(finished, stale)


def test_times_that_are_in_order_are_left_alone(finished):
    order_times(finished)
    watched = [*files(finished), *(job.card for job in finished.jobs)]
    before = [os.stat(path).st_mtime_ns for path in watched]
    assert all(status.is_ok for status in order_times(finished))
    assert [os.stat(path).st_mtime_ns for path in watched] == before
    assert all(os.stat(job.card).st_mtime == LONG_AGO for job in finished.jobs)


def link(path: str, index: int) -> None:
    """Puts a link in a file's place, as DVC does where it is told to."""
    store = Path(f"store/{index}")
    store.parent.mkdir(exist_ok=True)
    os.replace(path, store)
    os.symlink(store.absolute(), path)


def test_links_are_put_in_order_as_well(finished):
    for index, path in enumerate(files(finished)):
        link(path, index)
    scramble(files(finished), 5)
    for path in files(finished)[::3]:
        os.utime(path, (time.time() - 1e8,) * 2, follow_symlinks=False)
    order_times(finished)
    assert_ordered(finished, set())


def test_an_old_link_to_a_young_output_is_put_in_order(finished):
    order_times(finished)
    model = finished.by_name["pretrain/source/seed1"].outputs["model"]
    link(model, 0)
    os.utime(model, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    order_times(finished)
    assert_ordered(finished, set())


def test_cards_say_what_the_plan_says_and_are_rewritten_only_if_they_differ(finished):
    order_times(finished)
    job = finished.by_name["adapt/minent/seed1"]
    card = Path(job.card)
    assert json.loads(card.read_text()) == json.loads(json.dumps(job.as_card()))
    inode = card.stat().st_ino
    order_times(finished)
    assert card.stat().st_ino == inode
    card.write_text("{ cut short")
    order_times(finished)
    assert json.loads(card.read_text())["name"] == job.name
