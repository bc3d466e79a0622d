"""``python -m tests.faults``: the whole suite, with its figures; or parts of it by name."""

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from .case import GOOD
from .suite import FAMILIES, Suite, all_cases, drawn_cases


def main() -> int:
    """Exit status 1 if a case did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--case", action="append", help="run this case alone; again for more of them")
    parser.add_argument("--family", action="append", choices=sorted(FAMILIES), help="run these families alone")
    parser.add_argument("--match", help="run the cases whose names hold this text")
    parser.add_argument("--drawn", type=int, help="run so many cases, drawn from all")
    parser.add_argument("--seed", type=int, default=0, help="for --drawn")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--keep", action="store_true", help="leave the cases' folders where they are")
    arguments = parser.parse_args()
    cases = all_cases(arguments.family or FAMILIES)
    if arguments.drawn:
        cases = drawn_cases(arguments.drawn, arguments.seed)
    if arguments.case:
        cases = [case for case in cases if case.name in arguments.case]
    if arguments.match:
        cases = [case for case in cases if arguments.match in case.name]
    if arguments.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    bad = 0
    with Suite(arguments.keep) as suite, open("/tmp/fz/out.jsonl", "a") as out:
        with tqdm(total=len(cases), unit="case") as bar:
            for verdict in suite.run(cases, arguments.processes):
                bar.update()
                print(json.dumps(verdict.as_record()), file=out, flush=True)
                if verdict.outcome not in GOOD:
                    bad += 1
                    tqdm.write(f"{verdict.outcome}: {verdict.name}: {verdict.detail}")
    print(bad, "of", len(cases), "are not as they should be")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
