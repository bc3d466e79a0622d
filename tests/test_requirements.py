"""What only the user can bring, and what is said in the copies that DVC makes for experiments."""

from types import SimpleNamespace

import pytest
import tiny

from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan, statuses
from segadapt.plan.requirements import check_requirements


@pytest.mark.parametrize("missing", ["data", "weights"])
@pytest.mark.parametrize("place", [".", ".dvc/tmp/exps/standalone/tmp1"])
def test_what_is_missing_is_named_with_what_to_do(missing, place, tmp_path, monkeypatch):
    parameters = tiny.tiny_parameters()
    if missing == "weights":
        parameters["presets"]["tiny"]["model"]["initial_weights"] = "datasets/weights.safetensors"
    folder = tiny.make_project(tmp_path / place / "project", parameters)
    if missing == "data":
        (folder / "toy").rename(folder / "elsewhere")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError) as told:
        check_requirements(statuses(make_plan(load_parameters("params.yaml"))))
    says = str(told.value)
    assert "toy/gta5 is missing: " in says if missing == "data" else "weights.safetensors are missing: " in says
    snapshot = place != "."
    assert ("DVC's copy of the project" in says and "absolute paths" in says) == snapshot
    assert ("get GTA5" in says or "put the file there" in says) == (not snapshot)
    assert "\n" not in says


def check_published(preset: str, changes: dict) -> None:
    """What is asked before anything runs of all that stands beside the paper's tables."""
    jobs = make_plan(load_parameters("params.yaml", changes | {"preset": preset}), hash_code=False).jobs
    check_requirements(SimpleNamespace(job=job) for job in jobs if job.read("published"))


@pytest.mark.parametrize("preset", ["streets", "paper"])
def test_rows_stand_beside_rows_of_the_papers_tables(preset, monkeypatch):
    """A name that the paper has not is told before anything runs; a value of a sweep that it has not tried may be."""
    monkeypatch.chdir(tiny.REPOSITORY)
    sweep = {"method": "maxsquare", "parameter": "lambda_target", "values": [0.3, 0.2]}
    table5 = {"experiments": {"table5": {"sweeps": [sweep]}}}

    check_published(preset, table5)
    with pytest.raises(UserError, match="'minent' has paper_row: MinEnt-dager, which is no row of the paper's table 2"):
        check_published(preset, {"methods": {"minent": {"paper_row": "MinEnt-dager"}}})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"table3_head19": {"classes": None}},
            r"table3_head19\.published: table 3 of the paper has no terrain, truck, train,",
        ),
        (
            {"table2": {"published": 6}},
            r"table2\.published: table 6 of the paper has no wall, fence, pole, terrain, truck,",
        ),
    ],
)
def test_classes_that_the_papers_table_lacks_are_refused(changes, says, monkeypatch):
    monkeypatch.chdir(tiny.REPOSITORY)
    with pytest.raises(UserError, match=rf"^params\.yaml: experiments\.{says}"):
        check_published("streets", {"experiments": changes})


def test_no_or_all_classes_of_the_papers_table_are_accepted(monkeypatch):
    monkeypatch.chdir(tiny.REPOSITORY)
    check_published("paper", {"experiments": {"table2": {"published": 7}, "table3_head19": {"published": 2}}})
