"""The tables that ``gpu.py`` prints, from the figures it wrote: ``python benchmarks/gpu_tables.py gpu.json``."""

import json
import sys
from pathlib import Path
from typing import Any

from common import markdown_table
from gpu_steps import AS_GRAPH, COMPILED_MODES, EAGER_MODES, Mode

STEP_TFLOP = 7.338
"""1280x720 and 1280x640, forward and backward, both heads, two branches: counted, two operations a multiply-add."""

STEP_GB = {"bf16": 36.9 + 32.9, "tf32": 73.8 + 65.7, "fp32": 73.8 + 65.7}
"""Bytes that every operation of the network reads and writes if none is fused with another: counted."""

REFERENCE = "as written, TF32"


def tables(results: dict[str, Any]) -> str:
    """All that was measured as Markdown."""
    sections = results["sections"]
    parts = [f"# bench gpu\n\n{results['machine']}; commit {results['commit']}; {results['packages']}"]
    if "ceilings" in sections:
        parts.append("## ceilings\n\n" + _pairs(sections["ceilings"]))
    if "losses" in sections:
        parts.append("## losses, 1280x640\n\n" + _losses(sections["losses"]))
    if "steps" in sections or "compiled" in sections:
        parts.append("## steps, 1280x720 + 1280x640\n\n" + _steps(sections, results["quick"]))
    if "evaluation" in sections:
        parts.append("## evaluation, 2048x1024\n\n" + _pairs(sections["evaluation"]))
    if "profile" in sections:
        parts.append("## profile: milliseconds of a step by what its kernels do\n\n" + _profile(sections["profile"]))
    if "pack" in sections:
        parts.append("## pack: processes that train at once\n\n" + _pack(sections["pack"]))
    errors = [f"* {name}: {found['error']}" for name, found in sections.items() if "error" in found]
    return "\n\n".join([*parts, *(["\n".join(["Not whole:", *errors])] if errors else [])])


def _pairs(found: dict[str, Any]) -> str:
    rows = []
    for name, value in found.items():
        rows += (
            [[f"{name}, {key}", each] for key, each in value.items()] if isinstance(value, dict) else [[name, value]]
        )
    return markdown_table(["", "measured"], rows)


def _losses(found: dict[str, Any]) -> str:
    rows = []
    names: list[str] = []
    for objective, row in found.items():
        if not isinstance(row, dict) or "milliseconds" not in row:
            continue
        names = list(row["milliseconds"])
        taken, memory = row["milliseconds"], row["extra_mib"]
        rows.append(
            [
                objective,
                *(taken[name] for name in names),
                replayed if isinstance(replayed := found.get(objective + AS_GRAPH), float) else "",
                taken["as written"] / taken["ours"],
                taken["plain vectorised"] / taken["ours"],
                *("" if memory[name] is None else memory[name] for name in ("as written", "ours")),
                row["value_difference"],
                row["gradient_difference"],
                row["repeatable"],
            ]
        )
    header = [
        "objective",
        *(f"{name}, ms" for name in names),
        "ours replayed, ms",
        "times as written",
        "times vectorised",
    ]
    header += ["as written, MiB", "ours, MiB", "value off", "gradient off", "repeatable"]
    return f"ours: {found.get('form')}\n\n{markdown_table(header, rows)}"


def _steps(sections: dict[str, Any], quick: bool) -> str:
    found = sections.get("steps", {}) | sections.get("compiled", {})
    reference = found.get(REFERENCE, {}).get("milliseconds")
    rows = []
    modes = [(name, mode) for mode in (*EAGER_MODES, *COMPILED_MODES) for name in (mode.name, mode.name + AS_GRAPH)]
    for name, mode in modes:
        if name not in found:
            continue
        row = found[name]
        if "error" in row:
            rows.append([name, row["error"].splitlines()[0][:60], *[""] * 8])
            continue
        shares = ["", "", ""] if quick else _shares(mode, row["milliseconds"], sections.get("ceilings", {}))
        rows.append(
            [
                name,
                row["milliseconds"],
                row["images_per_second"],
                reference / row["milliseconds"] if reference else "",
                *shares,
                row["peak_gib"] or "",
                row.get("seconds_to_first_step", ""),
                row.get("first_target_loss", ""),
            ]
        )
    header = ["mode", "ms a step", "images/s", "times as written", "TFLOP/s", "of the product's", "of the copy's"]
    return markdown_table([*header, "peak GiB", "s to first step", "first target loss"], rows)


def _profile(found: dict[str, Any]) -> str:
    rows = []
    for mode, row in found.items():
        if isinstance(row, dict) and "groups" in row:
            rows += [[mode, "all", row["milliseconds"], f"{row['launches']:.0f} kernels"]]
            rows += [[mode, group, taken, ""] for group, taken in row["groups"].items()]
            rows += [[mode, f"`{name}`", each["milliseconds"], each["calls"]] for name, each in row["longest"].items()]
    return markdown_table(["mode", "kernels", "ms a step", "calls"], rows)


def _pack(found: dict[str, Any]) -> str:
    counts = sorted(filter(str.isdigit, found), key=int)
    alone = found["1"]["images_per_second"] if counts else None
    rows = []
    for count in counts:
        row = found[count]
        together, memory = row["images_per_second"], [each for each in row["peak_gib"] if each is not None]
        rows.append([count, together, together / alone, max(row["milliseconds"]), max(memory, default="")])
    failed = found.get("processes", {})
    note = f"\n\n{failed['error']}" if isinstance(failed, dict) and "error" in failed else ""
    return (
        markdown_table(["processes", "images/s together", "times one", "slowest, ms a step", "peak GiB each"], rows)
        + note
    )


def _shares(mode: Mode, milliseconds: float, ceilings: dict[str, Any]) -> list[Any]:
    """TFLOP/s, its share of the measured matrix product, and the share of the copy's rate that un-fused traffic has."""
    rate = STEP_TFLOP / milliseconds * 1e3
    product, copy = ceilings.get(f"{mode.kind}_tflops"), ceilings.get("copy_gb_per_second")
    traffic = STEP_GB[mode.kind] / milliseconds * 1e3
    return [
        rate,
        rate / product if isinstance(product, float) else "",
        traffic / copy if isinstance(copy, float) and not mode.compiled else "",
    ]


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text())))
