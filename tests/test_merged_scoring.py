"""Models of 19 classes on labels of 13: scored as they are, and with the other six merged, as Cross City does."""

from dataclasses import replace

import numpy
import pytest
from scored import measured
from test_evaluate_stage import FIRST, evaluated, write_model
from test_scoring_modes import FINAL, metrics, record
from tiny import tiny_parameters
from toy_sets import packed, preparation, sets  # noqa: F401 - fixtures are used by name

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.core.scoring_mode import MERGED, ScoringMode
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import Evaluation
from segadapt.labels import CITYSCAPES19, IGNORE_INDEX, NTHU13
from segadapt.plan import make_plan
from segadapt.reporting.tables.scoring import scoring_columns, scoring_markdown

POSITIONS = NTHU13.positions_in(CITYSCAPES19)
NEAR = {"wall": "building", "fence": "building", "pole": "building", "terrain": "veg", "truck": "bus", "train": "bus"}


def iou(counts, classes):
    """Of each class that is labelled or predicted, by name."""
    found = {}
    for index, name in enumerate(classes):
        union = counts[index].sum() + counts[:, index].sum() - counts[index, index]
        if union:
            found[name] = counts[index, index] / union
    return found


@pytest.fixture(scope="module")
def folder(sets, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("merged")
    packed(replace(preparation(sets / "cityscapes"), classes="nthu13"), folder)
    write_model(folder / FIRST, 1)
    return folder


def test_labels_of_a_part_are_read_in_the_whole_s_ids(folder):
    path = folder / "cache" / "manifest.json"
    own, other = PackedCache(path), PackedCache(path, "cityscapes19")
    for index in range(len(own)):
        for read in ("label", "native_label"):
            label_HW, renamed_HW = getattr(own, read)(index), getattr(other, read)(index)
            assert renamed_HW.dtype == numpy.uint8 and len(numpy.unique(label_HW)) > 2
            for train_id in numpy.unique(label_HW):
                expected = IGNORE_INDEX if train_id == IGNORE_INDEX else POSITIONS[train_id]
                assert set(renamed_HW[label_HW == train_id]) == {expected}


def test_both_scores_equal_a_plain_count(folder):
    found, numbers = evaluated(folder, (FIRST,), "scored", labels={"classes": "nthu13"})
    assert found.labelled == POSITIONS
    for size in ("network", "native"):
        counts = found.matrix(size)
        assert counts.shape == (19, 19) and not counts[[each for each in range(19) if each not in POSITIONS]].any()
        assert counts[:, 3].any() or counts[:, 4].any(), "nothing is taken for a wall or a fence"
        plain = {name: each for name, each in iou(counts, CITYSCAPES19.classes).items() if name in NTHU13.classes}
        assert numbers[size]["mIoU"] == pytest.approx(sum(plain.values()) / len(plain), rel=1e-12)
        kept = {name: each for name, each in numbers[size]["IoU"].items() if each is not None}
        assert list(numbers[size]["IoU"]) == list(NTHU13.classes) and kept == pytest.approx(plain, rel=1e-12)
        fewer = numpy.zeros((13, 13))
        for (label, guess), count in numpy.ndenumerate(counts):
            if label in POSITIONS:
                name = CITYSCAPES19.classes[guess]
                fewer[POSITIONS.index(label), NTHU13.classes.index(NEAR.get(name, name))] += count
        merged = iou(fewer, NTHU13.classes)
        assert numbers["variants"][MERGED[size]] == pytest.approx(sum(merged.values()) / len(merged), rel=1e-12)
        assert numbers["variants"][MERGED[size]] != numbers["variants"][size] == numbers[size]["mIoU"]
    assert numbers["measures"]["boundary_mIoU"] == found.measures.summary(POSITIONS)["boundary_mIoU"]
    assert numbers["measures"] != found.measures.summary()


def test_statistics_are_of_the_labelled_classes_and_go_through_a_file(tmp_path):
    random = numpy.random.default_rng(1)
    counts_NCC = random.integers(0, 50, (5, 19, 19))
    matrices = {ScoringMode("network"): counts_NCC, ScoringMode("native"): counts_NCC}
    found = Evaluation(tuple("abcde"), matrices, measured(5), labelled=POSITIONS)
    found.save(tmp_path / "e.safetensors")
    read = Evaluation.load(tmp_path / "e.safetensors")
    assert read.labelled == POSITIONS and read.part([0, 2]).labelled == POSITIONS
    times_RN = random.integers(0, 3, (7, 5))
    for each, times_N in zip(read.reduction.of_each(read.resampled(times_RN)), times_RN, strict=True):
        plain = iou((counts_NCC * times_N[:, None, None]).sum(axis=0), CITYSCAPES19.classes)
        assert each == pytest.approx(numpy.mean([plain[name] for name in NTHU13.classes]), rel=1e-12)
    assert read.class_scores() == pytest.approx(
        [iou(counts_NCC.sum(axis=0), CITYSCAPES19.classes)[name] for name in NTHU13.classes]
    )
    replace(found, labelled=(3, 19)).save(tmp_path / "bad.safetensors")
    with pytest.raises(UserError, match="is not an evaluation file"):
        Evaluation.load(tmp_path / "bad.safetensors")


def with_part(**changes):
    content = tiny_parameters(("source_only", "maxsquare"))
    preset = content["presets"]["tiny"]
    preset["caches"]["part"] = preset["caches"]["target_val"] | {"classes": "nthu13"}
    preset |= {"evaluate_on": "part"} | changes
    content["experiments"]["table2"]["published"] = None
    return content


def test_the_plan_scores_on_what_the_labels_have():
    plan = make_plan(parameters_from(with_part(), "params.yaml"))
    scored = plan.by_name["evaluate/maxsquare/seed1"]
    assert scored.config["labels"] == {"classes": "nthu13"} and scored.config["model"]["classes"] == "cityscapes19"
    table = plan.by_name["table/table2"]
    assert list(table.config["columns"]) == list(NTHU13.classes) and "scoring/table2" in plan.by_name
    whole = make_plan(parameters_from(with_part(evaluate_on="target_val"), "params.yaml"))
    assert "labels" not in whole.by_name["evaluate/maxsquare/seed1"].config


def test_labels_that_a_model_does_not_know_are_refused():
    content = with_part()
    preset = content["presets"]["tiny"]
    preset["model"]["classes"] = "synthia13"
    for cache in preset["caches"].values():
        cache["classes"] = "synthia13"
    preset["caches"]["part"]["classes"] = "cityscapes19"
    with pytest.raises(UserError, match="evaluate_on: the labels of cache 'part' are cityscapes19"):
        parameters_from(content, "params.yaml")


def test_the_table_of_scoring_modes_says_what_merging_is_worth():
    names = {name: value + 0.1 for name, value in zip(MERGED.values(), (0.5, 0.4), strict=True)}
    rows = [record(metrics(FINAL | names)), record(metrics())]
    text = scoring_markdown(rows, "toy", {}, "", "mIoU network")
    assert "network merged" in text and "counts as a near one" in text and "| 60.0 |" in text
    added = set(scoring_columns(rows)) - set(scoring_columns(rows[1:]))
    assert added == {f"mIoU {name}{end}" for name in names for end in ("", "_sd")}
    assert "merged" not in scoring_markdown(rows[1:], "toy", {}, "", "mIoU network")
