"""A job: one stage on exactly the inputs and the part of the parameters that it reads.

Written out as a *card*, a small JSON file, it is all that a stage script (or a person on a machine
without Snakemake) needs to run it: ``python -m segadapt.stages.<script> <card>``.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, sha256_file, sha256_json
from segadapt.core.errors import UserError
from segadapt.core.stages import benchmark_of, card_of, log_of


@dataclass(frozen=True)
class Input:
    """A file that a job reads.

    Of the files with one ``role``, ``row`` and ``seed`` say whose each is. ``maker`` is the record of the job of the
    plan that makes it; None for a file from outside.
    """

    role: str
    path: str
    row: str | None = None
    seed: int | None = None
    maker: str | None = None

    def as_record(self) -> dict[str, Any]:
        """What is known of it."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Job:
    """Paths are relative to the project's root.

    ``config`` is what can change the result; ``run`` is what cannot (intervals, process counts).
    ``code`` is a hash of the modules that can change a number. ``subject`` is what the job is about, by the names that
    stand in its stage's patterns (``segadapt.core.stages``): its table, its model and seed, ... ``snapshots`` are the
    steps of the models on the way to its own: a job that trains makes them, one that scores reads them.
    """

    stage: str
    name: str
    preset: str
    inputs: tuple[Input, ...]
    outputs: dict[str, str]
    provenance: str
    config: dict[str, Any]
    code: str
    run: dict[str, Any] = field(default_factory=dict)
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
    def events(self) -> str:
        """The folder of what it logs for TensorBoard, if it does: no output, for times are never the same."""
        return f"work/{self.preset}/tensorboard/{self.name}"

    @property
    def compiled_code(self) -> str:
        """Where torch's compiler keeps what it made for any job of the preset; a cache that may be deleted."""
        return f"work/{self.preset}/compiled"

    @property
    def processes(self) -> int:
        """How many it has, each on a GPU of its own where there are GPUs."""
        return self.config.get("training", {}).get("processes", 1)

    def as_card(self) -> dict[str, Any]:
        """The card's content, keys in a fixed order."""
        content = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return content | {"inputs": self._inputs(), "snapshots": [*self.snapshots]}

    def identity(self) -> dict[str, Any]:
        """What must be equal for an existing output to be this job's output."""
        return {
            "stage": self.stage, "name": self.name, "inputs": self._inputs(), "config": self.config, "code": self.code,
        }  # fmt: skip

    def _inputs(self) -> list[dict[str, Any]]:
        return [each.as_record() for each in self.inputs]

    def read(self, role: str, **which: str | int) -> list[Input]:
        """The inputs of a role, in order: all of them, or those of a ``row``, a ``seed``."""
        wanted = {"role": role, **which}.items()
        return [each for each in self.inputs if all(getattr(each, key) == value for key, value in wanted)]

    def input(self, role: str, **which: str | int) -> str:
        """The path of the one such input; ValueError if there is none, or several."""
        (only,) = self.read(role, **which)
        return only.path

    def snapshot_paths(self) -> dict[int, Path]:
        """Step to file, in order, of the models on the way."""
        files = {each.role: each.path for each in self.inputs} | self.outputs
        return {step: Path(files[snapshot_role(step)]) for step in self.snapshots}

    def input_hashes(self) -> dict[str, str]:
        """SHA-256 of every input by path; UserError for one that is missing."""
        return {each.path: sha256_file(Path(each.path)) for each in self.inputs}

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
        return Job(**content | {"inputs": tuple(Input(**each) for each in content["inputs"])})
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is not a job card ({error}); run snakemake -n to write the cards anew") from error


def snapshot_role(step: int) -> str:
    """The role of the model kept after ``step`` steps, among a training's outputs and an evaluation's inputs."""
    return f"snapshot/{step}"
