"""The preset's own copy of its tables and figures: kept, put back, never older than what is shown."""

from pathlib import Path

import pytest
import tiny

from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan
from segadapt.plan.shelf import shelf, shelve, unshelve


@pytest.fixture
def plan(tmp_path, monkeypatch):
    tiny.write_parameters(tmp_path, tiny.tiny_parameters())
    monkeypatch.chdir(tmp_path)
    for folder in ("results/figures", "results/published"):
        Path(folder).mkdir(parents=True)
    return make_plan(load_parameters("params.yaml"))


def test_what_is_shown_is_kept_and_put_back(plan):
    Path("results/table2.csv").write_text("table")
    Path("results/figures/curves.png").write_text("curves")
    Path("results/notes.txt").write_text("mine")
    Path("results/published/paper_table2.csv").write_text("printed")
    shelve(plan)
    kept = sorted(path.relative_to(shelf(plan)).as_posix() for path in shelf(plan).rglob("*") if path.is_file())
    assert kept == ["figures/curves.png", "table2.csv"]
    Path("results/table2.csv").unlink()
    Path("results/figures/curves.png").write_text("newer")
    unshelve(plan)
    assert Path("results/table2.csv").read_text() == "table"
    assert Path("results/figures/curves.png").read_text() == "newer", "what is there is left alone"


def test_an_equal_file_keeps_its_time_and_a_changed_one_is_replaced(plan):
    shown, kept = Path("results/table2.csv"), shelf(plan) / "table2.csv"
    shown.write_text("table")
    shelve(plan)
    before = kept.stat().st_mtime_ns
    shelve(plan)
    assert kept.stat().st_mtime_ns == before
    shown.write_text("other")
    shelve(plan)
    assert kept.read_text() == "other"


def test_what_is_not_made_any_more_leaves_the_shelf(plan):
    shelf(plan).mkdir(parents=True)
    (shelf(plan) / "table9.csv").write_text("of an experiment that was taken out")
    Path("results/table2.csv").write_text("table")
    shelve(plan)
    assert [path.name for path in shelf(plan).iterdir()] == ["table2.csv"]
