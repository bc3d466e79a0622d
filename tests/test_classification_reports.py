"""Answers of classifiers, and what tables and figures make of them, against naive references."""

import csv
import io
import statistics

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.evaluation.answers import LAST, Answers, classification_metrics, easy_and_hard
from segadapt.evaluation.classification import centre_crop
from segadapt.labels import DIGITS10
from segadapt.reporting.figures.easy_and_hard import easy_and_hard_csv, easy_and_hard_figure, follow
from segadapt.reporting.tables.accuracy_protocols import by_habit, chosen
from segadapt.reporting.tables.accuracy_statistics import compare_answers
from segadapt.reporting.tables.accuracy_table import AccuracyRow, accuracy_table, means
from segadapt.reporting.tables.cells import class_columns, read_table, table_csv
from segadapt.reporting.tables.formats import TableHeader, write_table
from segadapt.reporting.tables.published import published_accuracies

OFFICE = (
    "amazon_to_webcam",
    "amazon_to_dslr",
    "webcam_to_amazon",
    "webcam_to_dslr",
    "dslr_to_amazon",
    "dslr_to_webcam",
)
TASKS = ("clean_to_camera", "camera_to_clean")
SCORES = {"mutual_information": 1.0, "mean_entropy": 0.5, "max_square": 0.8}
BOOTSTRAP = {"bootstrap_samples": 500, "bootstrap_seed": 1}


def made_up(seed: int, images: int = 40, steps: tuple[str, ...] = (LAST,), names=None) -> Answers:
    random = numpy.random.default_rng(seed)
    return Answers(
        tuple(names or (f"image{number}" for number in range(images))),
        numpy.random.default_rng(0).integers(0, 10, images),
        {step: random.integers(0, 10, images) for step in steps},
        {step: random.random(images).astype(numpy.float32) for step in steps},
        {step: {name: float(random.random()) for name in SCORES} for step in steps},
    )


def test_answers_go_to_a_file_and_back(tmp_path):
    answers = made_up(1).with_step(20, made_up(2))
    answers.save(tmp_path / "a.safetensors")
    answers.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    again = Answers.load(tmp_path / "a.safetensors")
    assert again.image_names == answers.image_names and again.label_free == answers.label_free
    for part in ("prediction_N", "confidence_N"):
        ours, theirs = getattr(again, part), getattr(answers, part)
        assert ours.keys() == theirs.keys() == {LAST, "20"}
        assert all(numpy.array_equal(ours[step], theirs[step]) for step in ours)
    assert numpy.array_equal(again.label_N, answers.label_N)


@pytest.mark.parametrize("damage", ["cut", "foreign", "missing"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "answers.safetensors"
    made_up(1).save(path)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30] if damage == "cut" else b"not a file of ours")
    with pytest.raises(UserError, match=r"answers\.safetensors holds no answers.*run again"):
        Answers.load(path)


def test_metrics_are_counts_of_right_answers():
    answers = made_up(3).with_step(7, made_up(4))
    metrics = classification_metrics(answers, DIGITS10, {"commit": "abc"}, last_step=9)
    right = [int(a == b) for a, b in zip(answers.label_N, answers.prediction_N[LAST], strict=True)]
    assert metrics["accuracy"] == sum(right) / 40 and metrics["images"] == 40
    for index, name in enumerate(DIGITS10.classes):
        of = [each for each, label in zip(right, answers.label_N, strict=True) if label == index]
        assert metrics["class_accuracy"][name] == (pytest.approx(sum(of) / len(of)) if of else None)
    assert [each["step"] for each in metrics["steps"]] == [7, 9]
    assert metrics["steps"][1]["accuracy"] == metrics["accuracy"]
    assert metrics["model"] == {"commit": "abc", "machine": None, "gpu_seconds": None, "fingerprint": None}


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


def row(title: str, accuracies: dict, origin="ours", paper_row=None) -> AccuracyRow:
    return AccuracyRow(title, origin, paper_row, {"backbone": "digits", "selection": "last step"}, accuracies)


def test_the_table_has_means_and_deviations_of_every_task(tmp_path):
    values = {TASKS[0]: [0.5, 0.75, 0.625], TASKS[1]: [0.25, 0.25, 0.5]}
    frame = accuracy_table(
        [row("MaxSquare", values, paper_row="MaxSquare"), row("DANN", {})], TASKS, published_accuracies()
    )
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
    frame = accuracy_table([row("MaxSquare", values, paper_row="MaxSquare")], OFFICE, published_accuracies(), True)
    assert frame["paper_accuracy"].iloc[0] == 85.6 and frame["delta"].iloc[0] == pytest.approx(85.0 - 85.6)
    paper = frame[(frame["method"] == "MaxSquare") & (frame["origin"] == "published")].iloc[0]
    assert [paper[task] for task in OFFICE] == [92.4, 90.0, 64.2, 100.0, 68.1, 99.1]


def test_a_mean_needs_every_task():
    assert means({TASKS[0]: [0.5]}, TASKS) == []
    assert means({TASKS[0]: [0.5], TASKS[1]: [1.0]}, TASKS) == [0.75]


def test_habits_choose_by_their_own_score():
    steps = [
        {"step": 10, "accuracy": 0.9, "mutual_information": 0.1},
        {"step": 20, "accuracy": 0.5, "mutual_information": 0.7},
        {"step": 30, "accuracy": 0.6, "mutual_information": 0.7},
        {"step": 40, "accuracy": 0.4, "mutual_information": 0.2},
    ]
    metrics = {"steps": steps}
    found = {habit: chosen(metrics, habit) for habit in ("last step", "label-free step", "oracle step")}
    assert found == {"last step": 0.4, "label-free step": 0.6, "oracle step": 0.9}
    assert by_habit({TASKS[0]: [metrics]})["oracle step"] == {TASKS[0]: [0.9]}


def test_intervals_are_those_of_resampled_images():
    ours, baseline = [made_up(5), made_up(6)], [made_up(7), made_up(8)]
    found = compare_answers(ours, baseline, BOOTSTRAP)
    random = numpy.random.default_rng(BOOTSTRAP["bootstrap_seed"])
    counts_RN = random.multinomial(40, numpy.full(40, 1 / 40), BOOTSTRAP["bootstrap_samples"])
    naive = []
    for counts_N in counts_RN:
        drawn = numpy.repeat(numpy.arange(40), counts_N)
        of = [numpy.mean([numpy.mean(each.correct()[drawn]) for each in rows]) for rows in (ours, baseline)]
        naive.append(of[0] - of[1])
    assert [found.images.low, found.images.high] == pytest.approx(numpy.quantile(naive, [0.025, 0.975]))
    differences = [a.accuracy() - b.accuracy() for a, b in zip(ours, baseline, strict=True)]
    assert found.values()["difference"] == pytest.approx(differences)
    assert found.seeds.mean == pytest.approx(statistics.mean(differences))


def test_rows_of_different_images_are_not_compared():
    other = made_up(1, names=[f"other{number}" for number in range(40)])
    with pytest.raises(UserError, match="different images"):
        compare_answers([made_up(1)], [other], BOOTSTRAP)


def test_figure_5_follows_the_parts_that_the_source_model_sets():
    before = [made_up(1), made_up(2)]
    runs = [made_up(seed, steps=(LAST, "10", "5")) for seed in (3, 4)]
    followed = follow("MaxSquare", 2, before, runs, 0.3, 20)
    assert followed.steps == (0, 5, 10, 20)
    for part, of in zip(
        ("all", "easy", "hard"), (None, *easy_and_hard(before[1].confidence_N[LAST], 0.3)), strict=True
    ):
        of = numpy.arange(40) if of is None else of
        naive = [
            numpy.mean(answers.prediction_N[step][of] == answers.label_N[of])
            for answers, step in ((before[1], LAST), (runs[1], "5"), (runs[1], "10"), (runs[1], LAST))
        ]
        assert followed.accuracy_SK[part][1] == pytest.approx(naive)
    lines = list(csv.DictReader(io.StringIO(easy_and_hard_csv([followed], (1, 2)).decode())))
    assert len(lines) == 3 * 2 * 4 and {each["images"] for each in lines} == {"all", "easy", "hard"}
    figure = easy_and_hard_figure([followed], 0.3, "clean → camera", "Built-in data.")
    assert len(figure.axes) == 3 and "Built-in data." in figure.get_suptitle()
