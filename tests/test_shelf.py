"""The preset's own tables and figures: kept for DVC, shown by links, never other than what is kept."""

import json
from pathlib import Path

import pytest
import tiny
from test_tables import HEADER, example

from segadapt.cli import main
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan
from segadapt.plan.shelf import shelf, shelve, shelve_leftovers, unshelve
from segadapt.reporting import write_table


@pytest.fixture
def plan(tmp_path, monkeypatch):
    tiny.write_parameters(tmp_path, tiny.tiny_parameters())
    monkeypatch.chdir(tmp_path)
    for folder in ("results/figures", "results/published"):
        Path(folder).mkdir(parents=True)
    return make_plan(load_parameters("params.yaml"))


def test_what_was_made_is_kept_and_a_link_shows_it(plan):
    Path("results/table2.csv").write_text("table")
    Path("results/figures/curves.png").write_text("curves")
    Path("results/notes.txt").write_text("mine")
    Path("results/published/paper_table2.csv").write_text("printed")
    shelve(plan)
    kept = sorted(path.relative_to(shelf(plan)).as_posix() for path in shelf(plan).rglob("*") if path.is_file())
    assert kept == ["figures/curves.png", "table2.csv"]
    assert Path("results/table2.csv").is_symlink() and Path("results/figures/curves.png").is_symlink()
    assert not Path("results/notes.txt").is_symlink()
    (shelf(plan) / "table2.csv").write_text("what a checkout brings")
    assert Path("results/table2.csv").read_text() == "what a checkout brings"
    shelve(plan)
    assert (shelf(plan) / "table2.csv").read_text() == "what a checkout brings"


def test_what_is_missing_is_shown_again_and_what_is_there_is_left_alone(plan):
    (shelf(plan) / "figures").mkdir(parents=True)
    (shelf(plan) / "table2.csv").write_text("kept")
    (shelf(plan) / "figures/curves.png").write_text("kept")
    Path("results/figures/curves.png").write_text("newer")
    unshelve(plan)
    assert Path("results/table2.csv").read_text() == "kept" and Path("results/table2.csv").is_symlink()
    assert Path("results/figures/curves.png").read_text() == "newer"


def test_a_table_that_was_pulled_alone_can_be_shown(plan, capsys):
    """After ``dvc pull`` the preset's own folder is there, and no engine has run."""
    shelf(plan).mkdir(parents=True)
    write_table(shelf(plan) / "table2.csv", example(), HEADER)
    assert main(["show", "results/table2.csv"]) == 0
    assert "60.0" in capsys.readouterr().out and Path("results/table2.csv").is_symlink()
    assert main(["show", "results/table3.csv"]) == 2 and "cannot read results/table3.csv" in capsys.readouterr().err


def record(plan, config) -> str:
    identity = plan.by_name["table/table2"].identity() | {"config": config}
    return json.dumps({"identity": identity, "fingerprint": "", "input_sha256": {}, "outputs": {}})


def test_a_shown_table_of_other_parameters_gives_way_to_the_kept_one(plan):
    """A run that failed leaves its tables in ``results/``; then an earlier commit's are checked out."""
    shelf(plan).mkdir(parents=True)
    (shelf(plan) / "table2.csv").write_text("of these parameters")
    (shelf(plan) / "table2.provenance.json").write_text(record(plan, plan.by_name["table/table2"].config))
    Path("results/table2.csv").write_text("of others")
    unshelve(plan)
    assert Path("results/table2.csv").read_text() == "of others", "without a record it may be a partial table"
    Path("results/table2.provenance.json").write_text(record(plan, {}))
    unshelve(plan)
    assert Path("results/table2.csv").read_text() == "of these parameters"


def test_another_presets_link_is_replaced(plan):
    other = Path("work/other/results/table2.csv")
    other.parent.mkdir(parents=True)
    other.write_text("of another preset")
    Path("results/table2.csv").symlink_to("../work/other/results/table2.csv")
    Path("results/table2.csv").unlink()  # as Snakemake does before the job runs
    Path("results/table2.csv").write_text("mine")
    shelve(plan)
    assert other.read_text() == "of another preset"
    assert Path("results/table2.csv").read_text() == (shelf(plan) / "table2.csv").read_text() == "mine"


def test_what_a_killed_run_made_and_did_not_move_is_moved_and_nothing_unfinished(plan):
    Path("results/table2.csv").write_text("made")
    Path("results/table2_statistics.csv").write_text("being made")
    shelve_leftovers(plan, [plan.by_name["table/table2"]])
    assert Path("results/table2.csv").is_symlink() and (shelf(plan) / "table2.csv").read_text() == "made"
    assert not Path("results/table2_statistics.csv").is_symlink()
    assert not (shelf(plan) / "table2_statistics.csv").exists()


def test_a_link_to_nowhere_is_put_right(plan):
    shelf(plan).mkdir(parents=True)
    (shelf(plan) / "table2.csv").write_text("kept")
    Path("results/table2.csv").symlink_to("nowhere")
    unshelve(plan)
    assert Path("results/table2.csv").read_text() == "kept"


def test_an_equal_file_keeps_its_time_and_a_changed_one_is_replaced(plan):
    shown, kept = Path("results/table2.csv"), shelf(plan) / "table2.csv"
    shown.write_text("table")
    shelve(plan)
    before = kept.stat().st_mtime_ns
    for content, is_same in (("table", True), ("other", False)):
        shown.unlink()
        shown.write_text(content)
        shelve(plan)
        assert kept.read_text() == content and (kept.stat().st_mtime_ns == before) == is_same


def test_what_is_not_made_any_more_leaves_the_shelf(plan):
    shelf(plan).mkdir(parents=True)
    (shelf(plan) / "table9.csv").write_text("of an experiment that was taken out")
    Path("results/table2.csv").write_text("table")
    shelve(plan)
    assert [path.name for path in shelf(plan).iterdir()] == ["table2.csv"]
