"""Table 1 and Figure 5 from toy pictures to files, by the stages and by the engine."""

import csv
import json
import shutil
from pathlib import Path

import numpy
import pytest
import tiny
import toy_classification

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation import Evaluation
from segadapt.reporting.lineage.trace import chain

TABLES = [f"results/table1{ending}.csv" for ending in ("", "_protocols", "_statistics", "_costs")]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = toy_classification.make_project(tmp_path_factory.mktemp("classification") / "project")
    tiny.make_here(folder, *TABLES, "results/figures/figure5.csv")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_the_table_holds_what_the_evaluations_say(project):
    table = {row["method"]: row for row in rows(project / "results/table1.csv") if row["origin"] != "published"}
    assert list(table) == ["Source only", "target forwarded, λ=0", "DANN", "MaxSquare"]
    for task in toy_classification.TASKS:
        of_seeds = []
        for seed in (1, 2):
            folder = project / f"work/tiny/metrics/classifiers/{task}/dann/seed{seed}"
            found = Evaluation.load(folder / "confusion.safetensors")
            assert len(found.image_names) == 20
            label_N, prediction_N = numpy.divmod(found.statistics[ScoringMode()], 10)
            of_seeds.append((label_N == prediction_N).mean())
        assert float(table["DANN"][task]) == pytest.approx(50 * sum(of_seeds), abs=0.05)
    assert table["DANN"]["seeds"] == "2" and table["DANN"]["selection"] == "last step"
    assert table["DANN"]["protocol"] == "released with normalisation=paper, repeated_updates=none"


def test_published_rows_and_built_in_data_are_marked(project):
    published = [row["method"] for row in rows(project / "results/table1.csv") if row["origin"] == "published"]
    assert published == ["ResNet-50", "DANN", "EntMin", "MaxSquare"]
    text = (project / "results/table1.md").read_text()
    assert "This is not Office-31" in text and "stronger reproductions" in text
    assert json.loads((project / "results/table1.json").read_text()).keys() == {"accuracy", "accuracy_sd"}


def test_companions_have_a_line_for_every_choice_and_task(project):
    chosen = rows(project / "results/table1_protocols.csv")
    assert len(chosen) == 4 * 3
    for row in chosen:
        if row["selection"] == "oracle step":
            last = next(each for each in chosen if (each["method"], each["selection"]) == (row["method"], "last step"))
            assert all(float(row[task]) >= float(last[task]) for task in toy_classification.TASKS)
    statistics = rows(project / "results/table1_statistics.csv")
    assert len(statistics) == 3 * 2 and {row["baseline"] for row in statistics} == {"target forwarded, λ=0"}
    assert {row["images"] for row in statistics} == {"20"}


def test_costs_are_those_of_both_tasks(project):
    costs = {row["method"]: row for row in rows(project / "results/table1_costs.csv")}
    record = json.loads((project / "results/table1_costs.provenance.json").read_text())
    (dann,) = [row for row in record["lineage"]["rows"] if row["key"] == "dann"]
    made_by = set(chain(record["lineage"]["jobs"], [end for seed in dann["made_by"] for end in seed]))
    jobs = [job for fingerprint, job in record["lineage"]["jobs"].items() if fingerprint in made_by]
    names = {job["identity"]["name"] for job in jobs}
    assert {
        f"evaluate/classifiers/{task}/dann/seed{seed}" for task in toy_classification.TASKS for seed in (1, 2)
    } < names
    assert float(costs["DANN"]["cpu_hours"]) == pytest.approx(sum(job["cpu_seconds"] for job in jobs) / 3600, abs=1e-4)


def test_figure_5_begins_with_the_source_only_model(project):
    points = rows(project / "results/figures/figure5.csv")
    assert {row["step"] for row in points} == {"0", "2", "4"}
    first = {row["method"]: row["accuracy"] for row in points if row["step"] == "0" and row["seed"] == "1"}
    assert len(set(first.values())) == 1
    for kind in ("png", "svg"):
        assert (project / f"results/figures/figure5.{kind}").stat().st_size > 10_000


@pytest.mark.parametrize("arguments", [["dann"], ["MaxSquare", "clean_to_camera"], ["source_only", "accuracy"]])
def test_every_cell_is_explained(project, monkeypatch, capsys, arguments):
    monkeypatch.chdir(project)
    assert main(["explain", "results/table1.csv", *arguments, "--verify"]) in (0, None)
    text = capsys.readouterr().out
    assert "train_classifier/" in text and "seed 2:" in text and "0 differ" in text
    if arguments[-1] == "clean_to_camera":
        assert "camera_to_clean" not in text
    if arguments == ["dann"]:
        assert "train_classifier/camera_to_clean/dann/seed1" in text and "lambda_final" in text


def test_show_prints_tasks_by_short_names(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    main(["show", "results/table1.csv"])
    assert "cle_to_cam" in capsys.readouterr().out


def test_the_engine_finds_nothing_to_do(project):
    assert tiny.jobs_to_run(project, *TABLES, "results/figures/figure5.png") == []


def test_a_flipped_evaluation_is_told(project, tmp_path, monkeypatch, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, symlinks=True)
    path = copy / "work/tiny/metrics/classifiers/clean_to_camera/dann/seed1/confusion.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    monkeypatch.chdir(copy)
    assert main(["explain", "results/table1_statistics.csv", "dann/clean_to_camera", "accuracy", "--verify"]) == 1
    assert "confusion.safetensors" in capsys.readouterr().out


def test_a_row_that_is_not_there_is_refused(project, monkeypatch):
    from segadapt.reporting.lineage.explain import explain

    monkeypatch.chdir(project)
    with pytest.raises(UserError, match="no column 'wall'; it has clean_to_camera, camera_to_clean, accuracy"):
        explain(Path("results/table1.csv"), "dann", "wall")
