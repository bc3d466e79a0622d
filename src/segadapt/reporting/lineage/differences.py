"""What a run did otherwise than its protocol's bundle, its method's entry and the defaults say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from segadapt.core.parameters import (
    MethodEntry,
    ModelSettings,
    Precision,
    Protocol,
    TrainingSettings,
    read_parameters,
    split_row,
)
from segadapt.core.parameters.root import ORACLE
from segadapt.core.parameters.section import Section
from segadapt.reporting.lineage.explain import Explanation
from segadapt.reporting.lineage.trace import Record

_SECTIONS = ("method", "lambda_rule", "round", "training", "protocol", "model", "precision")
_DEFAULTS = {"training": TrainingSettings, "model": ModelSettings, "precision": Precision}

Expected = dict[str, tuple[Any, str]]
"""Dotted key to its value and to where that value stands."""


def resolved(training: Record, table: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a training job read, and the table's part of the protocol, by dotted key.

    Args:
        training: The job's record.
        table: The table job's configuration.
    """
    config = training["identity"]["config"]
    switches = {name: each[name] for each in (config, table) for name in Protocol.model_fields if name in each}
    sections = config | {"protocol": config.get("protocol", {}) | switches}
    return {
        f"{section}.{key}": value for section in _SECTIONS for key, value in flat(sections.get(section) or {}).items()
    }


def differences(found: Explanation, parameters: Path) -> list[str]:
    """One line for each key of the row's runs that is not as one expects.

    Expected are: the switches of the protocol that the table names, the method's entry at the top level of
    ``parameters`` (a preset, a setting or a sweep may change it), the preset's numbers for a row in a setting, and
    the defaults, which are the paper's, for the others.

    Raises:
        UserError: if ``parameters`` cannot be read.
    """
    content, lines = read_parameters(parameters), {}
    for job in found.trainings:
        expected = _expected(content, found, job["identity"])
        values = resolved(job, found.config)
        # What was trained with follows from what the entry says.
        if "lambda_rule.lambda_target" in values:
            values["method.lambda_target"] = values["lambda_rule.lambda_target"]
        for key, value in values.items():
            if key in expected and expected[key][0] != value:
                wanted, where = expected[key]
                lines[f"{key}: {value}, not {wanted} ({where})"] = None
            elif key not in expected and key.startswith("method.") and _at(content, _entry(_row(found))):
                lines[f"{key}: {value}, not set in {_entry(_row(found))}"] = None
    return list(lines)


def flat(section: Mapping[str, Any]) -> dict[str, Any]:
    """Nested keys as dotted paths, in their order; an empty mapping is a value."""
    found = {}
    for key, value in section.items():
        inner = flat(value) if isinstance(value, dict) else {}
        found |= {f"{key}.{below}": each for below, each in inner.items()} or {key: value}
    return found


def _expected(content: Mapping[str, Any], found: Explanation, job: Mapping[str, Any]) -> Expected:
    row, expected = _row(found), {}
    for section, model in _DEFAULTS.items():
        _add(expected, section, _defaults(model), "default")
    if row["setting"] is not None:
        preset = f"presets.{found.config['preset']}"
        stage = ORACLE if row["method"] == ORACLE else job["stage"]
        for section, where in (("training", f"{preset}.{stage}"), ("model", f"{preset}.model")):
            _add(expected, section, _at(content, where), where)
    bundle = f"protocols.{found.config['protocol']}"
    _add(expected, "protocol", _at(content, bundle), bundle)
    entry = _at(content, _entry(row))
    if entry:
        entry = _with_defaults(entry)
        _add(expected, "method", entry, _entry(row))
        # A part that the run does without is one key there: null.
        parts = {name: value for name, value in entry.items() if isinstance(value, dict)}
        expected |= {f"method.{name}": (value, _entry(row)) for name, value in parts.items()}
    return expected


def _row(found: Explanation) -> Mapping[str, Any]:
    """The row; records of an earlier segadapt say of it no more than its key."""
    setting, method = split_row(found.key)
    return {"setting": setting, "method": method} | found.row


def _entry(row: Mapping[str, Any]) -> str:
    """Where a row's method stands."""
    return f"methods.{row['method']}"


def _add(expected: Expected, section: str, values: Mapping[str, Any], where: str) -> None:
    expected |= {f"{section}.{key}": (value, where) for key, value in flat(values).items()}


def _at(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The mapping at a dotted path; empty where there is none."""
    value: Any = content
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}


def _with_defaults(entry: dict[str, Any]) -> dict[str, Any]:
    try:
        return MethodEntry.model_validate(entry).model_dump(mode="json")
    except ValidationError:
        # Whatever the file has become: what stands in it is compared as it is.
        return entry


def _defaults(model: type[Section]) -> dict[str, Any]:
    fields = {name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()}
    return {
        name: value.model_dump(mode="json") if isinstance(value, Section) else value
        for name, value in fields.items()
        if value is not PydanticUndefined
    }
