"""What the built-in streets start from: made by the preset that says so, from places that are in no table."""

import hashlib
import json
from pathlib import Path

import pytest
from tiny import REPOSITORY, shipped

from segadapt.core.artifacts import sha256_file
from segadapt.core.parameters import parameters_from
from segadapt.core.parameters.settings import preset_in_setting
from segadapt.data.streets.domains import DOMAINS
from segadapt.data.streets.picture import render_scene
from segadapt.plan import make_plan
from segadapt.reporting.lineage.origin import origin, origin_path

PRESET, MOST_BYTES = "elsewhere", 2e6
PARAMETERS = parameters_from(shipped(), "params.yaml")
STREETS = PARAMETERS.presets["streets"]
FILES = {STREETS.model.initial_weights: STREETS.model.backbone}
for setting in STREETS.settings.values():
    if setting.model.get("initial_weights"):
        FILES.setdefault(setting.model["initial_weights"], setting.model["backbone"])
MADE = [path for path in FILES if (REPOSITORY / path).exists()]
"""Those of a thin network are made by a person who runs the recipe, and are asked of from then on."""
WEIGHTS = REPOSITORY / STREETS.model.initial_weights


def test_a_fresh_clone_can_make_all_tables_of_the_built_in_data():
    """What snakemake without a target and dvc repro ask for needs nothing that the repository does not have."""
    jobs = make_plan(PARAMETERS).jobs
    needed = {each.path for job in jobs for each in job.read("initial_weights")}
    assert needed and needed <= set(MADE)


def rendered_domains(preset: str) -> set[str]:
    sets = PARAMETERS.presets[preset].datasets.values()
    return {each.render.domain for each in sets if each.render is not None} & set(DOMAINS)


def jobs(weights=WEIGHTS) -> dict[str, dict]:
    return {job["identity"]["stage"]: job for job in origin(weights, sha256_file(weights))}


@pytest.mark.parametrize("path", MADE)
def test_the_file_is_small_and_its_record_is_of_these_bytes(path):
    weights = REPOSITORY / path
    assert weights.stat().st_size <= MOST_BYTES
    assert json.loads(origin_path(weights).read_text())["sha256"] == sha256_file(weights)
    assert list(jobs(weights)) == ["render", "prepare", "pretrain"]


@pytest.mark.parametrize("path", MADE)
def test_the_preset_still_says_how_it_was_made(path):
    """In the setting that stands in the file's name."""
    name, made, preset = Path(path).stem.partition("_")[2], jobs(REPOSITORY / path), PARAMETERS.presets[PRESET]
    preset = preset_in_setting(preset, preset.settings[name]) if name else preset
    trained = made["pretrain"]["identity"]["config"]
    assert trained["model"]["backbone"] == preset.model.backbone == FILES[path]
    wanted = preset.pretrain.model_dump(mode="json", exclude={"source", "target"})
    assert {key: wanted[key] for key in trained["training"]} == trained["training"]
    (data,) = (each.render for each in preset.datasets.values())
    drawn = made["render"]["identity"]["config"]
    assert (drawn["domain"], drawn["splits"], drawn["size"]) == (data.domain, data.splits, str(data.size))


def test_its_places_are_in_no_table():
    assert rendered_domains(PRESET) == {jobs()["render"]["identity"]["config"]["domain"]}
    tables = {name for preset in PARAMETERS.presets if preset != PRESET for name in rendered_domains(preset)}
    assert tables and not tables & rendered_domains(PRESET)
    numbers = [DOMAINS[name].number for name in (*tables, *rendered_domains(PRESET))]
    assert len(set(numbers)) == len(numbers), "layouts are drawn from (seed, number of the domain, scene)"


def test_no_image_of_theirs_is_an_image_of_a_table():
    def hashes(domain):
        pictures = (render_scene(domain, 0, scene, (64, 32))[0] for scene in range(4))
        return {hashlib.sha256(image_HWC.tobytes()).hexdigest() for image_HWC in pictures}

    own = hashes(PRESET)
    assert len(own) == 4
    assert not own & {each for name in rendered_domains("streets") for each in hashes(name)}
