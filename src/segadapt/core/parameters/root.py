"""The whole file, and the combinations in it that make no sense."""

from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from segadapt.core.parameters.methods import Experiment, MethodEntry, Protocol
from segadapt.core.parameters.presets import Preset
from segadapt.core.parameters.sizes import Name, Section, Whole, width_height

ORACLE = "oracle"
SOURCE_ROWS = ("source_only", ORACLE)
"""Rows that are no method: the source model as it is, and the one that was trained on target labels."""


class Parameters(Section):
    """``params.yaml``, validated. ``methods`` and ``experiments`` are as the active preset wants them."""

    preset: Name
    seeds: Annotated[tuple[Annotated[Whole, Field(ge=0)], ...], Field(min_length=1)]
    protocol: Name
    methods: dict[Name, MethodEntry]
    experiments: dict[Name, Experiment]
    protocols: dict[Name, Protocol]
    presets: dict[Name, Preset]

    @property
    def active_preset(self) -> Preset:
        return self.presets[self.preset]

    @property
    def active_protocol(self) -> Protocol:
        return self.protocols[self.protocol]

    @model_validator(mode="before")
    @classmethod
    def _as_the_active_preset_wants(cls, content: Any) -> Any:
        presets = content.get("presets") if isinstance(content, dict) else None
        named = isinstance(presets, dict) and isinstance(content.get("preset"), str)
        preset = presets.get(content["preset"]) if named else None
        if not isinstance(preset, dict):
            return content
        return content | {part: _merged(content, preset, part) for part in ("methods", "experiments") if part in preset}

    @model_validator(mode="after")
    def _combinations(self) -> "Parameters":
        known(self.preset, self.presets, "preset")
        known(self.protocol, self.protocols, "protocol")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: {list(self.seeds)} names a seed twice; list each once")
        for reserved in (*SOURCE_ROWS, "source", "source_multi"):
            if reserved in self.methods:
                raise ValueError(f"methods.{reserved}: this name is taken by the pipeline; choose another")
        for name, experiment in self.experiments.items():
            if name.endswith(("_protocols", "_statistics")):
                raise ValueError(
                    f"experiments.{name}: this ending is taken by the tables that go with others; rename it"
                )
            for index, row in enumerate(experiment.rows):
                known(row, [*SOURCE_ROWS, *self.methods], f"experiments.{name}.rows[{index}]")
                if row == ORACLE and self.active_preset.oracle is None:
                    raise ValueError(f"presets.{self.preset}.oracle: is missing, but experiments.{name} has that row")
                starts_anew = row in self.methods and self.methods[row].start == "initial"
                if starts_anew and self.active_preset.joint is None:
                    raise ValueError(
                        f"presets.{self.preset}.joint: is missing, but {row} in experiments.{name} starts from the "
                        "initial weights; add it, or give the method start: source"
                    )
            if len(set(experiment.rows)) != len(experiment.rows):
                raise ValueError(f"experiments.{name}.rows: a row stands there twice; list each once")
        for name, method in self.methods.items():
            _check_method(f"methods.{name}", method)
        for name, preset in self.presets.items():
            _check_preset(f"presets.{name}", preset)
            for part, entries in (("methods", self.methods), ("experiments", self.experiments)):
                for entry, change in getattr(preset, part).items():
                    known(entry, entries, f"presets.{name}.{part}")
                    _check_change(f"presets.{name}.{part}.{entry}", entries[entry], change)
        return self


def _check_change(where: str, entry: Section, change: dict[str, Any]) -> None:
    try:
        type(entry).model_validate(entry.model_dump() | change)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{where}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _merged(content: dict[str, Any], preset: dict[str, Any], part: str) -> Any:
    """The top-level entries with the preset's keys in place of theirs; anything malformed is left for validation."""
    entries, changes = content.get(part), preset[part]
    if not (isinstance(entries, dict) and isinstance(changes, dict)):
        return entries
    return entries | {
        name: entries[name] | change
        for name, change in changes.items()
        if isinstance(change, dict) and isinstance(entries.get(name), dict)
    }


def known(name: str, names, where: str) -> None:
    """ValueError, with the names there are, unless ``name`` is one of them."""
    if name not in names:
        raise ValueError(f"{where}: '{name}' is not defined; known are {', '.join(names)}")


def _check_method(where: str, method: MethodEntry) -> None:
    if method.target_loss is None:
        for key in ("lambda_target", "image_weight", "guidance"):
            if getattr(method, key):
                raise ValueError(f"{where}.{key}: has no effect without target_loss; name a target_loss or drop it")
    elif method.lambda_target == 0 and method.guidance is not None:
        raise ValueError(f"{where}.guidance: is scaled by lambda_target, which is 0; raise it or drop guidance")
    game = method.adversarial
    if game is not None and game.lambda_final == game.lambda_low == 0:
        raise ValueError(f"{where}.adversarial: has no effect, for both its lambdas are 0; raise one or drop it")


def _check_crop(where: str, crop: str | None, size: str) -> None:
    pairs = zip(width_height(crop or size), width_height(size), strict=True)
    if any(wanted > there for wanted, there in pairs):
        raise ValueError(f"{where}: {crop} does not fit into images of {size}; choose a smaller window")


def _check_preset(where: str, preset: Preset) -> None:
    for name, dataset in preset.datasets.items():
        if (dataset.root is None) == (dataset.render is None):
            raise ValueError(f"{where}.datasets.{name}: needs either root (your folder) or render (built-in data)")
    for name, cache in preset.caches.items():
        known(cache.dataset, preset.datasets, f"{where}.caches.{name}.dataset")
        render = preset.datasets[cache.dataset].render
        if render is not None:
            known(cache.split, render.splits, f"{where}.caches.{name}.split")
        if cache.native_labels and not cache.labels:
            raise ValueError(f"{where}.caches.{name}.native_labels: needs labels: true")
    for stage in ("pretrain", "adapt", "refine", "joint", "oracle"):
        settings = getattr(preset, stage)
        if settings is None:
            continue
        known(settings.source, preset.caches, f"{where}.{stage}.source")
        if not preset.caches[settings.source].labels:
            raise ValueError(f"{where}.{stage}.source: cache '{settings.source}' has no labels; set labels: true")
        if settings.target is not None:
            known(settings.target, preset.caches, f"{where}.{stage}.target")
        if stage in ("pretrain", "oracle") and settings.target is not None:
            raise ValueError(f"{where}.{stage}.target: this stage trains on source alone; drop this key")
        if stage in ("adapt", "refine", "joint") and settings.target is None:
            raise ValueError(f"{where}.{stage}.target: is missing; name the cache of target images")
        for name in filter(None, (settings.source, settings.target)):
            _check_crop(f"{where}.{stage}.crop", settings.crop, preset.caches[name].size)
        if settings.snapshots and stage in ("pretrain", "oracle"):
            raise ValueError(f"{where}.{stage}.snapshots: only adapt, refine and joint keep them; drop this key")
        if settings.snapshots >= settings.steps:
            raise ValueError(f"{where}.{stage}.snapshots: must be fewer than steps ({settings.steps})")
        if settings.horizon < settings.steps:
            raise ValueError(f"{where}.{stage}.horizon: must be at least steps ({settings.steps})")
    for key in ("evaluate_on", "evaluate_refined_on"):
        name = getattr(preset, key)
        if name is not None:
            known(name, preset.caches, f"{where}.{key}")
            if not preset.caches[name].native_labels:
                raise ValueError(f"{where}.{key}: cache '{name}' needs labels and native_labels: true")
