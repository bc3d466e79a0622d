"""A job: one stage on exactly the inputs and the part of the parameters that it reads.

Written out as a *card*, a small JSON file, it is all that a stage script (or a person on a machine
without Snakemake) needs to run it: ``python -m segadapt.stages.<script> <card>``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, sha256_file, sha256_json
from segadapt.core.errors import UserError
from segadapt.core.stages import SCORES, benchmark_of, card_of, log_of


@dataclass(frozen=True)
class Job:
    """Paths are relative to the project's root.

    ``config`` is what can change the result; ``run`` is what cannot (intervals, process counts).
    ``code`` is a hash of the modules that can change a number. ``makers`` maps the role of each input that a job of the
    plan makes to that job's record. ``subject`` is what the job is about, by the names that stand in its stage's
    patterns (``segadapt.core.stages``): its table, its model and seed, ... ``snapshots`` are the steps of the models on
    the way to its own: a job that trains makes them, one that scores reads them.
    """

    stage: str
    name: str
    preset: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    provenance: str
    config: dict[str, Any]
    code: str
    run: dict[str, Any] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)
    subject: dict[str, str | int] = field(default_factory=dict)
    snapshots: tuple[int, ...] = ()

    @property
    def card(self) -> str:
        return card_of(self.preset, self.name)

    @property
    def log(self) -> str:
        return log_of(self.preset, self.name)

    @property
    def benchmark(self) -> str:
        return benchmark_of(self.preset, self.name)

    @property
    def compiled_code(self) -> str:
        """Where torch's compiler keeps what it made for any job of the preset; a cache that may be deleted."""
        return f"work/{self.preset}/compiled"

    def as_card(self) -> dict[str, Any]:
        """The card's content, keys in a fixed order."""
        return {key: getattr(self, key) for key in self.__dataclass_fields__} | {"snapshots": [*self.snapshots]}

    def identity(self) -> dict[str, Any]:
        """What must be equal for an existing output to be this job's output."""
        return {key: getattr(self, key) for key in ("stage", "name", "inputs", "config", "code")}

    def snapshot_paths(self) -> dict[int, Path]:
        """Step to file, in order, of the models on the way."""
        files = self.inputs | self.outputs
        return {step: Path(files[snapshot_role(step)]) for step in self.snapshots}

    def input_hashes(self) -> dict[str, str]:
        """SHA-256 of every input by role; UserError for one that is missing."""
        return {role: sha256_file(Path(path)) for role, path in self.inputs.items()}

    def fingerprint(self, input_hashes: dict[str, str]) -> str:
        """Names this job's resumable state: equal only for the same identity and input bytes."""
        return sha256_json([self.identity(), input_hashes])[:20]

    def scratch(self, fingerprint: str) -> Path:
        """The folder of the resumable state, outside all declared outputs."""
        return Path(f"work/{self.preset}/run/{fingerprint}")


def read_card(path: Path) -> Job:
    """The job of a card; UserError if it is none."""
    content = read_json(path)
    try:
        return Job(**content)
    except TypeError as error:
        raise UserError(f"{path} is not a job card ({error}); run snakemake -n to write the cards anew") from error


def score_role(what: str, row: str, seed: int) -> str:
    """The role of a row's scores among the inputs of a table or figure; ``what`` is theirs among the evaluation's."""
    return f"{what}/{row}/{seed}"


def score_paths(inputs: Mapping[str, str], row: str, seed: int) -> dict[str, str]:
    """What a table or figure reads of one row and seed: role among the evaluation's outputs to path."""
    roles = {what: score_role(what, row, seed) for what in SCORES}
    return {what: inputs[role] for what, role in roles.items() if role in inputs}


def model_roles(count: int) -> list[str]:
    """The roles of the models that are scored as one among the inputs of an evaluation."""
    return ["model"] if count == 1 else [f"model/{index}" for index in range(count)]


def model_paths(inputs: Mapping[str, str]) -> list[str]:
    """The models among the inputs of a job that trains or scores, in order; empty for one that begins anew."""
    return [inputs[role] for role in ("model", *model_roles(len(inputs))) if role in inputs]


def snapshot_role(step: int) -> str:
    """The role of the model kept after ``step`` steps, among a training's outputs and an evaluation's inputs."""
    return f"snapshot/{step}"
