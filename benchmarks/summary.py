"""All bars of the last run of every benchmark in one table, ``results/bench/README.md``; exit code 1 if one is missed.

``python benchmarks/summary.py``, the last thing that ``make bench`` does.
"""

import json

from common import RESULTS, markdown_table

from segadapt.core.artifacts import write_bytes

HEAD = """# What is faster, by how much

Ratios of CPU time in one process on one thread (memory: of what a call adds at its peak), variants in turns, medians;
equality is checked before anything is timed. "As written" is the released code's sequence of operations, "vectorised"
what a careful user writes, both in our own words (`benchmarks/`). A bar is about half of what was first measured, so
that noise cannot break it. Every benchmark's own file here has its times; `make bench` makes them all anew.
"""


def main() -> None:
    """Reads the JSON files, writes the table, and says which bars are missed."""
    rows, missed, places = [], [], {}
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text())
        places.setdefault(f"{found['machine']}; commit {found['commit']}", []).append(path.stem)
        for each in found.get("bars", []):
            met = each["measured"] >= each["at_least"]
            rows.append([f"[{path.stem}]({path.stem}.md)", each["what"], f"{each['measured']:g}", each["at_least"]])
            rows[-1].append("yes" if met else "**no**")
            missed += [] if met else [f"{path.stem}: {each['what']}: {each['measured']}, not {each['at_least']}"]
    table = markdown_table(["benchmark", "ratio", "measured", "bar", "met"], rows)
    where = "\n".join(f"* {place}: {', '.join(names)}" for place, names in places.items())
    write_bytes(RESULTS / "README.md", f"{HEAD}\n{table}\n\n{where}\n".encode())
    print(table)
    if missed:
        raise SystemExit("bars missed (on a busy machine, run it again):\n" + "\n".join(missed))


if __name__ == "__main__":
    main()
