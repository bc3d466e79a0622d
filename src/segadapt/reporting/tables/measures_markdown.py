"""The table of measures as Markdown, and below it how well each label-free score ranks the models."""

from collections.abc import Mapping, Sequence

from segadapt.reporting.tables.markdown import escape, heading, row_line
from segadapt.reporting.tables.measures import NUMBERS

_MEASURES = """
Of the model of the last step, final head, no flip, at network label size; mean ± sample standard deviation over seeds.
**mIoU**, **boundary mIoU** (IoU of the pixels within 2 % of the diagonal of an outline) and **ECE** (expected
calibration error, 15 bins; lower is better) in percent. The other columns are of target training images, without
labels: higher should be better, of mean entropy lower. Entropies are in nats. Empty: not measured or undefined.
"""
_RANKING = """
Over all models that the table has label-free scores of: every row, seed and kept step. **Spearman** and **Kendall**
correlate the ranks by the score (turned so that higher should be better) with those by {primary} on the target; 1 is
the same order, -1 the reverse. **Regret** is the mIoU of the best model minus that of the one that the score would
choose, in percentage points; **at random** is that of a model drawn blindly. Models of one run or one source model are
not independent, so there is no p value. Fewer than six models say nothing.
"""


def measures_markdown(
    records: Sequence[Mapping[str, str]],
    ranking: Sequence[Mapping[str, str]],
    title: str,
    entries: Mapping[str, str],
    note: str,
) -> str:
    """Markdown with the facts of ``entries``, the note and what the columns mean.

    Args:
        records: Cells by column, from ``measure_record``.
        ranking: Cells by column, from ``ranking_records``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    leading = ("method", "origin", "seeds", "network_size")
    names = [*leading, *(name.replace("_", " ") for name in NUMBERS)]
    lines = [*heading(title, entries, note), _MEASURES, row_line([escape(name) for name in names])]
    lines.append(row_line(["---"] * len(leading) + ["---:"] * len(NUMBERS)))
    for record in records:
        cells = [escape(record[name]) for name in leading]
        lines.append(row_line(cells + [_spread(record, name) for name in NUMBERS]))
    lines += ["", "## How well each score ranks the models", _RANKING.format(primary=escape(ranking[0]["primary"]))]
    heads = ("score", "better", "models", "Spearman", "Kendall", "regret", "at random", "chosen", "best", "note")
    lines += [row_line(list(heads)), row_line(["---"] * 2 + ["---:"] * 5 + ["---"] * 3)]
    for each in ranking:
        cells = [escape(each["score"].replace("_", " "))]
        cells += [each[name] for name in ("better", "models", "spearman", "kendall", "regret", "random_regret")]
        cells += [_model(each, name) for name in ("chosen", "best")]
        lines.append(row_line([*cells, each["note"]]))
    return "\n".join(lines) + "\n"


def _spread(record: Mapping[str, str], name: str) -> str:
    return f"{record[name]} ± {record[f'{name}_sd']}".removesuffix(" ± ")


def _model(record: Mapping[str, str], name: str) -> str:
    return f"{escape(record[name])}: {record[f'{name}_mIoU']}" if record[name] else ""
