"""The common ground of all job makers: one setting of the active preset, its names and its paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from segadapt.core.job import Input, Job
from segadapt.core.parameters import MethodEntry, Parameters, Protocol, ResolvedSetting, TrainingSettings, training_of
from segadapt.core.parameters.root import ORACLE, SOURCE_ONLY
from segadapt.core.stages import STAGES
from segadapt.labels import CLASS_SETS
from segadapt.plan.code import code_hash
from segadapt.plan.networks import has_switch
from segadapt.plan.rows import REFINE, SOURCE, SOURCE_MULTI, SOURCES, round_name, round_training, snapshots_beside


class Planner:
    """Names, paths and job frames in one setting; ``setting`` None is the preset as it stands.

    ``prefix`` stands before the names of what is the setting's own. ``switches`` are those in which it leaves the
    protocol, ``aspp_branches`` one of them where given.
    """

    def __init__(
        self, parameters: Parameters, setting: str | None = None, aspp_branches: int | None = None,
        hash_code: bool = True,
    ) -> None:  # fmt: skip
        self.parameters, self._hash_code = parameters, hash_code
        self.setting = parameters.resolved[setting]
        own = {} if aspp_branches is None else {"aspp_branches": aspp_branches}
        self.switches, self.protocol = self.setting.switches | own, self.setting.protocol.model_copy(update=own)
        self._by_branches = {self.protocol.aspp_branches: self}
        model = self.setting.preset.model
        where = f"{parameters.place_of(setting)}.model"
        self._has_branches = model is None or has_switch(model.backbone, "aspp_branches", where)
        self.preset, self.methods = self.setting.preset, self.setting.methods
        self.prefix = "" if setting is None else f"{setting}/"
        self.run = self.preset.run.model_dump(exclude={"cpu_threads", "jobs_per_gpu"})

    def of(self, name: str) -> Planner:
        """Who plans a model of that name: a method may sum other branches than the protocol, if its network has any."""
        method = self.methods.get(name)
        if method is not None and method.ensemble:
            return self.of(method.ensemble[0])
        own = method.aspp_branches if method is not None and self._has_branches else None
        branches = own or self.protocol.aspp_branches
        if branches not in self._by_branches:
            self._by_branches[branches] = Planner(self.parameters, self.setting.name, branches, self._hash_code)
        return self._by_branches[branches]

    def job(
        self, stage: str, subject: dict[str, str | int], *, inputs: Sequence[Input], config: dict[str, Any],
        snapshots: tuple[int, ...] = (),
    ) -> Job:  # fmt: skip
        """A job of a stage on its subject; ``snapshots`` are steps of the models on the way: a stage that trains makes
        them, another reads them."""
        about = STAGES[stage]
        config = {**about.config, **config}
        outputs = {role: self.path(stage, role, **subject) for role in about.files}
        provenance = self.path(stage, "provenance", **subject)
        if about.trains:
            outputs |= snapshots_beside(provenance, snapshots)
        elif snapshots:
            (model,) = (each.path for each in inputs if each.role == "model")
            inputs = [*inputs, *(Input(*each) for each in snapshots_beside(model, snapshots).items())]
        return Job(
            stage, about.job.format(**subject), self.parameters.preset, inputs=tuple(inputs), outputs=outputs,
            provenance=provenance, config=config | self.definitions(_named_classes(config)),
            code=code_hash(about.module, config) if self._hash_code else "", run=self.run, subject=subject,
            snapshots=snapshots,
        )  # fmt: skip

    def path(self, stage: str, role: str, **subject: str | int) -> str:
        """An output of the job of a stage on that subject, or its ``provenance``."""
        return STAGES[stage].path(role, self.parameters.preset, subject)

    def definitions(self, names: Iterable[str]) -> dict[str, Any]:
        """The part of a configuration that defines those of the class sets that are the user's own; a job reads no
        ``params.yaml``."""
        own = {name: CLASS_SETS[name].definition() for name in names if name in self.parameters.class_sets}
        return {"class_sets": own} if own else {}

    def cache(self, name: str) -> str:
        """The manifest of a packed cache; caches are the preset's, not the setting's."""
        return self.path("prepare", "manifest", cache=name)

    def model_name(self, name: str) -> str:
        """What a model is called: ``rome/maxsquare``, or the name of the source model that settings share.

        A self-trained method's model is that of its last round, so that another round leaves the others as they are.
        """
        rounds = self.methods[name].self_training if name in self.methods else None
        name = name if rounds is None else round_name(name, rounds.rounds)
        return f"{self._source_prefixes[name]}{name}" if name in SOURCES else f"{self.prefix}{name}"

    def model(self, name: str, seed: int, role: str = "model") -> str:
        """The weights of a source model or a method, or another file of its training."""
        method = self.methods.get(name)
        # What is no method is one of the rounds of one.
        stage = "pretrain" if name in SOURCES else method.stage if method else "self_train"
        return self.path(stage, role, model=self.model_name(name), seed=seed)

    def score(self, row: str, seed: int, role: str = "metrics") -> str:
        """A file of the evaluation behind a row."""
        name = SOURCE if row == SOURCE_ONLY else row
        return self.path("evaluate", role, model=f"{self.prefix}{name}", seed=seed)

    def training(self, method: MethodEntry, number: int = 1) -> TrainingSettings:
        """The schedule of a method; in self-training, that of its round ``number``."""
        settings = training_of(self.preset, method)
        return settings if method.self_training is None else round_training(settings, method.self_training, number)

    def evaluation_cache(self, refined: bool) -> str:
        """The name of the cache that a model is scored on."""
        return (self.preset.evaluate_refined_on if refined else None) or self.preset.evaluate_on

    def scored_classes(self, name: str) -> str:
        """The class set that a source model or method is scored on: its own, or a part of it that the labels have."""
        return self.parameters.active_preset.classes_of(self.evaluation_cache(self.is_refined(name)))

    def is_refined(self, name: str) -> bool:
        """Whether a source model or method goes through the refine stage."""
        return name == SOURCE_MULTI or (name in self.methods and self.methods[name].stage == REFINE)

    def has_auxiliary_head(self, name: str) -> bool:
        """Whether a source model's or method's network has the low head."""
        return name == SOURCE_MULTI or (name in self.methods and self.methods[name].needs_auxiliary_head)

    def network(self, auxiliary: bool) -> dict[str, Any]:
        """The part of a configuration that describes the network and how it computes."""
        return {
            "model": self.preset.model.model_dump(exclude={"initial_weights"}),
            "auxiliary": auxiliary,
            "aspp_branches": self.protocol.aspp_branches,
            "precision": self.preset.precision.model_dump(),
            "cpu_threads": self.preset.run.cpu_threads,
        }

    @cached_property
    def _source_prefixes(self) -> Mapping[str, str]:
        """The prefix of each source model: that of the first setting which trains it alike."""
        prefixes, every = {}, self.parameters.resolved
        for name in SOURCES:
            own = _source_identity(self.setting, self.protocol, name)
            alike = [each for each in every if _source_identity(every[each], every[each].protocol, name) == own]
            if not alike:
                prefixes[name] = f"{self.prefix}{self.protocol.aspp_branches}_branches/"
            else:
                prefixes[name] = "" if alike[0] is None else f"{alike[0]}/"
        return prefixes


def about_figure(planner: Planner) -> dict[str, Any]:
    """What every figure of scores goes by and says."""
    return {
        "evaluation_size": planner.parameters.active_protocol.evaluation_size,
        "data_note": planner.preset.data_note,
    }


def _named_classes(config: Any) -> list[str]:
    """What stands under ``classes``, wherever, in a configuration; sorted."""
    if isinstance(config, Mapping):
        own = [config["classes"]] if isinstance(config.get("classes"), str) else []
        return sorted({*own, *(name for each in config.values() for name in _named_classes(each))})
    if isinstance(config, list | tuple):
        return sorted({name for each in config for name in _named_classes(each)})
    return []


def _source_identity(setting: ResolvedSetting, protocol: Protocol, name: str) -> list[Any]:
    """All that a source model's training depends on."""
    settings = setting.preset.oracle if name == ORACLE else setting.preset.pretrain
    return [setting.preset.model, settings, setting.preset.precision, protocol.aspp_branches, protocol.repeated_updates]
