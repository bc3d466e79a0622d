"""A plan whose models are scored by the look of it: evaluations are real, all before them is there as text."""

from pathlib import Path

import numpy
from tiny import tiny_parameters

from segadapt.core import provenance
from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.metering import Cost
from segadapt.core.parameters import parameters_from
from segadapt.core.scoring_mode import ScoringMode
from segadapt.core.stages import STAGES
from segadapt.evaluation import Evaluation, LabelFreeScore, metrics
from segadapt.evaluation.measures.boundary import BoundaryOverlap
from segadapt.evaluation.measures.calibration import CalibrationBins
from segadapt.evaluation.measures.per_image import Measures
from segadapt.labels import CITYSCAPES19
from segadapt.plan import Plan, make_plan

ONE_SECOND = Cost(1.0)
C = len(CITYSCAPES19)
MADE = tuple(name for name, stage in STAGES.items() if stage.phase != "table")


def matrices(model: str, seed: int, images: int = 5) -> numpy.ndarray:
    """Counts (N, C, C); every model sees the same labels, and the last class is in none."""
    labels = numpy.random.default_rng(0).integers(50, 90, (images, C))
    labels[:, -1] = 0
    right = numpy.random.default_rng([len(model), seed]).integers(10, 50, (images, C))
    found = numpy.zeros((images, C, C), int)
    places = numpy.arange(C)
    found[:, places, places] = numpy.minimum(right, labels)
    found[:, places, 0] += labels - found[:, places, places]
    found[:, 0, 0] = labels[:, 0]
    return found


def measured(images: int) -> Measures:
    """A hundred pixels an image, 70 % sure and 60 % right, and a third of every boundary but the last class's."""
    pixels, right, confidence = (numpy.zeros((images, 15), kind) for kind in (int, int, float))
    pixels[:, 10], right[:, 10], confidence[:, 10] = 100, 60, 70.0
    union = numpy.full((images, C), 30)
    union[:, -1] = 0
    return Measures(CalibrationBins(pixels, right, confidence), BoundaryOverlap(union // 3, union))


def scored_plan(rows: tuple[str, ...], seeds: tuple[int, ...], cost=lambda job: ONE_SECOND, **table) -> Plan:
    """The toy project's plan with every job up to the evaluations made in the current folder.

    ``cost`` says what a job's record says that it took; ``table`` are further keys of the table.
    """
    parameters = tiny_parameters(rows) | {"seeds": list(seeds)}
    parameters["experiments"]["table2"] |= table
    plan = make_plan(parameters_from(parameters, "tiny"))
    for job in plan.jobs:
        if job.stage in MADE:
            make(job, cost(job))
    return plan


def make(job: Job, cost: Cost = ONE_SECOND) -> None:
    """Writes the outputs and the record of one job."""
    for role, path in job.outputs.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"{job.name} {role}\n")
    if job.stage == "evaluate":
        *_, model, seed = job.name.split("/")
        matrix_NCC = matrices(model, int(seed.removeprefix("seed")))
        names = tuple(f"image{index}" for index in range(len(matrix_NCC)))
        modes = {ScoringMode("network"): matrix_NCC, ScoringMode("native"): matrix_NCC * 4 + 1}
        found = Evaluation(names, modes, measured(len(names)))
        found.save(Path(job.outputs["confusion"]))
        # The longer its name, the more a model "knows": the one that the ranking must choose.
        scores = {None: LabelFreeScore(len(model), 0.5, 0.25, 3.0)}
        made_by = {"commit": "toy", "machine": "m"}
        write_json(Path(job.outputs["metrics"]), metrics(found, CITYSCAPES19, made_by, scores, 6))
    record(job, cost)


def record(job: Job, cost: Cost = ONE_SECOND, more: dict | None = None) -> None:
    """Writes the record of a job whose outputs are there."""
    hashes = job.input_hashes()
    provenance.write_provenance(job, job.fingerprint(hashes), hashes, cost, more)
