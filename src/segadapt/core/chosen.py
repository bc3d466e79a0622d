"""Modules that a job's configuration chooses: a method's file, a network's file, a data set's file.

Whoever imports such a module says in a constant of its own file which, and which key of the configuration chooses it:

    TARGET_LOSS = Chosen("method.target_loss", "segadapt.methods.{}")

``plan/code.py`` reads these constants from the text, so that what a job will import is part of its code without
anybody's doing. Nothing else in the package imports by name.
"""

import ast
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from segadapt.core.errors import UserError

ROOT = Path(__file__).resolve().parent.parent


def class_name(module: str) -> str:
    """The class that a file of a method holds: ``max_squares`` has ``MaxSquares``."""
    return "".join(part.capitalize() for part in module.split("_"))


@dataclass(frozen=True)
class Chosen:
    """``key`` is the place in a configuration, ``pattern`` a module with ``{}`` for what stands there.

    With nothing there, or null, no module is chosen. ``others`` are the modules of values that have another one.
    With ``table`` the values are no modules' names: each of the modules defines a mapping of that name, written out,
    and the one that has the value as a key is chosen, wherever in the configuration the key is found.
    """

    key: str
    pattern: str
    others: Mapping[str, str] = field(default_factory=dict)
    table: str = ""

    def modules(self, config: Mapping[str, Any], root: Path = ROOT) -> set[str]:
        """The full names of the modules that a configuration chooses; by the text of the package's files in ``root``.

        UserError for a value that is in no table.
        """
        values = [each for each in _values(config, self.key.split("."), bool(self.table)) if each is not None]
        if not self.table:
            return {self._of(each) for each in values}
        homes = self.homes(root)
        for value in values:
            if value not in homes:
                raise self._unknown(value, homes)
        return {homes[each] for each in values}

    def homes(self, root: Path = ROOT) -> dict[str, str]:
        """Value to module, of all that stands in the tables of the files in ``root``."""
        return _homes(self.pattern, self.table, root)

    def load(self, value: Any) -> ModuleType:
        """Imports the module of a value of the key; UserError if there is none."""
        if self.table:
            found = [importlib.import_module(module) for module in _fitting(self.pattern, ROOT)]
            tables = {module: getattr(module, self.table, {}) for module in found}
            for module, table in tables.items():
                if value in table:
                    return module
            raise self._unknown(value, [key for table in tables.values() for key in table])
        module = self._of(value)
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise UserError(f"{self.key} '{value}' has no file {module.replace('.', '/')}.py; correct it") from error

    def _of(self, value: Any) -> str:
        other = self.others.get(value) if isinstance(value, str) else None
        return other or self.pattern.format(value)

    def _unknown(self, value: Any, known) -> UserError:
        return UserError(f"{self.key.rpartition('.')[2]} {value!r} is unknown; use one of {', '.join(sorted(known))}")


def _values(config: Any, parts: list[str], anywhere: bool) -> Iterator[Any]:
    """What stands at the place; with ``anywhere``, at that place in any part of the configuration."""
    value = config
    for part in parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    yield value
    if anywhere:
        inner = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
        for each in inner:
            yield from _values(each, parts, anywhere)


def _fitting(pattern: str, root: Path) -> list[str]:
    """The modules that fit a pattern."""
    package = pattern.removesuffix(".{}")
    folder = root.joinpath(*package.split(".")[1:])
    return [f"{package}.{path.stem}" for path in sorted(folder.glob("[a-z]*.py"))]


@cache
def _homes(pattern: str, table: str, root: Path) -> dict[str, str]:
    return {
        key: module
        for module in _fitting(pattern, root)
        for key in _keys(root.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text(), table)
    }


@cache
def _keys(text: str, table: str) -> tuple[str, ...]:
    """The keys of the mapping ``table`` that a module's text writes out; none if it has no such mapping."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == table and isinstance(node.value, ast.Dict):
            return tuple(ast.literal_eval(key) for key in node.value.keys)
    return ()
