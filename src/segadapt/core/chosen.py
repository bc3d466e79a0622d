"""Modules that a job's configuration chooses: a method's file, a data set's file.

Whoever imports such a module says in a constant of its own file which, and which key of the configuration chooses it:

    TARGET_LOSS = Chosen("method.target_loss", "segadapt.methods.{}")

``plan/code.py`` reads these constants from the text, so that what a job will import is part of its code without
anybody's doing. Nothing else in the package imports by name.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from segadapt.core.errors import UserError


@dataclass(frozen=True)
class Chosen:
    """``key`` is the place in a configuration, ``pattern`` a module with ``{}`` for what stands there.

    With nothing there, or null, no module is chosen. ``others`` are the modules of values that have another one.
    """

    key: str
    pattern: str
    others: Mapping[str, str] = field(default_factory=dict)

    def module(self, config: Mapping[str, Any]) -> str | None:
        """The full name of the module that a configuration chooses."""
        value: Any = config
        for part in self.key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return None if value is None else self._of(value)

    def load(self, value: Any) -> ModuleType:
        """Imports the module of a value of the key; UserError if there is none."""
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
