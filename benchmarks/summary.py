"""All bars of the last run of every benchmark: a table, ``results/bench/README.md``, and a picture of it.

``python benchmarks/summary.py``, the last thing that ``make bench`` does. Exit code 1 if a bar is missed.
"""

import json
from typing import Any

from common import RESULTS, markdown_table
from matplotlib.figure import Figure

from segadapt.core.artifacts import write_bytes
from segadapt.reporting.figures import style

BENCHMARKS = ("losses", "evaluation", "data", "step", "teacher", "startup", "sgd", "plan")
PICTURE = "ratios.png"
HEAD = f"""# What is faster, by how much

![Ratios and bars]({PICTURE})

Ratios of CPU time in one process on one thread (memory: of what a call adds at its peak), variants in turns, medians;
equality is checked before anything is timed. "As written" is the released code's sequence of operations, "vectorised"
what a careful user writes, both in our own words (`benchmarks/`). A bar is about half of what was first measured, so
that noise cannot break it; the teacher's two are what was promised of it. Every benchmark's own file here has its
times; `make bench` makes them all anew.
"""

Bar = dict[str, Any]


def picture(bars: list[Bar], note: str) -> Figure:
    """A horizontal bar a ratio, from 1 on a logarithmic axis, with a mark where it must reach."""
    figure = Figure(figsize=(9, 0.8 + 0.24 * len(bars)), layout="constrained")
    axis = figure.subplots()
    benchmarks = list(dict.fromkeys(each["benchmark"] for each in bars))
    places = range(len(bars))
    axis.barh(
        places,
        [each["measured"] for each in bars],
        color=[style.colour(benchmarks.index(each["benchmark"])) for each in bars],
    )
    marks = {"color": "black", "linewidth": 2}
    for place, each in zip(places, bars, strict=True):
        axis.vlines(each["at_least"], place - 0.4, place + 0.4, **marks)
        axis.text(each["measured"] * 1.05, place, f"{each['measured']:.3g}x", va="center", fontsize=8)
    axis.set_yticks(places, [f"{each['what']}" for each in bars], fontsize=8)
    axis.invert_yaxis()
    style.quiet(axis, "Times faster (or less memory); black: the bar", xscale="log")
    axis.set_xlim(left=min(1.0, *(0.9 * each["measured"] for each in bars)))
    axis.xaxis.set_major_formatter("{x:g}x")
    axis.grid(False, axis="y")
    axis.margins(y=0.01)
    figure.supxlabel(note, fontsize=8, color=style.GREY)
    return figure


def main() -> None:
    """Reads the JSON files, writes table and picture, and says which bars are missed."""
    bars: list[Bar] = []
    places: dict[str, list[str]] = {}
    for path in (RESULTS / f"{name}.json" for name in BENCHMARKS):
        if not path.is_file():
            raise SystemExit(f"{path} is missing: run python benchmarks/{path.stem}.py, or all by make bench")
        found = json.loads(path.read_text())
        places.setdefault(f"{found['machine']}; commit {found['commit']}", []).append(path.stem)
        bars += [{"benchmark": path.stem, **each} for each in found.get("bars", [])]
    missed = [each for each in bars if each["measured"] < each["at_least"]]
    rows = [
        [
            f"[{each['benchmark']}]({each['benchmark']}.md)",
            each["what"],
            f"{each['measured']:g}",
            each["at_least"],
            "**no**" if each in missed else "yes",
        ]
        for each in bars
    ]
    table = markdown_table(["benchmark", "ratio", "measured", "bar", "met"], rows)
    where = "\n".join(f"* {place}: {', '.join(names)}" for place, names in places.items())
    write_bytes(RESULTS / "README.md", f"{HEAD}\n{table}\n\n{where}\n".encode())
    write_bytes(RESULTS / PICTURE, style.png(picture(bars, "; ".join(places))))
    print(table)
    if missed:
        told = [
            f"{each['benchmark']}: {each['what']}: {each['measured']:g}, not {each['at_least']:g}" for each in missed
        ]
        raise SystemExit("bars missed (on a busy machine, run it again):\n" + "\n".join(told))


if __name__ == "__main__":
    main()
