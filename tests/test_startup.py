"""What starts often imports little: no torch where no tensor is needed, and package files that import on demand."""

import ast
import importlib
import sys
import types

import pytest
import tiny

from segadapt.core import lazy
from segadapt.plan import code

SOURCE = tiny.REPOSITORY / "src" / "segadapt"
LAZY = sorted(path for path in SOURCE.rglob("__init__.py") if "__getattr__" in path.read_text())

# Told in one process, lightest first, for nothing is ever unloaded.
LIGHT = """
import contextlib, importlib, io, sys

def without(what, *heavy):
    found = set(heavy) & sys.modules.keys()
    assert not found, f"{what} imports {', '.join(sorted(found))}"

def quietly(main, arguments, status=0):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = main(arguments)
    except SystemExit as error:
        found = error.code or 0
    assert found == status, f"{arguments}: {found}"

HEAVY = ("torch", "scipy", "sklearn", "matplotlib", "pandas")
from segadapt.cli import main
quietly(main, ["--help"])
without("segadapt --help", *HEAVY, "numpy", "pydantic")
quietly(main, ["status"])
without("segadapt status", *HEAVY)
for module in ("stages.render", "data.streets.dataset", "data.digits.dataset", "stages.prepare"):
    importlib.import_module(f"segadapt.{module}")
    without(module, *HEAVY)
from snakemake.cli import main as snakemake
quietly(snakemake, ["-n", "--cores", "1"])
without("snakemake -n", *HEAVY)
for module in ("stages.table", "reporting.tables.main", "reporting.tables.scoring", "reporting.tables.costs"):
    importlib.import_module(f"segadapt.{module}")
    without(module, "torch", "scipy", "matplotlib")
quietly(main, ["show", sys.argv[1]])
without("segadapt show", "torch", "scipy", "matplotlib")
for figure in ("bars", "curves", "frequency", "robustness"):
    importlib.import_module(f"segadapt.reporting.figures.{figure}")
    without(figure, "torch", "scipy")
for table in ("statistics", "measures"):
    importlib.import_module(f"segadapt.reporting.tables.{table}")
    without(table, "torch")
for stage in ("train", "evaluate"):
    importlib.import_module(f"segadapt.stages.{stage}")
from segadapt.models import deeplabv2, open_model, save_model
save_model("model.safetensors", deeplabv2("streets"), {})
open_model("model.safetensors")[0]
# A lazy import of torch's own: as long as torch itself, in every job.
without("a network", "sympy", "torch._dynamo", "torchvision")
"""


def test_no_torch_where_no_tensor_is_needed(tmp_path):
    project = tiny.make_project(tmp_path / "project")
    table = tiny.REPOSITORY / "results" / "camvid" / "table2.csv"
    assert tiny.call(project, sys.executable, "-c", LIGHT, str(table)).returncode == 0


def test_there_are_packages_that_import_on_demand():
    assert {path.parent.name for path in LAZY} >= {"evaluation", "models", "reporting"}


@pytest.mark.parametrize("path", LAZY, ids=lambda path: path.parent.name)
def test_every_export_is_what_its_module_defines(path):
    name = "segadapt." + ".".join(path.parent.relative_to(SOURCE).parts)
    package = importlib.import_module(name)
    homes = lazy._homes(str(path))
    for each in homes:
        found = getattr(package, each)
        # The hash of the code follows the name to the very module it comes from.
        assert code._defining_module(name, each) == homes[each]
        if not isinstance(found, types.UnionType):
            assert getattr(found, "__module__", homes[each]) == homes[each]
        assert not isinstance(found, types.ModuleType)
        assert code._path(f"{name}.{each}") is None, f"{name}.{each} is a module too, which would hide the name"


@pytest.mark.parametrize("path", LAZY, ids=lambda path: path.parent.name)
def test_such_a_package_file_imports_nothing_else(path):
    imported = [ast.unparse(node) for node in ast.parse(path.read_text()).body if "Import" in type(node).__name__]
    assert imported == ["from typing import TYPE_CHECKING", "from segadapt.core.lazy import exports"]


def test_a_name_that_is_not_exported_is_an_attribute_error():
    package = importlib.import_module("segadapt.evaluation")
    with pytest.raises(AttributeError, match=r"'segadapt\.evaluation' has no attribute 'no_such_name'"):
        package.no_such_name  # noqa: B018
    with pytest.raises(ImportError, match="no_such_name"):
        from segadapt.evaluation import no_such_name  # noqa: F401
