"""What choosing a step does in classification: the last step, one chosen without labels, the oracle's."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas

from segadapt.reporting.tables.accuracy_rows import Metrics, accuracies
from segadapt.reporting.tables.accuracy_table import Accuracies, means
from segadapt.reporting.tables.cells import ACCURACY
from segadapt.reporting.tables.markdown import escape, heading, row_line

HABITS = ("last step", "label-free step", "oracle step")
_KEYS = {"last step": "step", "label-free step": "mutual_information", "oracle step": "native"}
_MEANING = """
Accuracy in percent, mean ± sample standard deviation over seeds, of the same runs at another step. **last step** is the
primary number. **label-free step** has the highest mutual information between image and predicted class on the target's
images, without labels. **oracle step** has the highest accuracy on the very labels that it is scored on: it shows
the effect of that choice and is no result.
"""


def chosen(metrics: Metrics, habit: str) -> float:
    """The accuracy at the step that a habit of ``HABITS`` chooses, a tie going to the later one."""
    return max(metrics["steps"], key=lambda each: (each[_KEYS[habit]], each["step"]))["native"]


def by_habit(metrics: Mapping[str, list[Metrics]]) -> dict[str, Accuracies]:
    """Habit to task to accuracies, fractions, one a seed."""
    return {habit: accuracies(metrics, _of(habit)) for habit in HABITS}


def _of(habit: str) -> Callable[[Metrics], float]:
    return lambda metrics: chosen(metrics, habit)


def records(row: Mapping[str, Any], found: Mapping[str, Accuracies], tasks: Sequence[str]) -> list[dict[str, str]]:
    """The cells of a row, one record a habit."""
    lines = []
    for habit, values in found.items():
        record = {"method": row["title"], "origin": row["origin"], "selection": habit}
        for name, each in (values | {ACCURACY: means(values, tasks)}).items():
            record[name] = f"{100 * statistics.fmean(each):.1f}" if each else ""
            record[f"{name}_sd"] = f"{100 * statistics.stdev(each):.1f}" if len(each) > 1 else ""
        lines.append(record)
    return lines


def protocols_csv(lines: Sequence[Mapping[str, str]], tasks: Sequence[str]) -> bytes:
    """The table as CSV; equal rows give equal bytes."""
    numbers = [column for name in (*tasks, ACCURACY) for column in (name, f"{name}_sd")]
    frame = pandas.DataFrame(lines, columns=["method", "origin", "selection", *numbers])
    return frame.to_csv(index=False, lineterminator="\n").encode()


def protocols_markdown(
    lines: Sequence[Mapping[str, str]], tasks: Mapping[str, str], title: str, entries: Mapping[str, str], note: str
) -> str:
    """Markdown with the facts of ``entries``, the note and what the rows mean; ``tasks`` are name to title."""
    names = {"method": "method", "origin": "origin", "selection": "selection", **tasks, ACCURACY: ACCURACY}
    text = [*heading(title, entries, note), _MEANING, row_line([escape(each) for each in names.values()])]
    text.append(row_line(["---"] * 3 + ["---:"] * (len(names) - 3)))
    for line in lines:
        cells = [f"{line[name]} ± {line.get(f'{name}_sd', '')}".removesuffix(" ± ") for name in names]
        text.append(row_line([escape(each) for each in cells]))
    return "\n".join(text) + "\n"
