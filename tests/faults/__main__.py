"""``python -m tests.faults``: the whole suite, with its figures in results/faults; or parts of it by name."""

import argparse
import signal
import sys
from collections.abc import Sequence

from tqdm import tqdm

from .broken import CONTROLS
from .case import GOOD, OUTCOMES, Case, Verdict
from .record import Journal, write_figures
from .suite import FAMILIES, Suite, all_cases, drawn_cases


def main() -> int:
    """Exit status 1 if a case did not end as it should. What was interrupted goes on where it stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--case", action="append", metavar="NAME", help="run this case, or those that begin so")
    parser.add_argument(
        "--family", action="append", choices=sorted(FAMILIES), help="run these families alone; figures as of the whole"
    )
    parser.add_argument("--drawn", type=int, metavar="N", help="run so many cases, drawn from all families")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--controls", action="store_true", help="take checks away: each must be missed by a case")
    parser.add_argument("--processes", type=int, default=2, help="cases at a time")
    parser.add_argument("--mended", action="store_true", help="keep the good verdicts of the tree before a mend")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--keep", action="store_true", help="leave the cases' folders where they are")
    given = parser.parse_args()
    cases = drawn_cases(given.drawn, given.seed) if given.drawn else all_cases(given.family or FAMILIES)
    if given.case:
        cases = [case for case in cases if any(case.name.startswith(name) for name in given.case)]
    if given.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    if given.controls:
        with Suite(given.keep) as suite:
            found = _controls(suite)
        print(found)
        return int(any(outcome in GOOD for outcome in found.values()))
    is_kept = not (given.drawn or given.case)
    journal = Journal(mended=given.mended) if is_kept else None
    names = {case.name for case in all_cases()}
    known = {name: verdict for name, verdict in journal.found.items() if name in names} if journal else {}
    verdicts = [*known.values()]
    with Suite(given.keep) as suite:
        for verdict in _shown(suite, [case for case in cases if case.name not in known], given.processes):
            if journal is not None:
                verdict = journal.add(verdict)
            verdicts.append(verdict)
        controls = _controls(suite) if is_kept else {}
    if is_kept:
        in_order = sorted(verdicts, key=lambda each: [*FAMILIES].index(each.name.split(":")[0]))
        write_figures(in_order, controls, len(all_cases()))
    counts = {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in OUTCOMES}
    print(f"tried {len(verdicts)}: " + ", ".join(f"{outcome} {count}" for outcome, count in counts.items()))
    missed = [name for name, outcome in controls.items() if outcome in GOOD]
    return int(bool(missed) or not all(verdict.is_good for verdict in verdicts))


def _controls(suite: Suite) -> dict[str, str]:
    """The outcome of a case by the check that was taken away for it."""
    return {
        name: verdict.outcome for name, (spoil, case) in CONTROLS.items() for verdict in suite.run([case], 1, spoil)
    }


def _shown(suite: Suite, cases: Sequence[Case], processes: int):
    bad = 0
    with tqdm(total=len(cases), unit="case") as bar:
        verdict: Verdict
        for verdict in suite.run(cases, processes):
            bar.update()
            if not verdict.is_good:
                bad += 1
                tqdm.write(f"{verdict.outcome}: {verdict.name}: {verdict.detail}")
                bar.set_postfix_str(f"{bad} not as they should be")
            yield verdict


if __name__ == "__main__":
    sys.exit(main())
