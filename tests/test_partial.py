"""When jobs fail, the rows that are whole stand in the table and the others say where their logs are."""

import json
import shutil
from pathlib import Path

import pandas
import pytest
import toy_classification
from scored import MADE, make, record, scored_plan

from segadapt.cli import main
from segadapt.core.artifacts import write_json
from segadapt.core.errors import UserError
from segadapt.core.job import read_card
from segadapt.core.parameters import parameters_from
from segadapt.plan import make_plan, statuses
from segadapt.plan.jobs.partial import partial_cards, partial_page
from segadapt.reporting import read_table
from segadapt.reporting.lineage.explain import explain
from segadapt.reporting.lineage.verify import verify
from segadapt.stages import report, table
from segadapt.stages.runner import run_card

ROWS = ("source_only", "target_forwarded", "maxsquare", "maxsquare_iw_multi")
CSV = Path("results/table2.csv")


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = scored_plan(ROWS, (1, 2))
    published = Path("results/published/paper_table2.csv")
    published.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parent.parent / published, published)
    return plan


def fail(plan, name: str) -> str:
    """Removes what a job and those below it made; returns its log."""
    gone = {plan.by_name[name].provenance}
    for job in plan.jobs:
        if job.name == name or gone & {each.maker for each in job.inputs}:
            gone.add(job.provenance)
            for path in (job.provenance, *job.outputs.values()):
                Path(path).unlink(missing_ok=True)
    return plan.by_name[name].log


def made_partial(plan, *failed: str) -> pandas.DataFrame:
    """The table as it is after these jobs failed."""
    (card,) = partial_cards(plan, ["table2"], [fail(plan, name) for name in failed])
    run_card(table.assemble, Path(card))
    return read_table(CSV)


def test_a_failed_row_is_there_without_numbers_and_its_log_is_named(plan):
    run_card(table.assemble, card_of(plan))
    whole = read_table(CSV)
    frame = made_partial(plan, "adapt/maxsquare/seed2")
    assert frame["method"].tolist() == whole["method"].tolist()
    row = frame[frame.method == "MaxSquare"].query("origin == 'ours'").iloc[0]
    assert row["seeds"] == 0 and pandas.isna(row["mIoU"]) and pandas.isna(row["road"]) and row["backbone"] == "streets"
    others = frame[(frame.method != "MaxSquare") | (frame.origin == "published")]
    pandas.testing.assert_frame_equal(others, whole.loc[others.index])
    for twin in ("md", "html", "tex"):
        text = CSV.with_suffix(f".{twin}").read_text().replace("\\", "")
        assert "adapt/maxsquare/seed2 failed, see work/tiny/logs/adapt/maxsquare/seed2.log" in text, twin


def card_of(plan) -> Path:
    job = plan.by_name["table/table2"]
    write_json(Path(job.card), job.as_card())
    return Path(job.card)


def test_the_reason_is_the_job_that_failed_not_those_that_waited_for_it(plan):
    log = fail(plan, "pretrain/source_multi/seed1")
    fail(plan, "adapt/maxsquare/seed1")  # not run, say, for the machine was stopped
    fail(plan, "evaluate/target_forwarded/seed1")
    (card,) = partial_cards(plan, ["table2"], [log, plan.by_name["evaluate/target_forwarded/seed1"].log])
    assert read_card(Path(card)).config["missing"] == {
        "target_forwarded": "evaluate/target_forwarded/seed1 failed, "
        "see work/tiny/logs/evaluate/target_forwarded/seed1.log",
        "maxsquare": "adapt/maxsquare/seed1 was not run",
        "maxsquare_iw_multi": "pretrain/source_multi/seed1 failed, see work/tiny/logs/pretrain/source_multi/seed1.log",
    }
    scores = read_card(Path(card)).read("metrics")
    assert [(each.row, each.seed) for each in scores] == [("source_only", 1), ("source_only", 2)]


def test_no_plan_takes_a_partial_table_for_the_table(plan):
    made_partial(plan, "adapt/maxsquare/seed1")
    make_again(plan, "adapt/maxsquare/seed1")
    state = {status.job.name: status.state for status in statuses(plan)}
    assert state["evaluate/maxsquare/seed1"] == "ok" and state["table/table2"] == "name differs"
    run_card(table.assemble, card_of(plan))
    assert {status.job.name: status.state for status in statuses(plan)}["table/table2"] == "ok"
    assert "partial" not in CSV.with_suffix(".md").read_text()
    assert partial_cards(plan, ["table2"], []) == []


def make_again(plan, name: str) -> None:
    make(plan.by_name[name])
    for job in plan.jobs:
        if job.stage == "evaluate" and plan.by_name[name].provenance in {each.maker for each in job.inputs}:
            make(job)


def test_nothing_is_written_for_tables_not_asked_for_nor_where_no_row_is_whole(plan):
    log = fail(plan, "adapt/maxsquare/seed1")
    assert partial_cards(plan, [], [log]) == partial_cards(plan, ["table3"], [log]) == []
    logs = [fail(plan, name) for name in ("pretrain/source/seed1", "pretrain/source_multi/seed1")]
    assert partial_cards(plan, ["table2"], logs) == []


def test_a_partial_table_is_explained_as_one(plan, capsys):
    made_partial(plan, "adapt/maxsquare/seed1")
    for name in ("maxsquare", "MaxSquare"):
        with pytest.raises(
            UserError, match=r"is partial and lacks the row '[Mm]ax.* see work/tiny/logs/adapt/maxsquare"
        ):
            explain(CSV, name)
    assert main(["explain", str(CSV), "source_only"]) == 0
    assert capsys.readouterr().out.startswith("This table is partial. Missing: MaxSquare (adapt/maxsquare/seed1 failed")
    assert verify(CSV)[:2] == ([], ["toy/gta5", "toy/cityscapes"])  # jobs and data sets are made up


def test_a_table_that_fails_itself_is_not_called_partial(plan):
    job = plan.by_name["table/table2"]
    assert partial_cards(plan, ["table2"], [job.log]) == []


def test_the_page_shows_what_is_there_and_names_what_failed(plan):
    for job in plan.jobs:
        if "history" in job.outputs:
            Path(job.outputs["history"]).write_text("step,learning_rate,loss_source,loss_target\n1,0.1,2,\n")
            record(job)
    made_partial(plan, "adapt/maxsquare/seed2")
    (card,) = partial_page(plan, ["work/tiny/cards/partial/table2.json"])
    run_card(report.write, Path(card))
    html = Path("results/report/index.html").read_text()
    assert "Missing: adapt/maxsquare/seed2 failed, see work/tiny/logs/adapt/maxsquare/seed2.log." in html
    assert html.count('<div class="row missing"') == 1 and 'id="curves"' in html
    assert {each.job.name: each.state for each in statuses(plan)}["report"] == "name differs"
    assert partial_page(plan, []) == []


def test_a_row_that_lacks_a_task_is_explained_and_on_the_page(tmp_path, monkeypatch, capsys):
    """It has no mean; what is told of it begins with the tasks that it has."""
    monkeypatch.chdir(tmp_path)
    rows = ("source_only", "target_forwarded", "maxsquare_classifier")
    plan = make_plan(parameters_from(toy_classification.parameters(rows, seeds=(1,)), "tiny"))
    for job in plan.jobs:
        if job.stage in MADE:
            make(job)
        if job.stage == "evaluate":
            metrics = Path(job.outputs["metrics"])
            scores = {"native": {"accuracy": 0.25, "class_accuracy": {}}}
            metrics.write_text(json.dumps(json.loads(metrics.read_text()) | scores))
            record(job)
    published = Path("results/published/paper_table1.csv")
    published.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parent.parent / published, published)
    failed = "evaluate/classifiers/camera_to_clean/maxsquare_classifier/seed1"
    cards = partial_cards(plan, ["table1"], [fail(plan, failed)])
    run_card(table.assemble, Path(cards[0]))
    title = next(row["title"] for row in read_card(Path(cards[0])).config["rows"] if "maxsquare" in row["key"])
    for name in ("maxsquare_classifier", title):
        assert main(["explain", "results/table1.csv", name]) == 0
        assert f"{title}, clean_to_camera: 25.0 %" in capsys.readouterr().out
    with pytest.raises(UserError, match="no column 'accuracy'; it has clean_to_camera"):
        explain(Path("results/table1.csv"), title, "accuracy")
    (card,) = partial_page(plan, cards)
    run_card(report.write, Path(card))
    html = Path("results/report/index.html").read_text()
    assert f"Missing: {failed} failed, see work/tiny/logs/{failed}.log." in html
    assert html.count('<div class="row missing"') == 1
