"""Draws docs/images/architecture.svg from the code: the stages of the registry, what they read, and the floors.

python docs/images/architecture.py
"""

import ast
import json
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from segadapt.core.parameters import load_parameters
from segadapt.core.stages import PHASES, STAGES
from segadapt.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).with_suffix(".svg")
PRESETS = ("paper", "streets")
"""Together they have jobs of every stage."""
TOGETHER = {"labels": "core", "cli": "commands", "__main__": "commands"}
"""Modules that stand beside the packages, and with which of these they are drawn."""
BOX, ARROW = "#e8eef5", "#7788a0"
STEP, HALF = 2.4, 0.75
"""From column to column, and half of a box."""


def contents() -> dict:
    """``phases`` (name to stages), ``reads`` (stage to those it reads from) and ``floors`` (packages, lowest first)."""
    reads: dict[str, set[str]] = {_node(name): set() for name in STAGES}
    for preset in PRESETS:
        plan = make_plan(load_parameters(ROOT / "params.yaml", {"preset": preset}))
        for job in plan.jobs:
            makers = {plan.by_output[each.maker].stage for each in job.inputs if each.maker}
            reads[_node(job.stage)].update(map(_node, makers))
    return {
        "phases": {
            phase: list(dict.fromkeys(_node(name) for name, each in STAGES.items() if each.phase == phase))
            for phase in PHASES
        },
        "reads": {name: sorted(found - {name}) for name, found in reads.items()},
        "floors": _floors(),
    }


def _node(stage: str) -> str:
    """Tables are drawn as one, and so are figures."""
    return STAGES[stage].category if STAGES[stage].phase == "table" else stage


def _floors() -> list[list[str]]:
    """The packages by how many others an import goes down through at most."""
    below: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src/segadapt").rglob("*.py")):
        parts = path.relative_to(ROOT / "src/segadapt").parts
        own = parts[0].removesuffix(".py")
        if own != "__init__":
            below.setdefault(TOGETHER.get(own, own), set()).update(_imported(path))
    depths: dict[str, int] = {}
    while len(depths) < len(below):
        known = {name for name, found in below.items() if found - {name} <= depths.keys()} - depths.keys()
        depths |= {name: 1 + max((depths[each] for each in below[name] - {name}), default=-1) for name in known}
        assert known, f"the packages {below.keys() - depths.keys()} import each other in a circle"
    return [sorted(name for name in depths if depths[name] == level) for level in range(1 + max(depths.values()))]


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names |= {module.split(".")[1] for module in modules if module.startswith("segadapt.")}
    return {TOGETHER.get(name, name) for name in names}


def _plain(reads: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Pairs (maker, reader) without those that follow from others: another way leads from the one to the other."""
    kept = [(maker, name) for name, makers in reads.items() for maker in makers]
    for pair in reversed(kept.copy()):
        others = [each for each in kept if each != pair]
        found: set[str] = set()
        waiting = [pair[0]]
        while waiting:
            start = waiting.pop()
            found.add(start)
            waiting += [reader for maker, reader in others if maker == start and reader not in found]
        kept = others if pair[1] in found else kept
    return kept


def draw(found: dict) -> Figure:
    """Stages above, a column a phase; floors below."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 2))
    rows, arrows = max(map(len, found["phases"].values())), _plain(found["reads"])
    places = {
        name: (column * STEP, (len(names) - 1) / 2 - row)
        for column, names in enumerate(found["phases"].values())
        for row, name in enumerate(names)
    }
    for (name,) in (names for names in found["phases"].values() if len(names) == 1):
        heights = [places[reader][1] for maker, reader in arrows if maker == name]
        places[name] = (places[name][0], sum(heights) / len(heights))
    for column, phase in enumerate(found["phases"]):
        upper.text(column * STEP, rows / 2 + 0.3, phase, weight="bold", ha="center")
    for name, place in places.items():
        _box(upper, name, place)
    for maker, reader in arrows:
        (x, y), (u, v) = places[maker], places[reader]
        # Within a column past its right side, and back on the left.
        side = HALF if v < y else -HALF
        ends = ((x + HALF, y), (u - HALF, v)) if x != u else ((x + side, y), (u + side, v))
        how = {"arrowstyle": "->", "color": ARROW, "connectionstyle": "arc3" if x != u else "arc3,rad=-0.6"}
        upper.annotate("", ends[1], ends[0], arrowprops=how)
    upper.set_title("Stages, a column a phase; arrows: what a stage reads, unless others say so already", loc="left")
    for level, names in enumerate(found["floors"]):
        for place, name in enumerate(names):
            _box(lower, name, (STEP * (place + 2 - (len(names) - 1) / 2), level))
    lower.set_title("Packages; each imports from lower rows only", loc="left")
    for axis, limits in ((upper, (-rows / 2, rows / 2 + 0.7)), (lower, (-0.5, len(found["floors"]) - 0.5))):
        axis.set(xlim=(-HALF - 0.2, 4 * STEP + HALF + 0.2), ylim=limits)
        axis.axis("off")
    return figure


def _box(axis: Axes, name: str, place: tuple[float, float]) -> None:
    (x, y), width = place, 2 * HALF
    axis.add_patch(FancyBboxPatch((x - HALF, y - 0.28), width, 0.56, "round,pad=0", facecolor=BOX, edgecolor=ARROW))
    axis.text(x, y, name.replace("_", " "), ha="center", va="center", fontsize=9)


def main() -> None:
    """The data behind the picture is the file's own description, as JSON."""
    found = contents()
    about = {"Description": json.dumps(found), "Date": None, "Creator": None}
    with rc_context({"svg.hashsalt": "segadapt"}):
        draw(found).savefig(PICTURE, format="svg", metadata=about)


if __name__ == "__main__":
    main()
