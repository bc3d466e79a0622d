"""A case is data: which fault, where, when. A verdict says how the project took it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

HEALED = "healed"
"""The same command ended with the bytes of an undisturbed run, or the fault changed nothing."""
REFUSED = "refused"
"""One sentence, nothing overwritten; where the fault was taken away, the same command ended with the right bytes."""
WRONG = "wrong"
"""Other bytes than those of an undisturbed run, though a sentence was said on the way."""
SILENT = "silent"
"""Other bytes, and nobody said anything."""
STUCK = "stuck"
"""The same command does not get there: it refuses again and again, does work again and again, or hangs."""
TRACEBACK = "traceback"
"""Somebody was shown a traceback, whatever came of it."""
SKIPPED = "skipped"
"""This machine cannot make the fault (no right to mount, say): not tried."""
GOOD = (HEALED, REFUSED)
OUTCOMES = (HEALED, REFUSED, WRONG, SILENT, STUCK, TRACEBACK, SKIPPED)


@dataclass(frozen=True)
class Case:
    """One fault. ``moment`` is a part of what is disturbed in thousandths, a rank or a number; ``seed`` draws the rest.

    ``world`` names the project that the case gets a copy of, None if it needs none.
    """

    family: str
    kind: str
    target: str
    moment: int = 0
    seed: int = 0
    world: str | None = None

    @property
    def name(self) -> str:
        """All of it in one word; no two cases share it."""
        return f"{self.family}:{self.kind}:{self.target}:{self.moment}:{self.seed}"


@dataclass(frozen=True)
class Verdict:
    """What came of a case, at which commit, and for all but the good ones what was seen."""

    name: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0
    commit: str = ""

    @property
    def is_good(self) -> bool:
        return self.outcome in (*GOOD, SKIPPED)

    def as_record(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 2)}


@dataclass(frozen=True)
class Family:
    """Cases of one idea. ``run`` gets a case, an empty folder or a copy of the world, and returns (outcome, why)."""

    name: str
    cases: Callable[[], Iterable[Case]]
    run: Callable[..., tuple[str, str]]
