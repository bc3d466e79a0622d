"""The toy projects that cases are copies of, and what an undisturbed run makes of them."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tiny

SEGMENTATION, WIDE, ENGINE = "segmentation", "wide", "engine"
NEVER_EQUAL = ("costs", "report")
"""Stages in whose outputs stand seconds and bytes of memory."""
TABLES = ("table2.csv", "table2_protocols.csv", "table2_statistics.csv", "table2_measures.csv", "table2_costs.csv")
CLASSIFICATION = ("table1.csv", "figures/qualitative.png", "figures/curves.png")


def parameters(world: str) -> dict:
    """Few images of 64x32, four to six steps, one seed: source models with one head and two, an adaptation, a
    refinement, two rounds of self-training with a prior, and an adversary; ``WIDE`` has classifiers instead of that,
    ``ENGINE`` no more than a source model and an adaptation."""
    rows = ("source_only", "maxsquare", "maxsquare_iw_multi", "cbst_sp", "adaptsegnet")
    found = tiny.tiny_parameters(rows[: {ENGINE: 2, WIDE: 4, SEGMENTATION: 5}[world]])
    preset = found["presets"]["tiny"]
    found["presets"] = {"tiny": preset}
    if world == ENGINE:
        return found
    preset["joint"] |= {"steps": 6, "horizon": 8, "batch_size": 1, "snapshots": 1}
    preset["methods"]["cbst_sp"] = {"self_training": {"rounds": 2}}
    if world == WIDE:
        schedule = {"steps": 4, "horizon": 4, "batch_size": 8, "snapshots": 1}
        classification = tiny.shipped()["presets"]["streets"]["classification"]
        classification["domains"] = {"clean": "clean", "camera": "camera"}
        classification["training"] |= schedule
        classification["easy_and_hard"] = None
        preset["classification"] = classification
        preset["datasets"]["digits"] = {
            "format": "office31",
            "render": {"domain": "digits", "size": "32x32", "splits": {"clean": 20, "camera": 20}},
        }
        preset["caches"] |= {
            name: {"dataset": "digits", "split": name, "size": "32x32", "classes": "digits10"}
            for name in ("clean", "camera")
        }
        rows = ["source_only", "maxsquare_classifier"]
        found["experiments"]["table1"] = {"task": "classification", "rows": rows, "published": 1}
    return found


def targets(world: str) -> list[str]:
    """What the command of a world asks for."""
    if world == ENGINE:
        return ["results/table2.csv"]
    return [f"results/{name}" for name in (*TABLES, *(CLASSIFICATION if world == WIDE else ()))]


def lay(world: str, folder: Path) -> None:
    """A project with nothing made; what no case changes is linked."""
    folder.mkdir(parents=True)
    for name in ("src", "workflow", "Snakefile", "profiles"):
        (folder / name).symlink_to(tiny.REPOSITORY / name)
    shutil.copytree(tiny.REPOSITORY / "results/published", folder / "results/published")
    tiny.write_parameters(folder, parameters(world))
    tiny.write_gta5(folder / "toy/gta5", width=64, height=36)
    tiny.write_cityscapes(folder / "toy/cityscapes", width=64, height=32)


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run of a world made. ``folder/fresh`` is the project before it, ``folder/done`` after it."""

    world: str
    folder: Path

    @property
    def fresh(self) -> Path:
        return self.folder / "fresh"

    @property
    def done(self) -> Path:
        return self.folder / "done"

    @cached_property
    def jobs(self) -> dict[str, dict]:
        """The cards by job."""
        return json.loads((self.folder / "jobs.json").read_text())

    @cached_property
    def events(self) -> dict[str, int]:
        """How many file operations the process of each job makes, and the session before them."""
        return json.loads((self.folder / "events.json").read_text())

    @cached_property
    def hashes(self) -> dict[str, str]:
        """What stands under every path that must come out with the same bytes."""
        return hashes_of(self.done, self.jobs)

    def copy(self, state: str, folder: Path) -> None:
        """A copy of ``fresh`` or ``done`` that a case may spoil; its data are links to the one copy that none may."""
        subprocess.run(["cp", "-a", str(self.folder / state), str(folder)], check=True)

    def differences(self, folder: Path) -> list[str]:
        """Paths whose content is not that of an undisturbed run."""
        found = hashes_of(folder, self.jobs)
        return [path for path, content in self.hashes.items() if found.get(path) != content]


def hashes_of(folder: Path, jobs: dict[str, dict]) -> dict[str, str]:
    """SHA-256 of every output (of costs, that it is there) and the part of every record that no clock is in."""
    found = {}
    for job in jobs.values():
        for path in job["outputs"].values():
            content = _content(folder / path)
            if content is not None:
                found[path] = "there" if job["stage"] in NEVER_EQUAL else hashlib.sha256(content).hexdigest()
        found[job["provenance"]] = _record(folder / job["provenance"], job["stage"] in NEVER_EQUAL)
    return found


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def _record(path: Path, without_outputs: bool) -> str:
    try:
        record = json.loads(_content(path) or b"null")
        outputs = None if without_outputs else record["outputs"]
        return json.dumps([record["identity"], record["fingerprint"], record["input_sha256"], outputs], sort_keys=True)
    except (ValueError, KeyError, TypeError):
        return "no record"


def free_memory_folder() -> Path | None:
    """A folder in memory, where flushing costs nothing, if there is one with room for the suite."""
    shared = Path("/dev/shm")
    if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 3 * 2**30:
        return shared
    return None
