"""The stages of figures and statistics, run on evaluations of known matrices: each reads what its card names."""

import json
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from scored import matrices, record, scored_plan
from tiny import REPOSITORY

from segadapt.evaluation import Evaluation, miou_from_matrix
from segadapt.labels import CITYSCAPES19, SYNTHIA13
from segadapt.reporting.figures import confidence
from segadapt.reporting.lineage.explain import explain
from segadapt.stages import figure, table

ROWS = ("source_only", "target_forwarded", "maxsquare", "minent")
SEEDS = (1, 2)
C = len(CITYSCAPES19)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return scored_plan(ROWS, SEEDS)


def run(plan, stage, name: str) -> dict[str, Path]:
    """Runs a job's stage as its script does; returns its outputs, all of which must be there."""
    job = plan.by_name[name]
    more = getattr(stage, "draw", None) or stage.assemble
    record(job, more=more(job, Path("scratch")))
    outputs = {role: Path(path) for role, path in job.outputs.items()}
    assert outputs["picture"].read_bytes().startswith(b"\x89PNG") if "picture" in outputs else True
    assert b"<svg" in outputs["vector"].read_bytes() if "vector" in outputs else True
    return outputs


def test_statistics_compare_every_row_with_the_control(plan):
    outputs = run(plan, table, "statistics/table2")
    frame = pandas.read_csv(outputs["csv"], keep_default_na=False)
    assert frame["method"].tolist() == ["Source only", "MaxSquare", "MinEnt"]
    assert set(frame["baseline"]) == {"target forwarded, λ=0"} and set(frame["verdict"]) <= {
        "better",
        "worse",
        "cannot tell",
    }
    miou = {
        model: [miou_from_matrix(matrices(model, seed).sum(axis=0)) for seed in SEEDS]
        for model in ("maxsquare", "target_forwarded")
    }
    expected = 100 * (numpy.mean(miou["maxsquare"]) - numpy.mean(miou["target_forwarded"]))
    row = frame[frame.method == "MaxSquare"].iloc[0]
    assert float(row["difference"]) == pytest.approx(expected, abs=0.0051) and row["images"] == 5
    assert f"| {row['detectable']:.2f} | {row['verdict']} |" in outputs["md"].read_text()
    found = explain(outputs["csv"], "maxsquare", "difference")
    assert found.values == pytest.approx(numpy.subtract(miou["maxsquare"], miou["target_forwarded"]))
    stages = [job["identity"]["name"] for job in found.jobs]
    assert {"adapt/maxsquare/seed2", "adapt/target_forwarded/seed1"} <= set(stages)
    # The table itself says the same.
    Path("results/published").symlink_to(REPOSITORY / "results/published")
    main = pandas.read_csv(run(plan, table, "table/table2")["csv"], keep_default_na=False, dtype=str)
    compared = {"difference": "vs_control", "seeds_low": "vs_control_low", "seeds_high": "vs_control_high"}
    wanted = pandas.read_csv(outputs["csv"], keep_default_na=False, dtype=str).rename(columns=compared)
    names = ["method", *compared.values(), "detectable", "verdict"]
    assert main[main["verdict"] != ""][names].values.tolist() == wanted[names].values.tolist()
    assert [job["identity"]["name"] for job in found.trainings] == ["adapt/maxsquare/seed1"]


def test_the_mean_over_13_of_16_classes_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = scored_plan(ROWS, SEEDS, classes="synthia16", published=None)
    outputs = run(plan, table, "table/table2")
    found = explain(outputs["csv"], "maxsquare", "miou13")
    wanted = []
    for seed in SEEDS:
        counts = matrices("maxsquare", seed).sum(axis=0)
        places = [place for place, name in enumerate(CITYSCAPES19.classes) if name in SYNTHIA13.classes]
        union = [counts[place].sum() + counts[:, place].sum() - counts[place, place] for place in places]
        known = [counts[place, place] / all_of for place, all_of in zip(places, union, strict=True) if all_of]
        wanted.append(sum(known) / len(known))
    assert found.column == "mIoU13" and found.values == pytest.approx(wanted)
    row = pandas.read_csv(outputs["csv"]).set_index("method").loc["MaxSquare"]
    assert row["mIoU13"] == pytest.approx(100 * numpy.mean(wanted), abs=0.051)


def test_measures_stand_beside_miou_and_scores_are_ranked(plan):
    outputs = run(plan, table, "measures/table2")
    before = {role: path.read_bytes() for role, path in outputs.items()}
    frame = pandas.read_csv(outputs["csv"], keep_default_na=False).set_index("method")
    assert frame.index.tolist() == ["Source only", "target forwarded, λ=0", "MaxSquare", "MinEnt"]
    names = {"source_only": "source"}
    miou = {
        key: [100 * miou_from_matrix(matrices(names.get(key, key), seed).sum(axis=0)) for seed in SEEDS] for key in ROWS
    }
    row = frame.loc["MaxSquare"]
    assert row["mIoU"] == pytest.approx(numpy.mean(miou["maxsquare"]), abs=0.051)
    assert (row["ECE"], row["ECE_sd"], row["boundary_mIoU"]) == (10.0, 0.0, 33.3)
    assert (row["mutual_information"], row["network_size"], row["seeds"]) == (9.0, "64x32", 2)
    ranking = pandas.read_csv(outputs["ranking"], keep_default_na=False).set_index("score")
    assert set(ranking["models"]) == {8} and ranking.loc["max_square", "note"] == "all models score the same"
    information = ranking.loc["mutual_information"]
    assert information["chosen"] == "2 alike"  # target_forwarded has the longest name, in both seeds
    regret = max(map(max, miou.values())) - numpy.mean(miou["target_forwarded"])
    assert float(information["regret"]) == pytest.approx(regret, abs=0.0051)
    assert explain(outputs["csv"], "maxsquare", "ECE").values == pytest.approx([0.1, 0.1])
    again = run(plan, table, "measures/table2")
    assert {role: path.read_bytes() for role, path in again.items()} == before
    Path(plan.by_name["adapt/minent/seed2"].provenance).unlink()
    outputs = run(plan, table, "measures/table2")
    assert "MinEnt" not in pandas.read_csv(outputs["csv"])["method"].tolist()
    assert set(pandas.read_csv(outputs["ranking"])["models"]) == {6} and "Left out" in outputs["md"].read_text()


def test_a_row_without_a_trace_is_left_out_and_all_are_without_the_control(plan, capsys):
    Path(plan.by_name["adapt/minent/seed2"].provenance).unlink()
    outputs = run(plan, table, "statistics/table2")
    assert "MinEnt" not in pandas.read_csv(outputs["csv"])["method"].tolist()
    assert "Left out" in outputs["md"].read_text() and "row MinEnt is left out" in capsys.readouterr().err
    Path(plan.by_name["adapt/target_forwarded/seed1"].provenance).unlink()
    outputs = run(plan, table, "statistics/table2")
    assert pandas.read_csv(outputs["csv"]).empty and "nothing to compare" in outputs["md"].read_text()


def test_bars_show_the_metrics_of_every_row_and_seed(plan):
    frame = pandas.read_csv(run(plan, figure, "figure/table2_classes")["data"])
    assert frame["method"].unique().tolist() == ["Source only", "target forwarded, λ=0", "MaxSquare", "MinEnt"]
    content = json.loads(Path("work/tiny/metrics/minent/seed2/metrics.json").read_text())["network"]
    found = frame[(frame.method == "MinEnt") & (frame.seed == 2)].set_index("class")["IoU"]
    assert found["car"] == pytest.approx(100 * content["IoU"]["car"], abs=0.0051)
    assert found["mIoU"] == pytest.approx(100 * content["mIoU"], abs=0.0051) and numpy.isnan(found["bike"])


def test_figure4_shows_label_frequencies_and_mean_iou(plan, capsys):
    frame = pandas.read_csv(run(plan, figure, "figure/figure4")["data"])
    assert frame["method"].unique().tolist() == ["Source only", "MaxSquare"]
    labels = matrices("maxsquare", 1).sum(axis=(0, 2))
    one = frame[frame.method == "MaxSquare"].set_index("class")
    assert one["value"]["sky"] == pytest.approx(numpy.log(labels[10] / labels.sum()), rel=1e-5)
    ious = [Evaluation.load(Path(f"work/tiny/metrics/maxsquare/seed{seed}/confusion.safetensors")) for seed in SEEDS]
    assert one["IoU"]["sky"] == pytest.approx(100 * numpy.mean([each.iou("network")[10] for each in ious]), abs=0.0051)
    assert "MaxSquare: r = " in capsys.readouterr().err


def test_figure2_shows_the_first_seeds_models(plan, monkeypatch):
    class Cache:
        def __init__(self, path, classes):
            assert str(path) == "work/tiny/cache/target_val/manifest.json" and classes == "cityscapes19"

        def __len__(self):
            return 2

        def image(self, index):
            return numpy.full((4, 6, 3), index, numpy.uint8)

        def label(self, index):
            return numpy.full((4, 6), index, numpy.uint8)

    def predictor(path, config, compute):
        assert "seed1" in str(path)
        logits = torch.zeros(1, C, 2, 3)
        logits[:, 0] = 3.0 if "maxsquare" in str(path) else 1.0
        return lambda image_HWC: logits

    for name, replacement in (("PackedCache", Cache), ("predictor", predictor), ("set_up_compute", lambda *_: None)):
        monkeypatch.setattr(confidence, name, replacement)
    frame = pandas.read_csv(run(plan, figure, "figure/figure2")["data"])
    for method, logit in (("Source only", 1.0), ("MaxSquare", 3.0)):
        total = numpy.exp(logit) + C - 1
        predicted, labelled = confidence.QUANTITIES.values()
        one = frame[frame.method == method].set_index(["quantity", "class"])["value"]
        assert one[predicted, "road"] == one[labelled, "road"] == pytest.approx(numpy.exp(logit) / total, rel=1e-4)
        assert one[labelled, "sidewalk"] == pytest.approx(1 / total, rel=1e-4) and numpy.isnan(
            one[predicted, "sidewalk"]
        )


def test_figure1_needs_nothing(plan):
    assert len(pandas.read_csv(run(plan, figure, "figure/figure1")["data"])) == 999
