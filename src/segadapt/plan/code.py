"""A hash of exactly the code that can change a job's numbers.

The import closure of a job's script is read statically, inside this package only, and hashed by
syntax tree: comments, docstrings and formatting change nothing. A name that a package re-exports
is followed to the module that defines it, so adding a loss does not touch jobs that use another.
What a job imports because its configuration says so is found in the same way (``segadapt.core.chosen``).
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from segadapt.core.chosen import Chosen
from segadapt.core.errors import UserError
from segadapt.core.parameters import in_file

PACKAGE = "segadapt"
ROOT = Path(__file__).resolve().parent.parent

# Messages, locks and file plumbing: an edit there cannot change a number, only whether a job fails. Where ``chosen``
# says otherwise what is imported, it says so here, too.
NEUTRAL = {
    f"{PACKAGE}.core.{name}"
    for name in ("artifacts", "chosen", "errors", "events", "job", "locking", "parameters", "progress", "provenance")
} | {f"{PACKAGE}.data.shipped.sources", f"{PACKAGE}.stages.runner"}


def code_hash(module: str, config: Mapping[str, Any] | None = None) -> str:
    """Hex digest over the import closure of a fully named module in a job of that configuration.

    UserError for a module that the configuration chooses and that has no file.
    """
    modules = frozenset([module])
    while True:
        chosen = frozenset(name for each in _choices(modules) for name in each.modules(config or {}, ROOT))
        if chosen <= modules:
            return _code_hash(modules)
        modules |= chosen


@cache
def _code_hash(modules: frozenset[str]) -> str:
    digest = hashlib.sha256()
    for module in sorted(_closure(modules)):
        digest.update(f"{module}\n{_module_hash(module)}\n".encode())
    return digest.hexdigest()[:20]


@cache
def _choices(modules: frozenset[str]) -> list[Chosen]:
    """What the modules and all that they import may import by name: the constants ``NAME = Chosen(...)``."""
    found = []
    for module in sorted(_closure(modules)):
        for node in _tree(module).body:
            call = node.value if isinstance(node, ast.Assign) else None
            if isinstance(call, ast.Call) and ast.unparse(call.func) == Chosen.__name__:
                found.append(Chosen(*map(ast.literal_eval, call.args)))
    return found


def require_file(package: str, name: str, where: str, defines: Callable[[str], str] | None = None) -> None:
    """UserError, with the names there are, unless a package has a module of that name.

    ``defines`` tells, of a module's name, the class that it must hold.
    """
    folder = ROOT.joinpath(*package.split(".")[1:])
    known = [path.stem for path in sorted(folder.glob("[a-z]*.py"))]
    if name not in known or not _defines(f"{package}.{name}", defines and defines(name)):
        known = [each for each in known if _defines(f"{package}.{each}", defines and defines(each))]
        raise UserError(f"{in_file(where)}: '{name}' has no file in segadapt; known are {', '.join(known)}")


def _defines(module: str, name: str | None) -> bool:
    return name is None or any(isinstance(each, ast.ClassDef) and each.name == name for each in module_body(module))


def module_body(module: str) -> list[ast.stmt]:
    """The statements of a module, which is not imported; UserError if there is none, or for a slip in it."""
    return _tree(module).body


def functions_of(module: str) -> set[str]:
    """The names of the functions that a module defines, by its text."""
    return {node.name for node in _tree(module).body if isinstance(node, ast.FunctionDef)}


def constant_of(module: str, name: str) -> Any:
    """The value of a constant that a module writes out, by its text; KeyError if it has none of that name."""
    values = {ast.unparse(node.targets[0]): node.value for node in _tree(module).body if isinstance(node, ast.Assign)}
    return ast.literal_eval(values[name])


def _closure(modules: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and not _is_neutral(module):
            found.add(module)
            waiting.extend(_imports(module))
    return found


def _is_neutral(module: str) -> bool:
    return any(module == each or module.startswith(each + ".") for each in NEUTRAL)


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise UserError(f"{module.replace('.', '/')}.py is not there; correct the name in params.yaml, or write it")
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}; correct this line") from error


def _import_statements(module: str) -> list[ast.AST]:
    """All of them, wherever they stand. Expressions, most of a tree, hold no statement and are passed over."""
    nodes: list[ast.AST] = [_tree(module)]
    for node in nodes:
        nodes.extend(each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.expr))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


@cache
def _imports(module: str) -> frozenset[str]:
    found = set()
    for node in _import_statements(module):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith(PACKAGE) and _path(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith(PACKAGE):
            found.update(_defining_module(node.module, alias.name) for alias in node.names)
    return frozenset(found)


def _defining_module(package: str, name: str) -> str:
    """The module that ``from package import name`` really depends on."""
    if _path(f"{package}.{name}") is not None:
        return f"{package}.{name}"
    path = _path(package)
    if path is not None and path.name == "__init__.py":
        for node in _import_statements(package):
            if isinstance(node, ast.ImportFrom) and any((each.asname or each.name) == name for each in node.names):
                original = next(each.name for each in node.names if (each.asname or each.name) == name)
                if (node.module or "").startswith(PACKAGE):
                    return _defining_module(node.module, original)
    return package


@cache
def _module_hash(module: str) -> str:
    digest = hashlib.sha256()
    _feed(_tree(module), digest)
    return digest.hexdigest()


def _feed(node: object, digest) -> None:
    """Feeds a syntax tree without positions, docstrings and empty fields.

    Empty fields are left out because newer Pythons add some; the hash must not depend on them.
    """
    if isinstance(node, ast.AST):
        digest.update(f"({type(node).__name__}".encode())
        for field, value in ast.iter_fields(node):
            if field == "body" and isinstance(value, list):
                value = [each for each in value if not _is_docstring(each)]
            if value is not None and value != [] and field not in ("type_comment", "kind"):
                digest.update(f".{field}".encode())
                _feed(value, digest)
        digest.update(b")")
    elif isinstance(node, list):
        for each in node:
            _feed(each, digest)
    else:
        digest.update(repr(node).encode())


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
