"""The whole file, and what must hold between its parts."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, model_validator

from segadapt.core.parameters.checks import (
    check_classification,
    check_classifier_method,
    check_initial_weights,
    check_labels,
    check_lambda_rule,
    check_method,
    check_own_data,
    check_preset,
    check_stage,
    known,
    segmentation_is_missing,
)
from segadapt.core.parameters.class_sets import ClassSets, check_known
from segadapt.core.parameters.methods import Experiment, MethodEntry, Protocol
from segadapt.core.parameters.presets import Preset, Setting
from segadapt.core.parameters.section import Name, Section, Seed, overlaid
from segadapt.core.parameters.settings import (
    ResolvedSetting,
    changed,
    preset_in_setting,
    split_row,
    sweep_cells,
    training_of,
    with_sweeps,
)
from segadapt.core.stages import COMPANIONS
from segadapt.labels import CITYSCAPES19, CLASS_SETS, register

SOURCE_ONLY, ORACLE = "source_only", "oracle"
SOURCE_ROWS = (SOURCE_ONLY, ORACLE)
"""Rows that are no method: the source model as it is, and the one that was trained on target labels."""
_RESERVED = (*SOURCE_ROWS, "source", "source_multi")
_FIXED = ("evaluation_size",)
"""Switches that a whole table goes by; no setting may change them."""
_SNAPSHOTS = ("adapt", "refine", "joint")


class Parameters(Section):
    """``params.yaml`` and ``presets/*.yaml``, validated.

    ``methods`` and ``experiments`` are as the active preset wants; ``settings`` go with any preset, beside its own.
    """

    preset: Name
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    protocol: Name
    class_sets: ClassSets = Field(default_factory=dict)
    methods: dict[Name, MethodEntry]
    experiments: dict[Name, Experiment]
    protocols: dict[Name, Protocol]
    settings: dict[Name, Setting] = Field(default_factory=dict)
    presets: dict[Name, Preset]

    @property
    def active_preset(self) -> Preset:
        return self.presets[self.preset]

    @property
    def active_protocol(self) -> Protocol:
        return self.protocols[self.protocol]

    @property
    def tables(self) -> dict[str, Experiment]:
        """The segmentation tables that the active preset makes."""
        return self._made("segmentation")

    @property
    def classification_tables(self) -> dict[str, Experiment]:
        """The classification tables that the active preset makes."""
        return self._made("classification")

    @property
    def classification_protocol(self) -> Protocol:
        """The active protocol as the active preset's classification has it."""
        switches = self.active_preset.classification.protocol
        return changed(self.active_protocol, switches, f"presets.{self.preset}.classification.protocol")

    def _made(self, task: str) -> dict[str, Experiment]:
        own = self.active_preset.tables
        elsewhere = {name for preset in self.presets.values() for name in preset.tables or ()}.difference(own or ())
        made = {name: each for name, each in self.experiments.items() if own is None or name not in elsewhere}
        return {name: each for name, each in made.items() if each.task == task}

    @cached_property
    def resolved(self) -> dict[str | None, ResolvedSetting]:
        """The active preset as it stands (None) and in each of its settings, in the file's order."""
        return {name: self._resolved(name) for name in (None, *self._settings)}

    @property
    def _settings(self) -> dict[str, Setting]:
        own = self.active_preset.settings
        return own | {name: each for name, each in self.settings.items() if name not in own}

    def place_of(self, setting: str | None) -> str:
        """The path of the key that a setting of the active preset, or the preset itself, stands under."""
        preset = f"presets.{self.preset}"
        if setting is None:
            return preset
        return f"{preset}.settings.{setting}" if setting in self.active_preset.settings else f"settings.{setting}"

    def _resolved(self, name: str | None) -> ResolvedSetting:
        preset, protocol, methods = self.active_preset, self.active_protocol, self.methods
        setting = Setting() if name is None else self._settings[name]
        sweeps = [
            (f"experiments.{table}.sweeps[{index}]", sweep)
            for table, experiment in self.tables.items()
            for index, sweep in enumerate(experiment.sweeps)
        ]
        where = self.place_of(name)
        methods = methods | {
            key: changed(methods[key], change, f"{where}.methods.{key}") for key, change in setting.methods.items()
        }
        return ResolvedSetting(
            name=name,
            title=setting.title,
            source_paper_row=setting.source_paper_row,
            preset=preset if name is None else preset_in_setting(preset, setting),
            protocol=changed(protocol, setting.protocol, f"{where}.protocol"),
            switches=setting.protocol,
            methods=with_sweeps(methods, name, sweeps),
        )

    @model_validator(mode="before")
    @classmethod
    def _as_the_active_preset_wants(cls, content: Any) -> Any:
        presets = content.get("presets") if isinstance(content, dict) else None
        named = isinstance(presets, dict) and isinstance(content.get("preset"), str)
        preset = presets.get(content["preset"]) if named else None
        if not isinstance(preset, dict):
            return content
        parts = [part for part in ("methods", "experiments") if part in preset and part in content]
        return content | {part: _merged(content, preset, part) for part in parts}

    @model_validator(mode="after")
    def _combinations(self) -> "Parameters":
        own = [entry.as_class_set(name) for name, entry in self.class_sets.items()]
        register(each.definition() for each in own)
        check_known(self._class_set_names())
        known(self.preset, self.presets, "preset")
        known(self.protocol, self.protocols, "protocol")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: {list(self.seeds)} names a seed twice; list each once")
        for reserved in _RESERVED:
            if reserved in self.methods:
                raise ValueError(f"methods.{reserved}: this name is taken by the pipeline; choose another")
        for name, method in self.methods.items():
            check_method(f"methods.{name}", method, self.methods)
        for name, preset in self.presets.items():
            self._check_preset(name, preset)
        for name, setting in self.settings.items():
            if name not in self.active_preset.settings:
                self._check_setting(f"settings.{name}", self.active_preset, setting)
        for name, experiment in self.experiments.items():
            self._check_rows(f"experiments.{name}", name, experiment)
        for name, experiment in self.tables.items():
            for index, sweep in enumerate(experiment.sweeps):
                known(split_row(sweep.method)[1], self.methods, f"experiments.{name}.sweeps[{index}].method")
        for name, experiment in self.tables.items():
            self._check_experiment(f"experiments.{name}", name, experiment)
        for name, experiment in self.classification_tables.items():
            self._check_classification_table(f"experiments.{name}", name, experiment)
        return self

    def _class_set_names(self) -> Iterator[tuple[str, str | None]]:
        """Every class set that is named anywhere, with its key's path."""
        for name, experiment in self.experiments.items():
            yield f"experiments.{name}.classes", experiment.classes
        for name, setting in self.settings.items():
            yield f"settings.{name}.model.classes", setting.model.get("classes")
        for name, preset in self.presets.items():
            where = f"presets.{name}"
            for key, cache in preset.caches.items():
                yield f"{where}.caches.{key}.classes", cache.classes
            yield f"{where}.model.classes", preset.model and preset.model.classes
            for setting, each in preset.settings.items():
                yield f"{where}.settings.{setting}.model.classes", each.model.get("classes")
            if preset.classification is not None:
                yield f"{where}.classification.model.classes", preset.classification.model.classes

    def _check_preset(self, name: str, preset: Preset) -> None:
        where = f"presets.{name}"
        check_preset(where, preset)
        check_lambda_rule(f"{where}.lambda_rule", name, self.presets)
        if preset.classification is not None:
            check_classification(f"{where}.classification", preset.classification, preset.caches)
            for protocol in self.protocols.values():
                changed(protocol, preset.classification.protocol, f"{where}.classification.protocol")
        for part, entries in (("methods", self.methods), ("experiments", self.experiments)):
            for entry, change in getattr(preset, part).items():
                known(entry, entries, f"{where}.{part}")
                changed(entries[entry], change, f"{where}.{part}.{entry}")
        for part, tables in (("tables", preset.tables or ()), ("report", preset.report)):
            for index, table in enumerate(tables):
                known(table, self.experiments, f"{where}.{part}[{index}]")
        for name, setting in preset.settings.items():
            self._check_setting(f"{where}.settings.{name}", preset, setting)

    def _check_setting(self, where: str, preset: Preset, setting: Setting) -> None:
        try:
            resolved = preset_in_setting(preset, setting)
        except ValueError as error:
            raise ValueError(f"{where}.{error}") from error
        check_preset(where, resolved)
        check_initial_weights(where, preset, setting)
        for stage in _SNAPSHOTS:
            ours, theirs = getattr(resolved, stage), getattr(preset, stage)
            if ours and theirs and ours.snapshot_steps != theirs.snapshot_steps:
                raise ValueError(f"{where}.{stage}: keeps snapshots of other steps than the preset's; keep its steps")
        for switch in _FIXED:
            if switch in setting.protocol:
                raise ValueError(f"{where}.protocol.{switch}: holds for a whole table; set it in protocols")
        for key, change in setting.methods.items():
            known(key, self.methods, f"{where}.methods")
            changed(self.methods[key], change, f"{where}.methods.{key}")
        for protocol in self.protocols.values():
            changed(protocol, setting.protocol, f"{where}.protocol")

    def _check_rows(self, where: str, name: str, experiment: Experiment) -> None:
        if name.endswith(tuple(COMPANIONS)):
            raise ValueError(f"{where}: this ending is taken by the tables that go with others; rename it")
        if not experiment.rows and not experiment.sweeps:
            raise ValueError(f"{where}.rows: is empty, and there are no sweeps; list the table's rows")
        if len(set(experiment.keys)) != len(experiment.keys):
            raise ValueError(f"{where}.rows: a row stands there twice; list each once")
        for index, row in enumerate(experiment.also_against):
            known(row, experiment.keys, f"{where}.also_against[{index}]")

    def _check_classification_table(self, where: str, name: str, experiment: Experiment) -> None:
        settings = self.active_preset.classification
        if settings is None:
            raise ValueError(
                f"{where}: preset {self.preset} has no classification; add that section, or name {name} only in the "
                "tables of presets that have"
            )
        for key in ("sweeps", "classes", "also_against", "settings"):
            if getattr(experiment, key):
                raise ValueError(f"{where}.{key}: is for segmentation; drop this key")
        figure = settings.easy_and_hard
        methods = {f"{where}.rows[{index}]": row for index, row in enumerate(experiment.rows) if row != SOURCE_ONLY}
        if figure is not None:
            at = f"presets.{self.preset}.classification.easy_and_hard.methods"
            methods |= {f"{at}[{index}]": row for index, row in enumerate(figure.methods)}
        for at, row in methods.items():
            known(row, self.methods, at)
            check_classifier_method(at, row, self.methods[row], settings)

    def _check_experiment(self, where: str, name: str, experiment: Experiment) -> None:
        if segmentation_is_missing(self.active_preset):
            mend = f"name {name} only in the tables of presets that have"
            raise ValueError(f"{where}: preset {self.preset} has no segmentation; {mend}")
        if experiment.published == 1:
            raise ValueError(f"{where}.published: table 1 is of classification; name another, or null")
        rows = [(f"{where}.rows[{index % len(experiment.rows)}]", key) for index, key in enumerate(experiment.keys)]
        scored = {self._check_row(*row) for row in rows}
        for index, sweep in enumerate(experiment.sweeps):
            scored.add(self._check_row(f"{where}.sweeps[{index}].method", sweep.method))
            # Where an entry makes no sense, the resolved settings themselves say so.
            sweep_cells(sweep, self.resolved[split_row(sweep.method)[0]].methods, f"{where}.sweeps[{index}]")
        self._check_classes(where, experiment, scored)

    def _check_classes(self, where: str, experiment: Experiment, scored: set[str]) -> None:
        if len(scored) > 1:
            several = " and ".join(sorted(scored))
            raise ValueError(f"{where}.rows: models of {several} do not fit in one table; make a table of each")
        (model,) = scored
        wanted = CLASS_SETS[experiment.classes or model]
        missing = [name for name in wanted.classes if name not in CLASS_SETS[model].classes]
        if missing:
            raise ValueError(f"{where}.classes: {model} has no {', '.join(missing)}; choose a part of its classes")
        if experiment.published is not None and not set(wanted.classes) <= set(CITYSCAPES19.classes):
            at = f"presets.{self.preset}.{where}.published"
            raise ValueError(f"{where}.published: the paper has no numbers of {wanted.name}; set {at} to null")

    def _check_row(self, where: str, row: str) -> str:
        """The class set that it is scored on."""
        setting, method = split_row(row)
        known(method, [*SOURCE_ROWS, *self.methods], where)
        if setting is not None:
            known(setting, self._settings, where)
        resolved = self.resolved[setting]
        at = self.place_of(setting)
        if method == ORACLE and resolved.preset.oracle is None:
            raise ValueError(f"{at}.oracle: is missing, but {where} has that row")
        entry = resolved.methods.get(method)
        if entry is not None and entry.adversarial is not None and entry.adversarial.name == "dann":
            raise ValueError(f"{where}: dann trains image classifiers; list '{method}' in a classification table")
        if entry is not None and entry.start == "initial" and resolved.preset.joint is None:
            raise ValueError(f"{at}.joint: is missing, but {where} trains from the initial weights")
        stages = ["oracle"] if method == ORACLE else ["pretrain"] if entry is None else ["pretrain", entry.schedule]
        preset = resolved.preset
        if entry is not None and entry.training:
            preset = self._with_own_training(at, resolved, method, entry)
        return check_labels(at, preset, stages, self.active_preset)

    def _with_own_training(self, at: str, resolved: ResolvedSetting, name: str, method: MethodEntry) -> Preset:
        """The setting's preset as a method with keys of its own is trained; ValueError if that makes no sense."""
        where, base = f"methods.{name}.training", self.resolved[None]
        own = training_of(resolved.preset, method, where)
        check_stage(where, False, own, resolved.preset.caches)
        if resolved is not base:
            check_own_data(f"{at}.{where}", method, base.methods[name], resolved.preset, base.preset)
        return resolved.preset.model_copy(update={method.schedule: own})


def _merged(content: dict[str, Any], preset: dict[str, Any], part: str) -> Any:
    """The top-level entries with the preset's keys laid over theirs; anything malformed is left for validation."""
    entries, changes = content[part], preset[part]
    if not (isinstance(entries, dict) and isinstance(changes, dict)):
        return entries
    return entries | {
        name: overlaid(entries[name], change)
        for name, change in changes.items()
        if isinstance(change, dict) and isinstance(entries.get(name), dict)
    }
