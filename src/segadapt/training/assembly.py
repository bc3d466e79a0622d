"""From a job's configuration to a trainer."""

from pathlib import Path
from typing import Any

from segadapt.core.errors import UserError
from segadapt.core.events import EventFile, require_writer
from segadapt.core.job import Job
from segadapt.core.parameters import Schedule, width_height
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.loader import BatchSource
from segadapt.data.batches.rare_classes import RareClasses
from segadapt.data.batches.windows import Windows
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.labels import LabelledImages
from segadapt.methods.composition import build_method
from segadapt.models import BatchNormPolicy, Network
from segadapt.models.compute import Compute
from segadapt.models.loading import IMAGE_SIZE, initial_network
from segadapt.training.dropout import has_dropout
from segadapt.training.graphs import recorder_for
from segadapt.training.optimiser import OPTIMISERS, ParameterGroup, parameter_groups
from segadapt.training.replicas import ALONE, Replica
from segadapt.training.schedule import scaled_rate
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer


def make_trainer(
    job: Job, model: Network, compute: Compute, scratch: Path, replica: Replica = ALONE
) -> Trainer:  # fmt: skip
    """The trainer of any training job; the model must be on the compute's device."""
    settings, batch_norm = Schedule(**job.config["training"]), BatchNormPolicy(**job.config["model"]["batch_norm"])
    model = replica.prepared(model, batch_norm, compute.device)
    compute.keep_compiled_code(Path(job.compiled_code))
    if logs := job.run.get("tensorboard", False):
        require_writer(job.preset)
    method = compute.place(build_method(job.config, model, lambda: compute.place(initial_network(job))))
    groups = parameter_groups(model, settings.head_factor)
    if beside := method.learned_with_network():
        groups += (ParameterGroup("method", settings.head_factor, {f"method.{k}": v for k, v in beside.items()}),)
    optimiser = OPTIMISERS[settings.optimiser.name](groups, settings.optimiser, job.config["repeated_updates"])
    loop_keys = ("steps", "horizon", "annealing", "accumulate")
    run_keys = ("log_steps", "save_steps", "save_seconds", "loader_threads")
    return Trainer(
        model=model,
        method=method,
        optimiser=optimiser,
        loop=Loop(
            learning_rate=scaled_rate(settings),
            **{key: getattr(settings, key) for key in loop_keys},
            **{key: job.run[key] for key in run_keys},
        ),
        source=_batch_source(job, "source", compute, replica),
        target=_batch_source(job, "target", compute, replica) if job.read("target") else None,
        batch_norm=batch_norm,
        input_convention=model.architecture.input,
        compute=compute,
        store=StateStore(scratch),
        snapshots=Snapshots.of(job, scratch),
        recorder=recorder_for(compute, method.replays and settings.accumulate == 1, has_dropout(model)),
        events=EventFile(Path(job.events)) if logs and replica.rank == 0 else None,
        replica=replica,
    )


def describe(job: Job, trainer: Trainer) -> dict[str, str]:
    """Metadata of a trained model: the job that made it, and the size of the images that it saw last."""
    cache = (trainer.target or trainer.source).cache
    return {"job": job.name, IMAGE_SIZE: f"{cache.width}x{cache.height}"}


def _batch_source(job: Job, domain: str, compute: Compute, replica: Replica = ALONE) -> BatchSource:
    cache = PackedCache(Path(job.input(domain)))
    if domain == "source" and cache.class_set != job.config["model"]["classes"]:
        raise UserError(
            f"{job.input(domain)} holds labels of {cache.class_set}, the model has {job.config['model']['classes']}; "
            "delete the cache's folder and run again"
        )
    maps = job.input("static") if domain == "target" and job.read("static") else None
    if maps is not None:
        cache = LabelledImages(cache, PackedCache(Path(maps)))
    settings = job.config["training"]
    crop = settings["crop"] and width_height(settings["crop"])
    augmentation = Augmentation(**{key: settings[key] for key in ("mirror", "blur", "colour", "zoom")}, crop=crop)
    on_gpu, margins = compute.device.type == "cuda", settings["target_margins"] if domain == "target" else None
    return BatchSource(
        cache, domain, job.config["seed"], settings["batch_size"], augmentation, pin_memory=on_gpu, on_device=on_gpu,
        with_labels=domain == "source" or maps is not None, windows=_windows(settings, domain, cache),
        margins=margins and tuple(margins[side] for side in ("top", "bottom", "left", "right")),
        part=replica.rank, parts=replica.count,
    )  # fmt: skip


def _windows(settings: dict[str, Any], domain: str, cache: PackedCache) -> Windows:
    """The rules that hold for all runs, and those that only labels can tell of."""
    if domain != "source":
        return Windows(synchronised=settings["synchronised_crop"])
    rare = settings["rare_classes"] and RareClasses.of(cache, **settings["rare_classes"])
    return Windows(settings["crop_largest_share"], settings["synchronised_crop"], rare)
