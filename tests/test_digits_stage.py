"""The stage that draws the built-in digits: its parameters, its job, and what preparation makes of it."""

import json
from pathlib import Path

import pytest
import tiny
from PIL import Image

from segadapt.core.artifacts import write_json
from segadapt.core.job import Input
from segadapt.core.parameters import parameters_from
from segadapt.data.packed.cache import PackedCache
from segadapt.plan.jobs import data as data_jobs
from segadapt.plan.planner import Planner
from segadapt.stages import prepare, render
from segadapt.stages.runner import run_card

RENDER = {"domain": "digits", "size": "16x16", "splits": {"clean": 20, "camera": 20, "textured": 20}, "seed": 1}


def with_digits() -> dict:
    """The toy parameters with one more data set and cache."""
    parameters = tiny.tiny_parameters(("source_only",))
    preset = parameters["presets"]["tiny"]
    preset["datasets"]["digits"] = {"format": "office31", "render": RENDER}
    preset["caches"]["digits"] = {"dataset": "digits", "split": "clean", "size": "16x16", "classes": "digits10"}
    return parameters


def refused(parameters: dict) -> str:
    with pytest.raises(ValueError) as caught:
        parameters_from(parameters, "tiny")
    return str(caught.value)


@pytest.mark.parametrize(("format_name", "domain"), [("gta5", "digits"), ("office31", "town")])
def test_digits_and_streets_have_formats_of_their_own(format_name, domain):
    parameters = with_digits()
    digits = {"format": format_name, "render": RENDER | {"domain": domain}}
    parameters["presets"]["tiny"]["datasets"]["digits"] = digits
    message = refused(parameters)
    assert "presets.tiny.datasets.digits.format" in message and "digits have format: office31" in message


def test_a_split_that_is_no_domain_asked_for_is_refused():
    parameters = with_digits()
    parameters["presets"]["tiny"]["caches"]["digits"]["split"] = "neon"
    assert "caches.digits.split" in refused(parameters)


def test_the_stage_draws_scikit_learns_digits_and_preparation_packs_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parameters = parameters_from(with_digits(), "tiny")
    planner = Planner(parameters)
    jobs = [data_jobs.render(planner, "digits"), data_jobs.prepare(planner, "digits")]
    assert [job.stage for job in jobs] == ["render", "prepare"]
    assert jobs[0].name == "render/digits" and jobs[1].inputs == (Input("rendered", jobs[0].outputs["manifest"]),)
    assert jobs[1].config["count"] == 20
    for job, stage in zip(jobs, (render.render, prepare.pack), strict=True):
        write_json(Path(job.card), job.as_card())
        run_card(stage, Path(job.card))
    manifest = json.loads(Path(jobs[0].outputs["manifest"]).read_text())
    assert manifest["built_in"] is True and len(manifest["pictures_sha256"]) == 64 and manifest["domain"] == "digits"
    cache = PackedCache(Path(jobs[1].outputs["manifest"]))
    assert len(cache) == 20 and cache.label_size == (1, 1)
    assert set(cache.manifest["label_histogram"].values()) == {2}
    assert Image.open(next(Path("work/tiny/data/digits").rglob("*.png"))).size == (16, 16)
