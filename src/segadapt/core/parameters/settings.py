"""A preset in one of its settings, with nothing left to look up: what a planner works from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from segadapt.core.parameters.methods import MethodEntry, Protocol, Sweep
from segadapt.core.parameters.presets import Preset, Setting
from segadapt.core.parameters.section import Section, overlaid, sentence
from segadapt.core.parameters.training import TrainingSettings

_NOT_OVERLAID = {"title", "source_paper_row", "protocol", "methods"}


@dataclass(frozen=True)
class ResolvedSetting:
    """``name`` is None for the preset as it stands; ``switches`` are those in which it leaves the protocol."""

    name: str | None
    title: str | None
    source_paper_row: str | None
    preset: Preset
    protocol: Protocol
    switches: dict[str, Any]
    methods: dict[str, MethodEntry]


def preset_in_setting(preset: Preset, setting: Setting) -> Preset:
    """The preset with the setting's keys in place of its own; ValueError naming the first key that makes no sense."""
    changes = setting.model_dump(exclude=_NOT_OVERLAID, exclude_defaults=True)
    content = preset.model_dump(exclude={"settings"})
    for name, change in changes.items():
        if isinstance(change, dict) and content[name] is None:
            # A stage that the preset lacks, joint say, is described in full by the setting.
            content[name] = {}
    return _validated(Preset, overlaid(content, changes), "")


def changed(entry: Section, change: Mapping[str, Any], where: str) -> Any:
    """A section with some keys replaced, sections key by key; ValueError, beginning with ``where``, if it is none."""
    return _validated(type(entry), overlaid(entry.model_dump(), change), where)


def training_of(preset: Preset, method: MethodEntry, where: str = "training") -> TrainingSettings:
    """The preset's section for the method's stage with the method's own keys in place of it; ValueError as above."""
    section = getattr(preset, method.schedule)
    return changed(section, method.training, where) if method.training else section


def split_row(row: str) -> tuple[str | None, str]:
    """What a user writes for a row, ``"rome/maxsquare"``, as setting and method; the setting may be None."""
    setting, _, method = row.rpartition("/")
    return setting or None, method


def sweep_cells(sweep: Sweep, methods: Mapping[str, MethodEntry], where: str) -> dict[str, tuple[float, MethodEntry]]:
    """Name of each of a sweep's cells, among the methods of its setting, to value and method; in order.

    The value that the method has anyway gives the method itself. ValueError if the parameter is no number of it.
    """
    _, name = split_row(sweep.method)
    entry, cells = methods[name], {}
    for value in sweep.values:
        cell = changed(entry, _nested(entry, sweep.parameter, value, where), where)
        own = name if cell == entry else f"{name}-{sweep.parameter}-{value:g}"
        cells[own] = (value, cell)
    if len(cells) != len(sweep.values):
        raise ValueError(f"{where}.values: a value stands there twice; list each once")
    return cells


def with_sweeps(
    methods: dict[str, MethodEntry], setting: str | None, sweeps: Iterable[tuple[str, Sweep]]
) -> dict[str, MethodEntry]:
    """The methods of a setting and the cells of its sweeps."""
    found = dict(methods)
    for where, sweep in sweeps:
        if split_row(sweep.method)[0] == setting:
            found |= {name: cell for name, (_, cell) in sweep_cells(sweep, methods, where).items()}
    return found


def _nested(entry: MethodEntry, parameter: str, value: float, where: str) -> dict[str, Any]:
    at: Any = entry.model_dump()
    keys = parameter.split(".")
    for key in keys:
        if not isinstance(at, dict) or key not in at:
            raise ValueError(f"{where}.parameter: the method has no '{parameter}' to vary; name one of its numbers")
        at = at[key]
    # A count is no float, and a sweep's values are; a float stays one, for jobs tell 1.0 from 1.
    change: Any = int(value) if value.is_integer() and not isinstance(at, float) else value
    for key in reversed(keys):
        change = {key: change}
    return change


def _validated(kind: type[Section], content: Mapping[str, Any], where: str) -> Any:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        told = sentence(first)
        raise ValueError((f"{where}." if first["loc"] else f"{where}: ") + told if where else told) from error
