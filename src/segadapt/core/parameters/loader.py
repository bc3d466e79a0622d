"""Reads ``params.yaml`` the way every reader must: YAML 1.2 scalars, no duplicate keys, typed.

Snakemake reads YAML 1.1 and DVC 1.2: ``1e-4``, ``off``, ``0123`` and ``12:30`` differ between
them, and duplicate keys pass one of them in silence. This loader takes the 1.2 meaning, and
Snakemake is handed its result instead of the file.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ValidationError

from segadapt.core.errors import UserError
from segadapt.core.files import require_regular
from segadapt.core.parameters.root import Parameters
from segadapt.core.parameters.section import in_file, overlaid, sentence
from segadapt.core.parameters.text import unwritable

MOST_VALUES = 1_000_000
"""In a file, aliases written out. Ours has about 2,000; ten lines of aliases of aliases make thousands of millions."""


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 and without duplicate keys."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice in one mapping; keep one", key_node.start_mark
                )
        return super().construct_mapping(node, deep)


_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
for _tag, _pattern in (
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("null", r"~|null|Null|NULL|"),
    ("int", r"[-+]?[0-9]+"),
    ("float", _FLOAT),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), None)
_StrictLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def load_parameters(path: Path | str = "params.yaml", overrides: Mapping[str, Any] | None = None) -> Parameters:
    """The validated parameters of a file and the presets beside it, with nested ``overrides`` laid over them.

    Numbers may stand in the overrides as text, as Snakemake hands over ``--config 'seeds=[1]'``.

    UserError names the file, the key's path and the mend for: a missing file, bad YAML, duplicate
    keys, unknown keys, wrong types, and combinations that make no sense.
    """
    return parameters_from(overlaid(read_parameters(path), _scalars(overrides or {})), str(path), in_files=True)


def read_parameters(path: Path | str = "params.yaml") -> dict[str, Any]:
    """What stands in the file, and under ``presets`` what stands in each ``presets/*.yaml`` beside it; not validated.

    UserError for a file as in ``read_mapping``, for presets in the file itself, where DVC does not look, and if there
    are none.
    """
    content, folder = read_mapping(path), Path(path).parent / "presets"
    if "presets" in content:
        raise UserError(f"{path}: presets: each stands in a file of its own; move presets.NAME to {folder}/NAME.yaml")
    files = sorted(file for file in folder.glob("*.yaml") if not file.name.startswith("."))
    if not files:
        raise UserError(f"{folder}: holds no preset; write one as NAME.yaml there, and run from the folder of both")
    return content | {"presets": {file.stem: read_mapping(file) for file in files}}


def read_mapping(path: Path | str) -> dict[str, Any]:
    """What stands in a file, not validated; UserError if it is missing, bad YAML or no mapping."""
    if Path(path).exists():
        require_regular(Path(path), "the parameters")
    try:
        content = _StrictLoader(Path(path).read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; run from the folder that holds it") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: {_one_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must be a mapping of sections (preset, seeds, methods, ...), not {content!r}")
    if (count := _written_out(content, {})) > MOST_VALUES:
        raise UserError(f"{path}: its aliases (*name) stand for {count:.0e} values; write out what is meant")
    return content


def _written_out(value: Any, known: dict[int, int]) -> int:
    """How many values there are if every alias is written out; ``known`` has those of what was met before, by id."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if id(value) not in known:
        known[id(value)] = 1  # of a section that holds itself
        known[id(value)] = 1 + sum(_written_out(each, known) for each in parts)
    return known[id(value)]


def parameters_from(content: Mapping[str, Any], where: str, *, in_files: bool = False) -> Parameters:
    """Validates a mapping; UserError lists every offending key with its path, and its file if presets have files."""
    try:
        refused = list(unwritable(content))
    except RecursionError as error:
        raise UserError(f"{where}: a section holds itself (an alias, *name); write it out") from error
    try:
        if not refused:
            return Parameters.model_validate(content)
    except ValidationError as error:
        refused = [sentence(each) for each in error.errors()]
    raise UserError("\n".join(in_file(told, where) if in_files else f"{where}: {told}" for told in refused))


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) that editors and Snakemake validate against."""
    schema = Parameters.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _scalars(value: Any) -> Any:
    """Text that stands for another scalar of YAML becomes that scalar."""
    if isinstance(value, Mapping):
        return {key: _scalars(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_scalars(each) for each in value]
    if not isinstance(value, str) or not value:
        return value
    loader = _StrictLoader("")
    node = yaml.ScalarNode(loader.resolve(yaml.ScalarNode, value, (True, False)), value)
    return loader.construct_object(node) if not node.tag.endswith(":str") else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
