"""Every key of ``params.yaml`` with values that nobody meant, and files that are no parameters at all."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tiny
import yaml

from . import hostile
from .case import Case
from .judging import Judgement
from .world import SEGMENTATION, parameters

VALUES: dict[str, Any] = {
    "null": None,
    "yes": True,
    "zero": 0,
    "negative": -3,
    "float": 0.37,
    "nan": float("nan"),
    "infinity": float("inf"),
    "huge": 10**30,
    "text": "nonsense",
    "empty-text": "",
    "long-text": "x" * 300,
    "line-breaks": "a\nb\x1b[31m",
    "shell": "$(touch ran); `touch ran` {braces} %s ../../up",
    "no-utf-8": "\udcff",
    "emoji": "🚗" * 90,
    "list": [1, "a", None],
    "empty-list": [],
    "mapping": {"a": {"b": [1]}},
    "empty-mapping": {},
    "text-number": "1e-4",
    "date": "2001-01-01",
}
PER_VALUE = 9
"""Keys drawn for each value."""
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES: dict[str, bytes] = {
    "empty": b"",
    "list": b"- 1\n- 2\n",
    "number": b"3\n",
    "python-object": b"!!python/object/apply:os.system ['gs']\n",
    "bomb": BOMB.encode(),
    "recursive": b"&a {preset: *a}\n",
    "deep": b"[" * 20_000,
    "tabs": b"preset:\n\tstreets\n",
    "random": random.Random(1).randbytes(3000),
    "latin-1": "preset: é\n".encode("latin-1"),
    "utf-16": "preset: tiny\n".encode("utf-16"),
    "zero-bytes": bytes(100),
    "two-documents": b"preset: tiny\n---\npreset: paper\n",
    "twice": b"preset: tiny\npreset: tiny\n",
    "odd-keys": b"1: 2\nnull: 3\n? [a]\n: 4\n",
    "unhashable": b"? {a: b}\n: c\n",
    "merge": b"<<: {preset: tiny}\n",
    "unknown-tag": b"preset: !strange tiny\n",
    "huge-int": b"seeds: [" + b"9" * 10_000 + b"]\n",
}


def leaves(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every key, inner ones too."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from leaves(value, (*path, key))


def cases() -> Iterator[Case]:
    """Values at drawn keys, strange files, and names."""
    for value in VALUES:
        yield from (Case("hostile-parameters", value, "value", seed=seed) for seed in range(PER_VALUE))
    yield from (Case("hostile-parameters", kind, "file") for kind in FILES)
    yield from (Case("hostile-parameters", kind, "file") for kind in hostile.STRANGE)
    yield from (Case("hostile-parameters", value, "name", seed=seed) for value in VALUES for seed in range(2))


def run(case: Case, folder: Path) -> Judgement:
    """The plan is made, and the state of all its jobs looked at, as every command begins."""
    draw, path = random.Random(case.name), folder / "params.yaml"
    content = parameters(SEGMENTATION)
    place: tuple = ()
    if case.target == "file":
        path.write_bytes(FILES[case.kind]) if case.kind in FILES else hostile.strange_file(path, case.kind)
    else:
        place = draw.choice(sorted(set(leaves(content)), key=repr))
        _put(content, place, VALUES[case.kind], case.target == "name", draw)
        presets = content["presets"] if isinstance(content.get("presets"), dict) else {}
        if "tiny" in presets:  # else the presets stand in params.yaml
            (folder / "presets").mkdir()
            _write(folder / "presets/tiny.yaml", content.pop("presets")["tiny"])
        _write(path, content)
    (folder / "results").symlink_to(tiny.REPOSITORY / "results")
    report = hostile.read(folder, lambda: _plan())

    def compare() -> str:
        if case.target == "file":
            return "" if case.kind == "two-documents" else "it is no set of parameters"
        return ""

    outcome, why = hostile.judge(report, compare)
    return outcome, why and f"at {'.'.join(map(str, place))}: {why}"


def _write(path: Path, content: Any) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _put(content: Any, place: tuple, value: Any, as_name: bool, draw: random.Random) -> None:
    for key in place[:-1]:
        content = content[key]
    if not as_name:
        content[place[-1]] = value
    elif isinstance(content, dict):
        content[value if isinstance(value, str | int | float | bool | None) else str(value)] = content.pop(place[-1])
    else:
        content.append(value)


def _plan() -> None:
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan, statuses
    from segadapt.plan.status import write_cards

    plan = make_plan(load_parameters("params.yaml"))
    statuses(plan)
    write_cards(plan)
