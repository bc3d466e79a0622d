"""What jobs ask of a cluster: memory by what networks hold, time by what they compute, more at each attempt."""

import json
import re
from dataclasses import replace

import pytest
import tiny
import torch
import yaml
from torch import nn

from segadapt.cli import main
from segadapt.core.parameters import load_parameters
from segadapt.core.stages import STAGES
from segadapt.core.workload import NetworkPass
from segadapt.models.counting import count, pass_work
from segadapt.plan import make_plan
from segadapt.plan.estimate.needs import CUDA_MB, LONGEST_MINUTES, MARGIN, PROCESS_MB, START_MINUTES, Needs
from segadapt.plan.estimate.table import Estimator


def test_the_peak_of_a_chain_by_hand():
    with torch.device("meta"):
        layers = nn.Sequential(*(nn.Conv2d(4, 4, 1, bias=False) for _ in range(3)), nn.ReLU(inplace=True))
        image = torch.empty(1, 4, 10, 10)
    one, weight = 4 * 400, 4 * 16
    with torch.no_grad():
        assert count(lambda: layers(image)).peak == 2 * one, "a map is gone when the next is made"
    # All three maps are kept for the backward. When it is through the last layer there are besides: the gradient that
    # it was given, those of ReLU's input and of the layer's, and that of its weight.
    assert count(lambda: layers(image).backward(torch.empty_like(image))).peak == 6 * one + weight


@pytest.mark.parametrize(("size", "gib"), [((1280, 720), 6.7), ((640, 360), 1.8)])
def test_the_peak_of_a_resnet101_in_training_is_what_was_measured_elsewhere(size, gib):
    """A tracker of fake tensors gave 6.7 GiB at 1280x720, weights included."""
    about = NetworkPass("resnet101", 19, size, learns=True, aspp_branches=4, auxiliary=True, batch_statistics=True)
    work = pass_work(about)
    assert 44e6 < work.parameters < 45e6
    assert (work.peak + 4 * work.parameters) / 2**30 == pytest.approx(gib, rel=0.08)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return make_plan(load_parameters(tiny.REPOSITORY / "params.yaml", {"preset": "paper", "seeds": [1]}))


@pytest.fixture(scope="module")
def needs(plan):
    return Needs(Estimator(plan, pass_work))


def test_a_training_without_a_gpu_needs_its_maps_and_with_one_its_weights(plan, needs):
    job = plan.by_name["adapt/maxsquare/seed1"]
    work = max((pass_work(each) for each in needs._passes(job)), key=lambda work: work.peak)
    by_hand = {True: PROCESS_MB + CUDA_MB + MARGIN * 16 * work.parameters / 1e6}
    by_hand[False] = PROCESS_MB + MARGIN * (16 * work.parameters + work.peak) / 1e6
    for gpu, expected in by_hand.items():
        found = needs.mem_mb(job, gpu)
        assert expected <= found < expected + 100
        assert needs.mem_mb(job, gpu, attempt=3) == 3 * found
    assert 15_000 < by_hand[False] < 25_000 and by_hand[True] < 10_000


def test_each_of_a_job_s_processes_needs_as_much(plan, needs):
    job = plan.by_name["adapt/maxsquare/seed1"]
    training = job.config["training"] | {"batch_size": 2, "processes": 2}
    two = replace(job, name="two", config=job.config | {"training": training})
    assert needs.mem_mb(two, True) == 2 * needs.mem_mb(job, True)
    asked, alone = (needs.by_stage([each], True)[0] for each in (two, job))
    assert (asked.gpu, alone.gpu) == (2, 1) and asked.threads == 2 * alone.threads


def test_time_is_that_of_the_slowest_gpu_with_a_margin_and_no_longer_than_partitions_allow(plan, needs):
    job = plan.by_name["adapt/maxsquare/seed1"]
    first = needs.runtime(job, True)
    assert START_MINUTES < first < needs.runtime(job, True, attempt=2) <= LONGEST_MINUTES
    assert needs.runtime(job, False) == LONGEST_MINUTES
    assert needs.runtime(plan.by_name["figure/qualitative"], True) == START_MINUTES


def test_a_figure_needs_what_an_evaluation_does(plan, needs):
    figure = plan.by_name["figure/qualitative"]
    models = {each.path for each in figure.read("model")}
    scored = [
        job for job in plan.jobs if job.stage == "evaluate" and models & {each.path for each in job.read("model")}
    ]
    of_each = [needs.mem_mb(job, False) for job in scored if len(job.read("model")) == 1]
    assert len(of_each) >= 3 and needs.mem_mb(figure, False) == max(of_each)
    of_two = needs.mem_mb(plan.by_name["evaluate/advent_ensemble/seed1"], False)
    assert of_two > needs.mem_mb(plan.by_name["evaluate/advent/seed1"], False)


def test_the_profile_says_of_every_stage_with_a_network_where_it_runs():
    profile = yaml.safe_load((tiny.REPOSITORY / "workflow/profiles/slurm/config.yaml").read_text())
    assert set(profile["set-resources"]) == {name for name, stage in STAGES.items() if stage.gpu}
    assert len({str(each) for each in profile["set-resources"].values()}) == 1
    assert set(profile["groups"]) <= STAGES.keys() and set(profile["group-components"]) == {*profile["groups"].values()}


@pytest.mark.parametrize("has_limit", [False, True])
def test_here_snakemake_is_told_of_memory_only_if_it_has_a_limit(tmp_path, has_limit):
    project = tiny.make_project(tmp_path / "project")
    limit = ["--resources", "mem_mb=4000"] if has_limit else []
    output = tiny.snakemake(project, "-n", "results/table2.csv", *limit).stdout
    found = re.search(r"rule pretrain:.*?resources: ([^\n]*)", output, re.DOTALL)
    assert (" mem_mb=" in found[1]) == has_limit and " runtime=" in output


def test_by_stage_each_stage_has_the_most_that_its_jobs_ask(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tiny.make_project(tmp_path / "project", tiny.tiny_parameters(("source_only", "maxsquare"))))
    assert main(["estimate", "--by-stage", "--json"]) == 0
    found = {each.pop("stage"): each for each in json.loads(capsys.readouterr().out)}
    assert list(found) == ["prepare", "pretrain", "adapt", "evaluate", "table"]
    assert {name: each["jobs"] for name, each in found.items()} == dict(zip(found, (3, 1, 1, 2, 1), strict=True))
    assert {name for name, each in found.items() if each["gpu"]} == {"pretrain", "adapt", "evaluate"}
    assert found["adapt"]["mem_mb"] > PROCESS_MB + CUDA_MB and found["table"]["is_here"]
    assert main(["estimate", "--by-stage", "--device", "cpu-core"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(found) and re.match(r"\| adapt +\| cluster +\| +1 \| +1 \| +0 \|", lines[4])
