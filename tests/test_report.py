"""The page that shows a run, as text: built from evaluations of known matrices."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy
import pytest
import tiny
from PIL import Image
from scored import matrices, record
from tiny import tiny_parameters
from toy_report import SEEDS, TITLE

from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import Evaluation, miou_from_matrix
from segadapt.plan import make_plan
from segadapt.plan.jobs.report import shown_tables
from segadapt.reporting.figures import gallery
from segadapt.reporting.report import chart
from segadapt.reporting.report import page as sheet
from segadapt.stages import table
from segadapt.stages.report import write


class Read(HTMLParser):
    """Tags with their attributes, the text outside of style and script, and whether all that was opened was closed."""

    VOID = ("meta", "link", "input", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open += [tag] * (tag not in self.VOID)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.text += "" if self.open[-1:] in (["style"], ["script"]) else data


def rows_of(html: str) -> list[dict[str, str]]:
    """The rows of the first table on the page, by heading."""
    found = re.search(r"<table>(.*?)</table>", html, re.S)[1]
    read = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", found, re.S)]
    width = len(re.findall(r"<th scope=\"col\"", found))
    lines = [read[start : start + width] for start in range(0, len(read), width)]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def story_of(html: str) -> dict:
    return json.loads(re.search(r'id="stories">(.*?)</script>', html, re.S)[1])


def test_equal_inputs_give_equal_bytes_and_every_tag_is_closed(page_made, page):
    before = page.read_bytes()
    write(page_made[1].by_name["report"], Path("scratch"))
    assert page.read_bytes() == before
    read = Read(before.decode())
    assert read.open == []
    ids = [about["id"] for _, about in read.tags if "id" in about]
    assert len(ids) == len(set(ids)) and {"result", "gallery", "tables", "curves", "figures", "story"} <= set(ids)


def test_nothing_is_asked_of_a_network(page):
    html = page.read_text()
    asked = [about[name] for _, about in Read(html).tags for name in ("src", "href") if name in about]
    assert asked and all(each.startswith(("data:", "#")) for each in asked)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", html)
    assert "default-src 'none'" in html


def test_the_table_on_the_page_is_the_csv(page):
    with open("results/table2.csv", newline="") as file:
        wanted = list(csv.DictReader(file))
    found = rows_of(page.read_text())
    assert [list(row)[:2] for row in found] == [["method", "mIoU"]] * len(wanted)
    renamed = {"± sd": "mIoU_sd", "vs control": "vs_control", "low": "vs_control_low", "high": "vs_control_high"}
    for ours, theirs in zip(found, wanted, strict=True):
        ours = {renamed.get(name, name): value for name, value in ours.items()}
        assert (
            ours.pop("method").replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace("&amp;", "&")
            == theirs["method"]
        )
        assert ours == {name: theirs[name] for name in ours}
        assert not any(theirs[name] for name in theirs.keys() - ours.keys() - {"method"})


def test_files_to_download_are_the_files(page):
    links = {about["download"]: about["href"] for tag, about in Read(page.read_text()).tags if "download" in about}
    assert {"table2.csv", "table2.tex", "table2_statistics.csv", "table2_costs.csv"} <= links.keys()
    for name, link in links.items():
        assert base64.b64decode(link.partition("base64,")[2]) == Path("results", name).read_bytes()


def test_titles_and_names_are_text(page):
    html = page.read_text()
    read = Read(html)
    assert TITLE in read.text and "<script>alert" not in html and "<b>" not in html
    assert sum(tag == "script" for tag, _ in read.tags) == 3
    for name in ("table2.md", "table2.html", "table2.tex", "table2_statistics.md", "table2_costs.md"):
        text = Path("results", name).read_text()
        assert "script" in text and "<script" not in text, name


def test_every_row_has_a_sentence_with_its_word(page):
    read = Read(page.read_text())
    with open("results/table2.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file) if row["origin"] != "published"}
    sentences = [about["aria-label"] for tag, about in read.tags if about.get("role") == "img" and tag == "svg"][:5]
    for (title, row), sentence in zip(rows.items(), sentences, strict=True):
        if title == "target forwarded, λ=0":
            assert "what the other rows are compared with" in sentence
        else:
            assert f": {row['verdict']}" in sentence and "target forwarded, λ=0" in sentence
            assert f"{abs(float(row['vs_control'])):.2f} points " in sentence
            assert ("above" if float(row["vs_control"]) > 0 else "below") in sentence
    assert all(sentence in read.text for sentence in sentences)


def test_the_story_of_a_row_is_what_explain_knows(page_made, page):
    told = story_of(page.read_text())
    by_title = {row["title"]: row for row in told["rows"]}
    row = by_title[TITLE]
    wanted = [miou_from_matrix(matrices("maxsquare", seed).sum(axis=0)) for seed in SEEDS]
    assert row["values"]["mIoU"] == pytest.approx(wanted) and row["seeds"] == list(SEEDS)
    names = [told["jobs"][each]["name"] for each in row["jobs"]]
    assert {
        "prepare/source_train",
        "pretrain/source/seed2",
        "adapt/maxsquare/seed3",
        "evaluate/maxsquare/seed1",
    } <= set(names)
    assert not any("minent" in name for name in names)
    assert ["method.lambda_target", str(tiny_parameters()["methods"]["maxsquare"]["lambda_target"])] in row[
        "parameters"
    ]
    assert "work/tiny/metrics/maxsquare/seed3/metrics.json" in row["remake"]
    job = page_made[1].by_name["adapt/maxsquare/seed3"]
    files = dict(map(reversed, told["jobs"][row["jobs"][names.index(job.name)]]["files"]))
    sha256 = json.loads(Path(job.provenance).read_text())["outputs"]["model"]["sha256"]
    assert files[job.outputs["model"]] == sha256[:16]


def test_a_row_that_is_not_there_is_shown_as_missing(page_made, page, monkeypatch):
    plan = page_made[1]
    job, kept = plan.by_name["table/table2"], {}
    for path in (*job.outputs.values(), job.provenance):
        kept[path] = Path(path).read_bytes()
    try:
        partial = replace(job, config=job.config | {"missing": {"minent": "adapt/minent/seed1 failed"}})
        record(partial, more=table.assemble(partial, Path("scratch")))
        write(plan.by_name["report"], Path("scratch"))
        read = Read(page.read_text())
        assert "Missing: adapt/minent/seed1 failed." in read.text and "– missing" in read.text
        assert "This table is partial. Missing: MinEnt" in read.text
    finally:
        for path, content in kept.items():
            Path(path).write_bytes(content)
        write(plan.by_name["report"], Path("scratch"))


@pytest.mark.parametrize(
    ("published", "told"),
    [(None, ""), (2, "those of the paper's Table 2"), (7, "what the authors of later work state beside their code")],
)
def test_the_page_says_whose_the_published_rows_are(published, told):
    said = sheet._printed({"identity": {"config": {"published": published}}})
    assert said == (f"Published rows are {told}. " if told else "")


@pytest.mark.parametrize(
    ("numbers", "ends"),
    [([47.97, 50.75], (47.5, 51)), ([3], (3, 3.2)), ([], (0, 100)), ([-2.0, 2.0], (-2, 2)), ([10, 95.5], (0, 100))],
)
def test_the_axis_has_round_ends_that_hold_everything(numbers, ends):
    scale = chart._Scale([float(each) for each in numbers])
    ticks = scale.ticks()
    assert (float(ticks[0]["text"]), float(ticks[-1]["text"])) == pytest.approx(ends)
    assert (ticks[0]["x"], ticks[-1]["x"]) == (0, 100) and 2 <= len(ticks) <= 12
    assert all(0 <= scale.place(each) <= 100 for each in numbers) and scale.place(None) is None


def test_the_images_that_differ_most_come_first():
    scores = {"a": {"x": 0.5, "y": 0.1, "z": None, "w": 0.4}, "b": {"x": 0.6, "y": 0.4, "z": 0.2, "w": 0.1}}
    assert gallery.most_different(scores, 3) == ["y", "w", "x"] and gallery.most_different(scores, 9)[3] == "z"


def test_the_gallery_shows_what_is_scored_of_an_ensemble_too(tmp_path, monkeypatch):
    rows = ("source_only", "advent", "advent_minent", "advent_ensemble")
    tiny.make_project(tmp_path, tiny_parameters(rows))
    tiny.make_here(tmp_path, "results/figures/gallery.json")
    monkeypatch.chdir(tmp_path)
    job = make_plan(load_parameters("params.yaml")).by_name["figure/gallery"]
    content = json.loads(Path(job.outputs["pictures"]).read_text())
    target = PackedCache(Path(job.input("labelled")))
    for key in rows:
        found = Evaluation.load(Path(job.input("confusion", row=key)))
        for image in content["images"]:
            truth_HW, shown_HW = (picture(uri) for uri in (image["truth"], image["predictions"][key]))
            index = next(each for each in range(len(target)) if target.name(each) == image["name"])
            assert (truth_HW == target.native_label(index)).all()
            known = truth_HW != 255
            counts = numpy.zeros((19, 19), int)
            numpy.add.at(counts, (truth_HW[known], shown_HW[known]), 1)
            place = found.image_names.index(image["name"])
            assert (counts == found.of_images("native")[place]).all(), (key, image["name"])


def picture(uri: str) -> numpy.ndarray:
    return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])), formats=["PNG"]))


def test_rows_that_were_scored_on_the_same_images_are_in_one_gallery():
    parameters = tiny_parameters()
    preset = parameters["presets"]["tiny"]
    preset["caches"] |= {
        f"{name}_13": preset["caches"][name] | {"classes": "nthu13"} for name in ("source_train", "target_val")
    }
    preset["settings"] = {
        "equal": {"title": "equal", "protocol": {"normalisation": "paper"}},
        "thirteen": {
            "title": "13 classes",
            "model": {"classes": "nthu13"},
            "evaluate_on": "target_val_13",
            **{stage: {"source": "source_train_13"} for stage in ("pretrain", "adapt", "refine")},
        },
    }
    parameters["experiments"] = {
        "table2": {"rows": ["source_only", "maxsquare", "equal/maxsquare"]},
        "thirteen": {"rows": ["thirteen/source_only", "thirteen/maxsquare"]},
        "other": {"rows": ["maxsquare", "minent"]},
    }
    plan = make_plan(parameters_from(parameters, "tiny"))
    found = {job.name: list(job.config["models"]) for job in plan.jobs if job.stage == "gallery"}
    assert found == {
        "figure/gallery": ["source_only", "maxsquare", "equal/maxsquare", "minent"],
        "figure/gallery_thirteen": ["thirteen/source_only", "thirteen/maxsquare"],
    }
    assert plan.by_name["figure/gallery_thirteen"].config["title"] == "13 classes"
    report = plan.by_name["report"]
    assert [len(report.read("history", row=row)) for row in ("source_only", "equal/maxsquare", "minent")] == [0, 1, 1]
    assert [group["title"] for group in report.config["curves"]] == ["tiny", "equal", "13 classes"]
    starts = {row["key"]: row["from"] for group in report.config["curves"] for row in group["rows"]}
    assert starts == {
        "source_only": None,
        "maxsquare": "source_only",
        "minent": "source_only",
        "equal/maxsquare": None,
        "thirteen/source_only": None,
        "thirteen/maxsquare": "thirteen/source_only",
    }


def test_label_maps_keep_their_ids_and_large_pictures_shrink():
    label_HW = numpy.random.default_rng(0).choice([0, 7, 18, 255], (40, 1000)).astype(numpy.uint8)
    for array_HW, size in ((label_HW[:, :50], (50, 40)), (label_HW, (768, 31))):
        uri = gallery.label_map(array_HW)
        image = Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])), formats=["PNG"])
        assert image.size == size and image.mode == "L" and set(numpy.unique(image)) <= {0, 7, 18, 255}
    assert (
        numpy.asarray(Image.open(io.BytesIO(base64.b64decode(gallery.label_map(label_HW[:, :50]).partition(",")[2]))))
        == label_HW[:, :50]
    ).all()
    assert gallery.photograph(numpy.zeros((2, 3, 3), numpy.uint8)).startswith("data:image/jpeg;base64,")


def test_a_preset_says_which_tables_are_shown():
    parameters = tiny_parameters()
    parameters["experiments"] |= {"other": {"rows": ["source_only"]}, "third": {"rows": ["source_only"]}}
    for named, wanted in (([], ["table2", "other", "third"]), (["third", "table2"], ["third", "table2"])):
        parameters["presets"]["tiny"]["report"] = named
        found = parameters_from(parameters, "tiny")
        assert shown_tables(found) == wanted
        job = make_plan(found).by_name["report"]
        assert {each.row for each in job.read("csv")} == set(wanted)
        assert job.config["others"] == [name for name in ("table2", "other", "third") if name not in wanted]
    parameters["presets"]["tiny"]["report"] = ["tabel2"]
    with pytest.raises(Exception, match=r"report\[0\]"):
        parameters_from(parameters, "tiny")
