"""The record beside every output: from what, by which code, on which machine, at what cost."""

import json
import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, sha256_file, sha256_json, write_json
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.metering import Cost

RECORD_KEYS = {"identity", "fingerprint", "input_sha256", "outputs"}
"""What a record cannot do without; one that lacks any of them counts as none."""
SOURCES = ("src", "workflow", "Snakefile", "params.yaml", "presets")
PACKAGES = ("torch", "numpy", "pillow", "panda3d")


@lru_cache(maxsize=1)
def commit() -> str:
    """Short hash of the checked-out commit, with ``-dirty`` if the tracked sources or parameters differ from it."""
    try:
        head = _git("rev-parse", "--short=9", "HEAD")
        # Not ``describe --dirty``: that trusts file times when another job is looking at the same moment.
        edited = _git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
        return f"{head}-dirty" if edited else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor_name() -> str:
    """The CPU's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine() -> str:
    """The machine in words: processor and core count, and the GPU if torch has been given one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} ({processor_name()}, {os.cpu_count()} cores)"
    return f"{processor_name()}, {os.cpu_count()} cores, no GPU"


def packages() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_provenance(
    job: Job,
    fingerprint: str,
    input_hashes: dict[str, str],
    cost: Cost,
    more: dict[str, Any] | None = None,
) -> None:
    """Hashes the outputs and writes the record, last of all; UserError if an output is missing.

    ``more`` is what a stage adds of its own: a table its lineage.
    """
    outputs = {}
    for role, path in job.outputs.items():
        outputs[role] = {"path": path, "sha256": sha256_file(Path(path)), "bytes": Path(path).stat().st_size}
    record = {
        "identity": job.identity(),
        "fingerprint": fingerprint,
        "input_sha256": input_hashes,
        "outputs": outputs,
        "commit": commit(),
        "machine": machine(),
        "packages": packages(),
        **cost.as_record(),
        **(more or {}),
    }
    # The checksum is that of what a reader finds: numbers among a mapping's keys are text by then.
    record = json.loads(json.dumps(record))
    write_json(Path(job.provenance), record | {"checksum": sha256_json(record)})


def record_is_genuine(record: dict[str, Any]) -> bool:
    """Whether a record is what was written: it fits its checksum, and its fingerprint its identity and inputs.

    Records of an earlier segadapt have no checksum; there an edited parameter shows, an edited cost does not.
    """
    content = {key: value for key, value in record.items() if key != "checksum"}
    if "checksum" in record and record["checksum"] != sha256_json(content):
        return False
    return sha256_json([record["identity"], record["input_sha256"]])[:20] == record["fingerprint"]


def read_provenance(path: Path) -> dict[str, Any] | None:
    """The record, or None where there is none that can be read."""
    try:
        record = read_json(path)
    except UserError:
        return None
    return record if isinstance(record, dict) and record.keys() >= RECORD_KEYS else None
