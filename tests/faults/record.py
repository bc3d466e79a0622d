"""What a run of the suite leaves: verdicts as they come, and figures at the end."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tiny

from segadapt.core.artifacts import write_bytes, write_json
from segadapt.core.provenance import commit, machine, packages

from .case import OUTCOMES, SKIPPED, Verdict

RESULTS = tiny.REPOSITORY / "results/faults"
VERDICTS = tiny.REPOSITORY / "work/faults/verdicts.jsonl"
PRESET = "tiny (tests/faults/world.py): 64x32 pixels, 4 to 6 steps, one seed"


def code_hash() -> str:
    """Of all that a verdict depends on: an interrupted run is gone on with only by the same code."""
    digest = hashlib.sha256()
    for top in ("src", "workflow", "tests/faults", "tests/tiny.py", "Snakefile", "params.yaml", "presets"):
        place = tiny.REPOSITORY / top
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and path.suffix in (".py", ".smk", ".yaml", "") and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(tiny.REPOSITORY)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:20]


class Journal:
    """The verdicts of a run, one a line, flushed one by one; an interrupted run finds its own good ones again.

    ``mended``: those of an earlier tree too, for a mend that concerns the others; each keeps the commit it is of.
    """

    def __init__(self, path: Path = VERDICTS, mended: bool = False) -> None:
        self._path, self._commit = path, commit()
        commit.cache_clear()  # the jobs are forked, and their projects are no checkouts
        path.parent.mkdir(parents=True, exist_ok=True)
        self.found: dict[str, Verdict] = {}
        own = json.dumps({"code": code_hash()})
        lines = path.read_text().splitlines() if path.is_file() else []
        if mended or lines[:1] == [own]:
            for line in lines[1:]:
                try:
                    verdict = Verdict(**json.loads(line))
                except (ValueError, TypeError):  # the line that an interruption cut short
                    continue
                if verdict.is_good:
                    self.found[verdict.name] = verdict
        kept = [json.dumps(verdict.as_record()) for verdict in self.found.values()]
        path.write_text("\n".join([own, *kept]) + "\n")

    def add(self, verdict: Verdict) -> Verdict:
        """Appends one, and returns it with the commit that it is of."""
        verdict = replace(verdict, commit=self._commit)
        with open(self._path, "a") as file:
            file.write(json.dumps(verdict.as_record()) + "\n")
        return verdict


def write_figures(
    verdicts: Sequence[Verdict], controls: dict[str, str], cases: int, folder: Path = RESULTS
) -> None:  # fmt: skip
    """``faults.json`` and ``README.md``: counts by family, and every case that did not end as it should.

    ``controls`` is the outcome of a case by the check that was taken away for it. ``cases`` is how many there are.
    """
    families: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        families.setdefault(verdict.name.split(":")[0], []).append(verdict)
    counts = {
        name: {"tried": sum(each.outcome != SKIPPED for each in found)}
        | {outcome: sum(each.outcome == outcome for each in found) for outcome in OUTCOMES}
        | {"seconds": round(sum(each.seconds for each in found), 1)}
        for name, found in families.items()
    }
    total = {key: round(sum(each[key] for each in counts.values()), 1) for key in next(iter(counts.values()))}
    bad = [verdict for verdict in verdicts if not verdict.is_good]
    about = {"preset": PRESET, "machine": machine(), "commit": commit(), "packages": packages()}
    date = time.strftime("%Y-%m-%d", time.gmtime())
    content = about | {
        "date": date,
        "cases": cases,
        "cases by commit": dict(Counter(each.commit for each in verdicts)),
        "families": counts,
        "all": total,
        "not as it should be": [each.as_record() for each in bad],
    }
    write_json(folder / "faults.json", content)
    write_bytes(
        folder / "README.md",
        _markdown(about | {"date": date, "controls": controls, "cases": cases}, counts, total, verdicts).encode(),
    )


def _markdown(about: dict, counts: dict[str, dict], total: dict, verdicts: Sequence[Verdict]) -> str:
    bad, commits = [each for each in verdicts if not each.is_good], Counter(each.commit for each in verdicts)
    columns = ("tried", *OUTCOMES[:-1])
    head = [f"| family | {' | '.join(columns)} | seconds |", f"| --- |{' ---: |' * (len(columns) + 1)}"]
    rows = [
        f"| {name} | {' | '.join(str(found[column]) for column in columns)} | {found['seconds']:.0f} |"
        for name, found in [*counts.items(), ("**all**", total)]
    ]
    versions = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    lines = [
        "# Faults on purpose",
        "",
        "What `make faults` did and how the project took it. *Healed*: the same command ended with the bytes of an",
        "undisturbed run. *Refused*: one sentence, and nothing was overwritten. *Wrong*, *silent*: other bytes, with a",
        "sentence on the way or without one. *Stuck*: the same command does not get there, or hangs. One case again:",
        "`python -m tests.faults --case NAME`; all names: `--list`.",
        "",
        *head,
        *rows,
        "",
        f"{len(verdicts)} of {about['cases']} cases.",
        f"Preset {about['preset']}. {about['machine']}; commit {about['commit']}; {about['date']}; {versions}.",
        "",
    ]
    if len(commits) > 1:
        parts = ", ".join(f"{count} at {name}" for name, count in commits.items())
        lines += [f"Verdicts of the tree before a mend were kept where they were good (`--mended`): {parts}.", ""]
    found = ", ".join(f"{name}: {outcome}" for name, outcome in about["controls"].items())
    if found:
        lines += [f"Negative controls (a check is taken away, `--controls`), which must not end well: {found}.", ""]
    if bad:
        lines += [
            "Not as it should be:",
            "",
            *(f"- {each.outcome}: `{each.name}`: {each.detail[:200]}" for each in bad),
            "",
        ]
    return "\n".join(lines)
