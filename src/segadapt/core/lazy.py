"""Names that a package offers and imports only when they are asked for (PEP 562).

A package file that imports its modules makes every user of one of them pay for all; torch alone takes seconds. So a
package writes its imports under ``if TYPE_CHECKING``, where editors, ``plan/code.py`` and this module read them:

    if TYPE_CHECKING:
        from segadapt.evaluation.confusion import ConfusionMatrix

    __getattr__ = exports(__name__, __file__)

A name may not be that of a module of the package, which Python would put in its place.
"""

import ast
import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def exports(package: str, file: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package file: an exported name is imported from the module that it is written to be in.

    AttributeError, as of any module, for a name that the file does not import.
    """

    def get(name: str) -> Any:
        module = _homes(file).get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module), name)

    return get


@cache
def _homes(file: str) -> dict[str, str]:
    """Name to module, of what the file imports for type checkers."""
    found = {}
    for node in ast.parse(Path(file).read_bytes(), file).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                assert isinstance(each, ast.ImportFrom) and each.module is not None, ast.unparse(each)
                found.update({alias.name: each.module for alias in each.names})
    return found
