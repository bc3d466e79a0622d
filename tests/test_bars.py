"""IoU bars: the drawn heights are the means, the lines reach from the lowest to the highest seed."""

import io
import json
from pathlib import Path

import numpy
import pandas
import pytest
from tiny import tiny_parameters

from segadapt.core.parameters import parameters_from
from segadapt.labels import CITYSCAPES19
from segadapt.plan import make_plan
from segadapt.reporting.figures.bars import ClassBars, bars_csv, bars_figure, draw
from segadapt.reporting.figures.style import COLOURS, colour, svg

NAMES = ("road", "train", "mIoU")
OURS = ClassBars("MaxSquare", "ours", (1, 2), numpy.array([[0.5, float("nan"), 0.3], [0.7, 0.2, 0.4]]), 3)
CONTROL = ClassBars("forwarded", "control", (1, 2), numpy.array([[0.4, 0.0, 0.2], [0.4, 0.1, 0.2]]), 1)


def test_heights_and_lines_are_mean_lowest_and_highest():
    axis = bars_figure(NAMES, [OURS, CONTROL], "toy").axes[0]
    heights = [[bar.get_height() for bar in bars] for bars in axis.containers]
    # A class that is absent in a seed has no mean over the seeds, hence no bar.
    assert heights == [pytest.approx([60, 0, 35]), pytest.approx([40, 5, 20])]
    ends = [[sorted(segment[:, 1]) for segment in lines.get_segments()] for lines in axis.collections]
    assert ends[0] == [pytest.approx([50, 70]), [0, 0], pytest.approx([30, 40])]
    assert [bars[0].get_facecolor()[3] for bars in axis.containers] == [1.0, 0.55]
    centres = [bar.get_x() + bar.get_width() / 2 for bars in axis.containers for bar in bars]
    assert [round(centre) for centre in centres] == [0, 1, 2] * 2


def test_one_seed_has_no_line():
    one = ClassBars("MaxSquare", "ours", (1,), numpy.array([[0.5, 0.1, 0.3]]), 0)
    assert not bars_figure(NAMES, [one], "toy").axes[0].collections


def test_many_bars_stand_in_two_panels():
    names, rows = [f"class {place}" for place in range(20)], []
    for look in range(6):
        rows.append(ClassBars(f"row {look}", "ours", (1,), numpy.arange(20)[None] / 100 + look / 10, look))
    figure = bars_figure(names, rows, "toy")
    assert [[tick.get_text() for tick in axis.get_xticklabels()] for axis in figure.axes] == [names[:10], names[10:]]
    heights = [bar.get_height() for axis in figure.axes for bar in axis.containers[4]]
    assert heights == pytest.approx([40 + place for place in range(20)])


def test_the_data_hold_every_seed():
    frame = pandas.read_csv(io.BytesIO(bars_csv(NAMES, [OURS, CONTROL])))
    assert list(frame.columns) == ["method", "origin", "seed", "class", "IoU"] and len(frame) == 2 * 2 * 3
    assert frame[(frame.method == "MaxSquare") & (frame.seed == 2)]["IoU"].tolist() == [70, 20, 40]
    assert frame["IoU"].isna().sum() == 1


def test_many_rows_are_told_apart():
    rows = [ClassBars(f"row {look}", "ours", (1,), OURS.iou_SK[1:], look) for look in range(len(COLOURS) + 2)]
    containers = bars_figure(NAMES, rows, "toy").axes[0].containers
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in containers}
    assert len(looks) == len(rows) and colour(0) == colour(len(COLOURS))
    assert svg(bars_figure(NAMES, rows, "toy")) == svg(bars_figure(NAMES, rows, "toy"))


def test_the_mean_is_over_the_classes_of_the_table(tmp_path, monkeypatch):
    """Of models of 19 classes, as the table's own is: three classes that are never found are no part of these 16."""
    monkeypatch.chdir(tmp_path)
    parameters = tiny_parameters(("source_only",))
    parameters["experiments"]["table2"] |= {"classes": "synthia16", "published": None}
    job = make_plan(parameters_from(parameters, "tiny")).by_name["figure/table2_classes"]
    metrics = Path(job.input("metrics", row="source_only", seed=1))
    metrics.parent.mkdir(parents=True)
    for absent, mean in ((None, 40.0), ("bike", 40.0), ("train", 40.0)):
        iou = {name: 0.0 if name in ("terrain", "truck", "train") else 0.4 for name in CITYSCAPES19.classes}
        iou |= {absent: None} if absent else {}
        known = [each for each in iou.values() if each is not None]
        metrics.write_text(json.dumps({"network": {"IoU": iou, "mIoU": sum(known) / len(known)}}))
        found = pandas.read_csv(io.BytesIO(draw(job)["data"])).set_index("class")["IoU"]
        assert len(found) == 17 and found["road"] == 40 and found["mIoU"] == mean, absent
