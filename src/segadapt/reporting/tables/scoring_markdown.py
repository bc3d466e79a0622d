"""The table of protocols as Markdown: one table of ways to predict, one of ways to choose the step."""

from collections.abc import Mapping, Sequence

from segadapt.reporting.tables.markdown import escape, heading, row_line
from segadapt.reporting.tables.scoring import STEP_COLUMNS, STEPS, VARIANT_COLUMNS

_PREDICTING = """
mIoU in percent of the model of the last step, mean ± sample standard deviation over seeds. Within a row the
model is the same, and two columns differ by the effect of the scoring mode. **network** compares at the network's
input size, **native** at the labels' own size; **flip** averages the softmax maps of the image and of its mirror image;
**low head** is the auxiliary head's prediction, **ensemble** the mean of both heads' softmax maps. Without a further
word it is the final head, no flip. Empty: not run, or the model has no auxiliary head.
"""
_CHOOSING = """
The same (final head, no flip) for another choice among the models kept on the way. **label-free step** has the highest
mutual information between pixel and predicted class on target training images, without labels. **oracle step** has the
highest mIoU on the very target labels that it is scored on: it shows the effect of that choice and is no result. The
step columns give the chosen step of each seed. Empty: no snapshots were kept.
"""


def protocols_markdown(
    records: Sequence[Mapping[str, str]], title: str, entries: Mapping[str, str], note: str, primary: str
) -> str:
    """Markdown with the facts of ``entries``, the note and what the columns mean.

    Args:
        records: Cells by column, from ``protocol_record``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
        primary: The column of the protocol's primary number.
    """
    lines = heading(title, entries, note)
    lines += [">", f"> Primary number: {escape(primary)} (final head, no flip, last step)", ""]
    lines += ["## Ways to predict", _PREDICTING, *_table(records, VARIANT_COLUMNS, ())]
    lines += ["", "## Ways to choose the step", _CHOOSING]
    last = [name for name in VARIANT_COLUMNS if name in ("mIoU network", "mIoU native")]
    lines += _table(records, (*last, *STEP_COLUMNS), STEPS)
    return "\n".join(lines) + "\n"


def _table(records: Sequence[Mapping[str, str]], numbers: Sequence[str], steps: Sequence[str]) -> list[str]:
    leading = ("method", "origin", "seeds", "network_size")
    names = [*leading, *(name.removeprefix("mIoU ") for name in numbers), *(f"{name} no." for name in steps)]
    lines = [row_line([escape(name) for name in names])]
    lines.append(row_line(["---"] * len(leading) + ["---:"] * (len(numbers) + len(steps))))
    for record in records:
        cells = [escape(record[name]) for name in leading]
        cells += [f"{record[name]} ± {record[f'{name}_sd']}".removesuffix(" ± ") for name in numbers]
        lines.append(row_line([*cells, *(record[name] for name in steps)]))
    return lines
