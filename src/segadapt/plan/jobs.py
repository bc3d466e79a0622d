"""From validated parameters to the list of jobs: the one description of the pipeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import MethodEntry, Parameters, Preset, TrainingSettings
from segadapt.core.parameters.root import ORACLE
from segadapt.data.splits import official_counts
from segadapt.plan.code import ROOT, code_hash
from segadapt.plan.figures import figures
from segadapt.plan.rows import (
    SOURCE,
    SOURCE_MULTI,
    UNADAPTED,
    baseline,
    is_multi,
    sees_target,
    snapshot_files,
    training_section,
)

_NOT_A_LOSS = {"composition", "multi_level", "adversarial", "adaptsegnet", "advent"}
"""Files of ``segadapt/methods`` that put losses together or are games, hence no ``target_loss``."""
FIGURES = "results/figures"
DRAWN = {"picture": "png", "vector": "svg", "data": "csv"}
"""The files of a drawn figure: as pixels, as lines, and the points behind it."""
BOOTSTRAP = {"bootstrap_samples": 2000, "bootstrap_seed": 20191027}
"""Fixed, so that equal evaluations give equal intervals."""


@dataclass(frozen=True)
class Plan:
    """All jobs of the active preset, upstream first."""

    parameters: Parameters
    jobs: tuple[Job, ...]

    @cached_property
    def by_output(self) -> dict[str, Job]:
        """The job that makes a path, for every output and provenance file."""
        made = {path: job for job in self.jobs for path in job.outputs.values()}
        return made | {job.provenance: job for job in self.jobs}

    @cached_property
    def by_name(self) -> dict[str, Job]:
        return {job.name: job for job in self.jobs}


def make_plan(parameters: Parameters) -> Plan:
    """The jobs of every experiment of the active preset; UserError for an unknown method or format."""
    return Plan(parameters, tuple(Planner(parameters).jobs()))


class Planner:
    """Makes the jobs of one set of parameters, stage by stage."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.preset: Preset = parameters.active_preset
        self.work = f"work/{parameters.preset}"
        self.run = self.preset.run.model_dump(exclude={"cpu_threads"})

    def jobs(self) -> list[Job]:
        rows = {row for experiment in self.parameters.experiments.values() for row in experiment.rows}
        methods = {name: entry for name, entry in self.parameters.methods.items() if name in rows}
        used = {self._source_of(row) for row in rows}
        sources = [name for name in (SOURCE, SOURCE_MULTI) if name in used]
        sources += [ORACLE] if ORACLE in rows else []
        scored = [SOURCE] * ("source_only" in rows) + [ORACLE] * (ORACLE in rows) + list(methods)
        seeds = self.parameters.seeds
        jobs = [self.pretrain(name, seed) for seed in seeds for name in sources]
        jobs += [self.adapt(name, entry, seed) for seed in seeds for name, entry in methods.items()]
        jobs += [self.evaluate(name, seed) for seed in seeds for name in scored]
        tables = (self.table, self.protocols, self.statistics)
        jobs += [table(name) for name in self.parameters.experiments for table in tables]
        jobs += figures(self, rows, methods)
        return self._data_for(jobs) + jobs

    def _data_for(self, jobs: list[Job]) -> list[Job]:
        """The render and prepare jobs whose caches are read at all."""
        read = {path for job in jobs for path in job.inputs.values()}
        caches = [name for name in self.preset.caches if self.cache(name) in read]
        datasets = {self.preset.caches[name].dataset for name in caches}
        rendered = [
            self.render(name) for name, entry in self.preset.datasets.items() if name in datasets and entry.render
        ]
        return rendered + [self.prepare(name) for name in caches]

    def job(self, stage: str, name: str, folder: str, files: dict[str, str], **rest: Any) -> Job:
        outputs = {role: f"{folder}/{file}" for role, file in files.items()}
        provenance = rest.pop("provenance", f"{folder}/provenance.json")
        modules = [f"segadapt.stages.{stage}", *rest.pop("modules", ())]
        return Job(
            stage, name, self.parameters.preset, outputs=outputs, provenance=provenance, code=code_hash(modules),
            run=self.run, **rest,
        )  # fmt: skip

    def render(self, dataset: str) -> Job:
        entry = self.preset.datasets[dataset]
        config = {"layout": entry.format, **entry.render.model_dump()}
        files = {"manifest": "manifest.json"}
        return self.job("render", f"render/{dataset}", f"{self.work}/data/{dataset}", files, inputs={}, config=config)

    def prepare(self, cache: str) -> Job:
        entry = self.preset.caches[cache]
        dataset = self.preset.datasets[entry.dataset]
        module = f"segadapt.data.datasets.{dataset.format}"
        _require_module(module, f"presets.{self.parameters.preset}.datasets.{entry.dataset}.format")
        rendered = f"{self.work}/data/{entry.dataset}"
        config = entry.model_dump(exclude={"dataset"}) | {
            "format": dataset.format,
            "root": dataset.root or rendered,
            "classes": self.preset.model.classes,
            "count": (dataset.render.splits if dataset.render else official_counts(dataset.format)).get(entry.split),
            "accept": list(dataset.accept),
        }
        inputs = {"rendered": f"{rendered}/manifest.json"} if dataset.render else {}
        return self.job(
            "prepare",
            f"prepare/{cache}",
            f"{self.work}/cache/{cache}",
            {"pack": "pack.bin", "manifest": "manifest.json"},
            inputs=inputs,
            config=config,
            modules=[module],
        )

    def pretrain(self, model: str, seed: int) -> Job:
        settings = self.preset.oracle if model == ORACLE else self.preset.pretrain
        inputs = {"source": self.cache(settings.source)} | self._initial_weights()
        return self._training("pretrain", model, seed, settings, inputs, auxiliary=model == SOURCE_MULTI)

    def adapt(self, name: str, method: MethodEntry, seed: int) -> Job:
        settings = self.training(method)
        start = self._source_of(name)
        inputs = self._initial_weights() if start is None else {"model": self.model(start, seed)}
        inputs["source"] = self.cache(settings.source)
        modules = []
        if sees_target(method):
            inputs["target"] = self.cache(settings.target)
        if method.target_loss is not None:
            modules.append(f"segadapt.methods.{method.target_loss}")
            _require_module(modules[0], f"methods.{name}.target_loss")
        if method.guidance is not None:
            modules.append("segadapt.methods.multi_level")
        if method.adversarial is not None:
            modules += ["segadapt.training.adversary", f"segadapt.methods.{method.adversarial.game}"]
        # What else the entry holds is said by the inputs, the network and the name.
        parts = {"target_loss", "lambda_target", "image_weight", "guidance", "adversarial", "options"}
        return self._training(
            "refine" if training_section(method) == "refine" else "adapt", name, seed, settings, inputs,
            auxiliary=is_multi(method), method=method, parts=method.model_dump(include=parts), modules=modules,
        )  # fmt: skip

    def training(self, method: MethodEntry) -> TrainingSettings:
        """The data and the schedule that a method trains with."""
        return getattr(self.preset, training_section(method))

    def _source_of(self, row: str) -> str | None:
        """The source model that a row is or starts from; None for one that starts from the initial weights."""
        method = self.parameters.methods.get(row)
        if method is None:
            return None if row == ORACLE else SOURCE
        if method.start == "initial":
            return None
        return SOURCE_MULTI if is_multi(method) else SOURCE

    def _initial_weights(self) -> dict[str, str]:
        path = self.preset.model.initial_weights
        return {} if path is None else {"initial_weights": path}

    def evaluate(self, model: str, seed: int) -> Job:
        method = self.parameters.methods.get(model)
        multi = model == SOURCE_MULTI or (method is not None and is_multi(method))
        settings = self.preset.evaluation
        inputs = {"model": self.model(model, seed), "labelled": self.cache(self._evaluation_cache(model))}
        habits = {"flip": settings.flip, "heads": settings.heads and multi}
        config = self.network(auxiliary=multi) | {"habits": habits}
        training = None if method is None else self.training(method)
        if training is not None and training.snapshots:
            folder = Path(inputs["model"]).parent
            inputs |= {role: str(folder / file) for role, file in snapshot_files(training).items()}
            inputs["target"] = self.cache(training.target)
            config |= {"last_step": training.steps, "label_free_images": settings.label_free_images}
        return self.job(
            "evaluate", f"evaluate/{model}/seed{seed}", self._metrics(model, seed),
            {"metrics": "metrics.json", "confusion": "confusion.safetensors"}, inputs=inputs, config=config,
        )  # fmt: skip

    def table(self, name: str) -> Job:
        experiment = self.parameters.experiments[name]
        rows = [
            self.row(row) | {"eval_size": self._evaluation_size(row)} for row in experiment.rows
        ]
        inputs = self.row_metrics(experiment.rows)
        if experiment.published is not None:
            inputs["published"] = f"results/published/paper_table{experiment.published}.csv"
        kinds = ("csv", "json", "md", "tex", "html")
        return self.job(
            "table", f"table/{name}", "results", {kind: f"{name}.{kind}" for kind in kinds},
            provenance=f"results/{name}.provenance.json",
            inputs=inputs,
            config=self._about_table() | {
                "rows": rows,
                "published": experiment.published,
                "is_paper_data": self.preset.is_paper_data,
                "classes": self.preset.model.classes,
                "backbone": self.preset.model.backbone,
            },
        )  # fmt: skip

    def protocols(self, name: str) -> Job:
        """The same rows scored in every way that evaluation habits differ in."""
        keys = self.parameters.experiments[name].rows
        rows = []
        for key in keys:
            row = self.row(key)
            size = self.preset.caches[self._evaluation_cache(key)].size
            rows.append({"key": key, "title": row["title"], "origin": row["origin"], "network_size": size})
        return self.job(
            "protocols", f"protocols/{name}", "results", {kind: f"{name}_protocols.{kind}" for kind in ("csv", "md")},
            provenance=f"results/{name}_protocols.provenance.json",
            inputs=self.row_metrics(keys), config=self._about_table() | {"rows": rows},
        )  # fmt: skip

    def statistics(self, name: str) -> Job:
        """Each row against the control of the table, over seeds and over images."""
        keys = self.parameters.experiments[name].rows
        rows = [{part: self.row(key)[part] for part in ("key", "title", "origin")} for key in keys]
        confusions = {
            f"confusion/{key}/{seed}": self.confusion(key, seed) for key in keys for seed in self.parameters.seeds
        }
        return self.job(
            "statistics", f"statistics/{name}", "results",
            {kind: f"{name}_statistics.{kind}" for kind in ("csv", "md")},
            provenance=f"results/{name}_statistics.provenance.json",
            inputs=self.row_metrics(keys) | confusions,
            config=self._about_table() | BOOTSTRAP | {
                "rows": rows, "baseline": baseline(keys, self.parameters.methods),
            },
        )  # fmt: skip

    def figure(
        self, stage: str, name: str, inputs: dict[str, str], config: dict[str, Any], kinds: dict[str, str] = DRAWN
    ) -> Job:
        """A job of ``results/figures/<name>.*``; ``kinds`` are its files, role to ending."""
        files = {role: f"{name}.{kind}" for role, kind in kinds.items()}
        provenance = f"{FIGURES}/{name}.provenance.json"
        return self.job(stage, f"figure/{name}", FIGURES, files, provenance=provenance, inputs=inputs, config=config)

    def about_figure(self) -> dict[str, Any]:
        """What every figure of scores goes by and says."""
        return {
            "evaluation_size": self.parameters.active_protocol.evaluation_size,
            "data_note": self.preset.data_note,
        }

    def _about_table(self) -> dict[str, Any]:
        return {
            "seeds": list(self.parameters.seeds),
            "preset": self.parameters.preset,
            "protocol": self.parameters.protocol,
            "evaluation_size": self.parameters.active_protocol.evaluation_size,
            "data_note": self.preset.data_note,
        }

    def row(self, key: str) -> dict[str, Any]:
        """What a table says of a row beside its numbers."""
        method = self.parameters.methods.get(key)
        about = UNADAPTED[key] if method is None else method.model_dump(include={"title", "origin", "paper_row"})
        return {"key": key, **about}

    def row_metrics(self, keys: Iterable[str]) -> dict[str, str]:
        """Role ``metrics/<row>/<seed>`` to file, of every row and seed."""
        seeds = self.parameters.seeds
        return {
            f"metrics/{key}/{seed}": f"{self._row_folder(key, seed)}/metrics.json" for key in keys for seed in seeds
        }

    def confusion(self, key: str, seed: int) -> str:
        """The confusion matrices of a row's model."""
        return f"{self._row_folder(key, seed)}/confusion.safetensors"

    def _row_folder(self, key: str, seed: int) -> str:
        return self._metrics(SOURCE if key == "source_only" else key, seed)

    def _training(
        self, stage: str, model: str, seed: int, settings: TrainingSettings, inputs: dict[str, str], *,
        auxiliary: bool, method: MethodEntry | None = None, parts: dict[str, Any] | None = None,
        modules: list[str] | None = None,
    ) -> Job:  # fmt: skip
        config = self.network(auxiliary) | {
            "seed": seed,
            "training": settings.model_dump(exclude={"source", "target"}),
            "repeated_updates": self.parameters.active_protocol.repeated_updates,
        }
        if method is not None:
            switches = {"normalisation", "max_squares_half", "image_weight_half", "image_weight_index", "guidance_mask"}
            config |= {"method": parts, "protocol": self.parameters.active_protocol.model_dump(include=switches)}
            if method.batch_norm is not None:
                config["model"]["batch_norm"] = method.batch_norm.model_dump()
        return self.job(
            stage, f"{stage}/{model}/seed{seed}", str(Path(self.model(model, seed)).parent),
            {"model": "model.safetensors", "history": "history.csv"} | snapshot_files(settings),
            inputs=inputs, config=config, modules=modules or [],
        )  # fmt: skip

    def network(self, auxiliary: bool) -> dict[str, Any]:
        return {
            "model": self.preset.model.model_dump(exclude={"initial_weights"}),
            "auxiliary": auxiliary,
            "aspp_branches": self.parameters.active_protocol.aspp_branches,
            "precision": self.preset.precision.model_dump(),
            "cpu_threads": self.preset.run.cpu_threads,
        }

    def cache(self, name: str) -> str:
        return f"{self.work}/cache/{name}/manifest.json"

    def model(self, name: str, seed: int) -> str:
        folder = "sources" if name in (SOURCE, SOURCE_MULTI, ORACLE) else "models"
        return f"{self.work}/{folder}/{name}/seed{seed}/model.safetensors"

    def _metrics(self, model: str, seed: int) -> str:
        return f"{self.work}/metrics/{model}/seed{seed}"

    def _evaluation_cache(self, row: str) -> str:
        method = self.parameters.methods.get(row)
        refined = method is not None and training_section(method) == "refine"
        return (self.preset.evaluate_refined_on if refined else None) or self.preset.evaluate_on

    def _evaluation_size(self, row: str) -> str:
        """The label size that the primary number is computed at, as the table prints it."""
        if self.parameters.active_protocol.evaluation_size == "network":
            return self.preset.caches[self._evaluation_cache(row)].size
        return "native"


def _require_module(module: str, where: str) -> None:
    relative = Path(*module.split(".")[1:])
    known = {path.stem for path in (ROOT / relative.parent).glob("[a-z]*.py")} - _NOT_A_LOSS
    if relative.name not in known:
        raise UserError(
            f"params.yaml: {where}: '{relative.name}' has no file in segadapt; known are {', '.join(sorted(known))}"
        )
