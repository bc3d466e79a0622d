"""The table of scoring modes: each in its own column, steps chosen as a reader would, nothing guessed."""

import io

import pandas
import pytest

from segadapt.core.scoring_mode import last_step_modes
from segadapt.reporting.tables.cells import companion_csv
from segadapt.reporting.tables.scoring import (
    chosen_step,
    scoring_columns,
    scoring_markdown,
    scoring_record,
    scoring_steps,
    scoring_values,
)

CONFIG = {"seeds": [1, 2], "evaluation_size": "network", "protocol": "released", "preset": "toy"}
ROW = {"key": "a", "title": "A|B", "origin": "ours", "network_size": "64x32"}
FINAL = {"network": 0.5, "native": 0.4, "network flip": 0.55, "native flip": 0.45}


def step(number, network, native, information):
    found = {"step": number, "network": network, "native": native}
    return found | {"mutual_information": information, "mean_entropy": 1.0}


STEPS = [step(10, 0.61, 0.2, 0.9), step(20, 0.3, 0.62, 1.1), step(30, 0.5, 0.4, 1.0)]


def metrics(variants=None, steps=()):
    return {"variants": variants or FINAL, "steps": list(steps)}


def record(*found, size="network"):
    config = CONFIG | {"seeds": list(range(len(found))), "evaluation_size": size, "primary": f"mIoU {size}"}
    return scoring_record(ROW, scoring_values(found, size), scoring_steps(found, size), config)


@pytest.mark.parametrize(("size", "oracle"), [("network", 10), ("native", 20)])
def test_steps_are_chosen_as_their_names_say(size, oracle):
    assert chosen_step(STEPS, "label-free step", size)["step"] == 20
    assert chosen_step(STEPS, "oracle step", size)["step"] == oracle


def test_a_tie_goes_to_the_later_step_and_a_number_beats_none():
    assert chosen_step([*STEPS, step(40, 0.61, None, 1.1)], "oracle step", "network")["step"] == 40
    assert chosen_step([*STEPS, step(40, 0.61, None, 1.1)], "label-free step", "network")["step"] == 40
    assert chosen_step([step(40, None, None, 0.0), *STEPS], "oracle step", "native")["step"] == 20


def test_numbers_by_hand():
    # Two seeds, 40 and 50 %, differ by 10 = sd * sqrt 2.
    cells = record(
        metrics(FINAL, STEPS), metrics(FINAL | {"native": 0.5}, [step(15, 0.7, 0.1, 3), step(30, 0, 0.5, 2)])
    )
    assert (cells["mIoU native"], cells["mIoU native_sd"]) == ("45.0", "7.1")
    assert (cells["mIoU network"], cells["mIoU network_sd"]) == ("50.0", "0.0")
    assert cells["mIoU network flip"] == "55.0"
    # Seed 1: step 20 by the label-free score, 10 by the oracle at network size. Seed 2: step 15 by both.
    assert (cells["label-free step"], cells["oracle step"], cells["last step"]) == ("20 15", "10 15", "30 30")
    assert cells["mIoU network label-free step"] == "50.0"  # of 30 and 70
    assert cells["mIoU native label-free step"] == "36.0"  # of 62 and 10
    assert cells["mIoU network oracle step"] == "65.5"  # of 61 and 70
    assert cells["mIoU native oracle step"] == "15.0"  # of 20 and 10
    assert cells["primary"] == "mIoU network" and cells["seeds"] == "2"


def test_what_was_not_run_is_empty():
    cells = record(metrics())
    known = {name for name, cell in cells.items() if name.startswith("mIoU") and cell}
    assert known == {f"mIoU {name}" for name in FINAL}
    assert cells["last step"] == cells["label-free step"] == cells["oracle step"] == ""
    # The last step alone is nothing to choose among.
    assert record(metrics(FINAL, STEPS[:1])) == cells
    # A mean over some of the seeds would be another number.
    assert record(metrics(), metrics({"network": 0.5}))["mIoU native"] == ""
    assert record(metrics(FINAL | {"native": None}))["mIoU native"] == ""


def test_the_csv_has_the_same_columns_whatever_was_run():
    for records in ([], [record(metrics())], [record(metrics(FINAL, STEPS)), record(metrics())]):
        text = companion_csv(records, scoring_columns())
        frame = pandas.read_csv(io.BytesIO(text), dtype=object, keep_default_na=False)
        assert list(frame.columns) == scoring_columns() and text == companion_csv(records, scoring_columns())
        assert frame.to_dict("records") == records
    names = scoring_columns()
    assert len(names) == len(set(names)) and all(f"mIoU {mode.name}" in names for mode in last_step_modes())


def test_the_markdown_holds_every_number_and_says_what_it_is():
    cells = record(metrics(FINAL, STEPS), metrics({name: value + 0.01 for name, value in FINAL.items()}, STEPS))
    text = scoring_markdown([cells], "toy", {"preset": "toy"}, "not *Cityscapes*", "mIoU network")
    for name, cell in cells.items():
        if name.startswith("mIoU") and cell and not name.endswith("_sd"):
            assert f"| {cell} ± {cells[f'{name}_sd']} |" in text
    assert r"A\|B" in text and r"not \*Cityscapes\*" in text and "Primary number: mIoU network" in text
    assert "| 20 20 |" in text and "no result" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.replace(r"\|", "").count("|") for line in rows}
    assert len(rows) == 6 and len(widths) == 2, "two tables, every row of one as wide as its head"
