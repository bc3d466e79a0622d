"""Evaluations of classifiers, and what tables and figures make of them, against naive references."""

import csv
import dataclasses
import io
import statistics
from collections.abc import Iterator

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation import Evaluation, LabelFreeScore, metrics
from segadapt.evaluation.classification import centre_crop, evaluate_images
from segadapt.evaluation.measures.neighbourhood import soft_neighbourhood_density
from segadapt.evaluation.measures.per_image import Measures
from segadapt.evaluation.measures.reduction import ACCURACY
from segadapt.labels import DIGITS10
from segadapt.reporting.figures.easy_and_hard import easy_and_hard, easy_and_hard_csv, easy_and_hard_figure, follow
from segadapt.reporting.tables.cells import class_columns, read_table, table_csv
from segadapt.reporting.tables.formats import TableHeader, write_table
from segadapt.reporting.tables.main import TableRow, build_table, with_mean
from segadapt.reporting.tables.published import published_rows
from segadapt.reporting.tables.scoring import STEPS, chosen_step, part_record
from segadapt.reporting.tables.statistics import compare

OFFICE = (
    "amazon_to_webcam",
    "amazon_to_dslr",
    "webcam_to_amazon",
    "webcam_to_dslr",
    "dslr_to_amazon",
    "dslr_to_webcam",
)
TASKS = ("clean_to_camera", "camera_to_clean")
BOOTSTRAP = {"evaluation_size": "native", "bootstrap_samples": 500, "bootstrap_seed": 1}


def made_up(seed: int, images: int = 40, steps: tuple[int, ...] = (), names=None) -> Evaluation:
    """Answers of a classifier of ten classes, the labels the same for all seeds."""
    random, label_N = numpy.random.default_rng(seed), numpy.random.default_rng(0).integers(0, 10, images)
    places = {ScoringMode(step=step): label_N * 10 + random.integers(0, 10, images) for step in (None, *steps)}
    answers = zip(random.random(images), places[ScoringMode()] % 10, label_N, strict=True)
    measures = Measures.stacked([Measures.of_whole_image(*each) for each in answers])
    return Evaluation(tuple(names or (f"image{number}" for number in range(images))), places, measures, 10)


def right(evaluation: Evaluation, step: int | None = None) -> numpy.ndarray:
    """Whether each image's class is right."""
    place_N = evaluation.statistics[ScoringMode(step=step)]
    return place_N // 10 == place_N % 10


def test_evaluations_of_classifiers_go_to_a_file_and_back(tmp_path):
    found = made_up(1).with_step(20, made_up(2))
    found.save(tmp_path / "a.safetensors")
    found.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    again = Evaluation.load(tmp_path / "a.safetensors")
    assert again.image_names == found.image_names and again.reduction is ACCURACY
    assert again.statistics.keys() == {ScoringMode(), ScoringMode(step=20)}
    assert all(numpy.array_equal(each, found.statistics[mode]) for mode, each in again.statistics.items())
    numpy.testing.assert_array_equal(again.measures.confidence(), found.measures.confidence())
    assert again.measures.boundary is None


def broken(evaluation: Evaluation) -> Iterator[Evaluation]:
    places = evaluation.statistics[ScoringMode()]
    for bad in (places[1:], places - 100, places + 60, places.astype(numpy.int32), numpy.eye(40, dtype=int)):
        yield dataclasses.replace(evaluation, statistics={ScoringMode(): bad})
    yield dataclasses.replace(evaluation, statistics={ScoringMode("network"): places})
    yield dataclasses.replace(evaluation, measures=made_up(1, images=39).measures)


@pytest.mark.parametrize("number", range(7))
def test_a_file_that_does_not_fit_is_refused(tmp_path, number):
    path = tmp_path / "confusion.safetensors"
    [*broken(made_up(1))][number].save(path)
    with pytest.raises(UserError, match=r"confusion\.safetensors is not an evaluation file.*run evaluate again"):
        Evaluation.load(path)


def test_metrics_are_counts_of_right_answers():
    found = made_up(3).with_step(7, made_up(4))
    of_steps = {step: LabelFreeScore(1.0, 0.5, 0.8, 2.0) for step in (7, None)}
    said = metrics(found, DIGITS10, {"commit": "abc"}, of_steps, last_step=9)
    right_N, label_N = right(found).tolist(), (found.statistics[ScoringMode()] // 10).tolist()
    assert said["native"]["accuracy"] == sum(right_N) / 40 and said["images"] == 40 and "network" not in said
    for index, name in enumerate(DIGITS10.classes):
        of = [each for each, label in zip(right_N, label_N, strict=True) if label == index]
        assert said["native"]["class_accuracy"][name] == (pytest.approx(sum(of) / len(of)) if of else None)
    assert [each["step"] for each in said["steps"]] == [7, 9] and said["variants"].keys() == {"native"}
    assert said["steps"][1]["native"] == said["native"]["accuracy"]
    assert said["steps"][0]["native"] == right(found, 7).mean()
    assert said["model"] == {"commit": "abc", "machine": None, "gpu_seconds": None, "fingerprint": None}
    assert said["measures"].keys() == {"ECE"}


def test_matrices_of_images_and_of_samples_are_those_of_a_loop():
    found, times_RN = made_up(3), numpy.random.default_rng(1).integers(0, 4, (5, 40))
    for matrix, times_N in zip([found.matrix(), *found.resampled(times_RN)], [[1] * 40, *times_RN], strict=True):
        naive = numpy.zeros((10, 10))
        for place, times in zip(found.statistics[ScoringMode()], times_N, strict=True):
            naive[place // 10, place % 10] += times
        numpy.testing.assert_array_equal(matrix, naive)
    assert found.matrix().dtype == numpy.int64


class OfLogits:
    """A cache whose labels are given."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def name(self, index):
        return f"image{index}"

    def label(self, index):
        return numpy.array([[self.labels[index]]], numpy.uint8)


def test_logits_become_the_likeliest_class_and_its_probability():
    logits_NC = torch.randn(30, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    label_N = numpy.random.default_rng(0).integers(0, 10, 30)
    found, label_free = evaluate_images(logits_NC[..., None, None], OfLogits(label_N))
    softmax_NC = (logits_NC.exp() / logits_NC.exp().sum(dim=1, keepdim=True)).numpy()
    assert found.score() == (softmax_NC.argmax(axis=1) == label_N).mean()
    numpy.testing.assert_allclose(found.measures.confidence(), softmax_NC.max(axis=1), rtol=1e-6)
    mean_C, mean_entropy = softmax_NC.mean(axis=0), -(softmax_NC * numpy.log(softmax_NC)).sum(axis=1).mean()
    assert label_free.mean_entropy == pytest.approx(mean_entropy, rel=1e-12)
    assert label_free.mutual_information == pytest.approx(-(mean_C * numpy.log(mean_C)).sum() - mean_entropy, rel=1e-12)
    assert label_free.max_square == pytest.approx((softmax_NC**2).sum(axis=1).mean(), rel=1e-12)
    everything = soft_neighbourhood_density(torch.from_numpy(softmax_NC))
    assert label_free.soft_neighbourhood_density == pytest.approx(everything, rel=1e-9), "of all images, each a pixel"
    logits_NC[3, 3] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        evaluate_images(logits_NC[..., None, None], OfLogits(label_N))


@given(st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.9]), min_size=2, max_size=60), st.floats(0.02, 0.5))
@settings(deadline=None)
def test_easy_and_hard_are_both_ends_of_a_sorted_list(confidences, share):
    count = int(share * len(confidences))
    confidence_N = numpy.array(confidences, numpy.float32)
    if count == 0:
        with pytest.raises(UserError, match=r"raise easy_and_hard\.share"):
            easy_and_hard(confidence_N, share)
        return
    ranked = sorted(range(len(confidences)), key=lambda index: (-confidences[index], index))
    easy, hard = easy_and_hard(confidence_N, share)
    assert easy.tolist() == ranked[:count] and hard.tolist() == ranked[-count:]
    assert not set(easy.tolist()) & set(hard.tolist())


def test_the_papers_238_images():
    easy, hard = easy_and_hard(numpy.random.default_rng(1).random(795), 0.3)
    assert len(easy) == len(hard) == 238


@pytest.mark.parametrize(("shape", "crop"), [((32, 32), (28, 28)), ((33, 40), (28, 31)), ((8, 8), (8, 8))])
def test_the_middle_is_cut_out(shape, crop):
    image = numpy.arange(shape[0] * shape[1] * 3).reshape(*shape, 3)
    window = centre_crop(image, crop)
    assert window.shape == (crop[1], crop[0], 3)
    top, left = (shape[0] - crop[1]) // 2, (shape[1] - crop[0]) // 2
    assert numpy.array_equal(window[0, 0], image[top, left])
    assert centre_crop(image, None) is image


def row(title: str, values: dict, tasks=TASKS, paper_row=None) -> TableRow:
    return TableRow(title, "digits", "ours", with_mean(values, tasks, "accuracy"), paper_row, "last step")


def test_the_table_has_means_and_deviations_of_every_task(tmp_path):
    values = {TASKS[0]: [0.5, 0.75, 0.625], TASKS[1]: [0.25, 0.25, 0.5]}
    own = [row("MaxSquare", values, paper_row="MaxSquare"), row("DANN", {})]
    frame = build_table(own, TASKS, published_rows(1), mean="accuracy")
    cells = read_table(table_csv(frame))
    first = cells.iloc[0]
    assert class_columns(cells.columns) == list(TASKS)
    for task in TASKS:
        assert first[task] == round(100 * statistics.mean(values[task]), 1)
        assert first[f"{task}_sd"] == round(100 * statistics.stdev(values[task]), 1)
    mean = [(a + b) / 2 for a, b in zip(*values.values(), strict=True)]
    assert first["accuracy"] == round(100 * statistics.mean(mean), 1)
    assert first["accuracy_sd"] == round(100 * statistics.stdev(mean), 1)
    assert numpy.isnan(first["paper_accuracy"]), "built-in data is never compared with the paper"
    assert cells.iloc[1][[*TASKS, "accuracy"]].isna().all() and cells.iloc[1]["seeds"] == 0
    published = cells[cells["origin"] == "published"]
    assert published["accuracy"].tolist() == [76.1, 82.2, 84.1, 85.6] and published[list(TASKS)].isna().all(axis=None)
    header = TableHeader("streets", "Built-in data.", "machine", "abc", (1, 2, 3), "released")
    write_table(tmp_path / "table1.csv", frame, header)
    texts = {kind: (tmp_path / f"table1.{kind}").read_text() for kind in ("md", "tex", "html", "json")}
    assert all("mIoU" not in text for text in texts.values())
    assert "**56.2**" not in texts["md"] and f"**{first['accuracy']}**" in texts["md"]


def test_on_office31_the_papers_numbers_stand_beside():
    values = {task: [0.9, 0.8] for task in OFFICE}
    own = [row("MaxSquare", values, OFFICE, "MaxSquare")]
    frame = build_table(own, OFFICE, published_rows(1), paper_data=True, mean="accuracy")
    assert frame["paper_accuracy"].iloc[0] == 85.6 and frame["delta"].iloc[0] == pytest.approx(85.0 - 85.6)
    paper = frame[(frame["method"] == "MaxSquare") & (frame["origin"] == "published")].iloc[0]
    assert [paper[task] for task in OFFICE] == [92.4, 90.0, 64.2, 100.0, 68.1, 99.1]


def test_a_mean_needs_every_task():
    assert with_mean({TASKS[0]: [0.5]}, TASKS, "accuracy") == {TASKS[0]: [0.5]}
    assert with_mean({TASKS[0]: [0.5], TASKS[1]: [1.0]}, TASKS, "accuracy")["accuracy"] == [0.75]


def test_steps_are_chosen_by_their_own_score():
    steps = [
        {"step": 10, "native": 0.9, "mutual_information": 0.1},
        {"step": 20, "native": 0.5, "mutual_information": 0.7},
        {"step": 30, "native": 0.6, "mutual_information": 0.7},
        {"step": 40, "native": 0.4, "mutual_information": 0.2},
    ]
    found = {choice: chosen_step(steps, choice, "native")["native"] for choice in STEPS}
    assert found == {"last step": 0.4, "label-free step": 0.6, "oracle step": 0.9}
    cells = part_record({"title": "A", "origin": "ours"}, "oracle step", {TASKS[0]: [0.9, 0.8], "accuracy": [0.7]})
    assert cells[TASKS[0]] == "85.0" and cells[f"{TASKS[0]}_sd"] == "7.1" and cells["accuracy_sd"] == ""


def test_intervals_are_those_of_resampled_images():
    ours, baseline = [made_up(5), made_up(6)], [made_up(7), made_up(8)]
    found = compare(ours, baseline, "A", BOOTSTRAP)
    random = numpy.random.default_rng(BOOTSTRAP["bootstrap_seed"])
    counts_RN = random.multinomial(40, numpy.full(40, 1 / 40), BOOTSTRAP["bootstrap_samples"])
    naive = []
    for counts_N in counts_RN:
        drawn = numpy.repeat(numpy.arange(40), counts_N)
        of = [numpy.mean([numpy.mean(right(each)[drawn]) for each in rows]) for rows in (ours, baseline)]
        naive.append(of[0] - of[1])
    assert [found.images.low, found.images.high] == pytest.approx(numpy.quantile(naive, [0.025, 0.975]))
    differences = [right(a).mean() - right(b).mean() for a, b in zip(ours, baseline, strict=True)]
    assert found.values()["difference"] == pytest.approx(differences)
    assert found.seeds.mean == pytest.approx(statistics.mean(differences))


def test_rows_of_different_images_are_not_compared():
    other = made_up(1, names=[f"other{number}" for number in range(40)])
    with pytest.raises(UserError, match="other images"):
        compare([made_up(1)], [other], "A", BOOTSTRAP)


def test_figure_5_follows_the_parts_that_the_source_model_sets():
    before = [made_up(1), made_up(2)]
    runs = [made_up(seed, steps=(10, 5)) for seed in (3, 4)]
    followed = follow("MaxSquare", 2, before, runs, 0.3, 20)
    assert followed.steps == (0, 5, 10, 20)
    parts = (numpy.arange(40), *easy_and_hard(before[1].measures.confidence(), 0.3))
    for part, of in zip(("all", "easy", "hard"), parts, strict=True):
        models = ((before[1], None), (runs[1], 5), (runs[1], 10), (runs[1], None))
        naive = [numpy.mean(right(each, step)[of]) for each, step in models]
        assert followed.accuracy_SK[part][1] == pytest.approx(naive)
    lines = list(csv.DictReader(io.StringIO(easy_and_hard_csv([followed], (1, 2)).decode())))
    assert len(lines) == 3 * 2 * 4 and {each["images"] for each in lines} == {"all", "easy", "hard"}
    figure = easy_and_hard_figure([followed], 0.3, "clean → camera", "Built-in data.")
    assert len(figure.axes) == 3 and "Built-in data." in figure.get_suptitle()
