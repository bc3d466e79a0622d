"""What every stage script does around its own work: lock, check, time, record, refuse politely."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import sha256_file
from segadapt.core.devices import own_gpus
from segadapt.core.edge import guarded
from segadapt.core.errors import UserError
from segadapt.core.job import Job, read_card
from segadapt.core.locking import exclusive
from segadapt.core.metering import Meter
from segadapt.core.provenance import read_provenance, record_is_genuine, write_provenance
from segadapt.core.seen import memo_path
from segadapt.core.stopping import listening
from segadapt.labels import register

Stage = Callable[[Job, Path], dict[str, Any] | None]
"""Does the work of a job. The folder it is given keeps resumable state and is removed at the end.

What it returns, if anything, is added to the job's provenance."""


def main(stage: Stage) -> None:
    """Runs ``stage`` on the card named on the command line, with as many processes as are named after it.

    Exit status 0 when the outputs are in place, 2 with one sentence for a mistake of the user's or a failure of the
    machine's, 143 after SIGTERM and 130 after SIGINT. The same command then goes on from the last saved state.
    """
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: python -m {sys.modules['__main__'].__spec__.name} CARD [PROCESSES]")
    processes = int(sys.argv[2]) if len(sys.argv) == 3 else None
    with listening():
        status = guarded(lambda: run_card(stage, Path(sys.argv[1]), processes))
    if status:
        sys.exit(status)


def run_card(stage: Stage, card: Path, processes: int | None = None) -> None:
    """Runs a job unless its outputs stand there already, made from the same inputs by the same code.

    UserError, before anything is computed, if an input is not the file that its maker's record speaks of. After any
    failure the plan reads the inputs' bytes anew, so that a damaged one is made again by the same command.
    """
    job = read_card(card)
    register(job.config.get("class_sets", {}).values())
    if processes is not None:
        job = replace(job, run=job.run | {"prepare_processes": processes})
    try:
        hashes = job.input_hashes()
        _refuse_other_inputs(job, hashes)
        _run(stage, job, hashes)
    except Exception:
        for maker in {each.maker for each in job.inputs if each.maker}:
            memo_path(job.preset, maker).unlink(missing_ok=True)
        raise


def _run(stage: Stage, job: Job, hashes: dict[str, str]) -> None:
    fingerprint = job.fingerprint(hashes)
    scratch = job.scratch(fingerprint)
    with exclusive(scratch.parent / f"{fingerprint}.lock"):
        if _is_done(job, fingerprint):
            print(f"{job.name}: already made", file=sys.stderr)
        else:
            _remove_leftovers(job)
            moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            print(f"{job.name}: {moment}, process {os.getpid()} on {socket.gethostname()}", file=sys.stderr)
            gpus = own_gpus(job.processes) if "precision" in job.config else nullcontext()
            with Meter(scratch, job.processes) as meter, gpus as own:
                if own is not None:
                    print(f"{job.name}: on GPU {own}", file=sys.stderr)
                more = stage(job, scratch)
                cost = meter.total()
            write_provenance(job, fingerprint, hashes, cost, more)
            print(f"{job.name}: done in {cost.seconds:.1f} s", file=sys.stderr)
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_other_inputs(job: Job, hashes: dict[str, str]) -> None:
    for path, maker in ((each.path, each.maker) for each in job.inputs if each.maker):
        record = read_provenance(Path(maker))
        if record is None or not record_is_genuine(record):
            raise UserError(f"{path}: its record {maker} is missing or damaged; run the same command again")
        made = {output["path"]: output["sha256"] for output in record["outputs"].values()}
        if made.get(path) != hashes[path]:
            raise UserError(
                f"{path} is not the file that its record {maker} speaks of; run the same command again, and it is made "
                "anew"
            )


def _is_done(job: Job, fingerprint: str) -> bool:
    """True when an earlier process (killed parent, live child) has finished this very job."""
    record = read_provenance(Path(job.provenance))
    if record is None or record["fingerprint"] != fingerprint or not record_is_genuine(record):
        return False
    return all(
        Path(output["path"]).is_file() and sha256_file(Path(output["path"])) == output["sha256"]
        for output in record["outputs"].values()
    )


def _remove_leftovers(job: Job) -> None:
    """Temporary files of this job's outputs, left by a process that was killed while it wrote them."""
    for path in map(Path, (*job.outputs.values(), job.provenance)):
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink()
