"""The house rules that a machine can check: sizes, floors, bans, style of Python and of the workflow."""

import ast
import json
import re
import runpy
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tiny

from segadapt.core.stages import STAGES
from segadapt.plan.code import _closure

SOURCE = tiny.REPOSITORY / "src" / "segadapt"
MODULES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((tiny.REPOSITORY / "tests").rglob("*.py"))
# Upper floors may import lower ones. ``plan`` stands beside ``stages``: it reads parameters and knows all jobs.
FLOORS = ["core", "data", "models", "losses", "methods", "training", "reporting", "plan", "stages", "commands"]
FLOOR = {name: level for level, name in enumerate(FLOORS)} | dict.fromkeys(
    ("evaluation", "selftraining"), FLOORS.index("training")
)


def package_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_and_know_no_engine(path):
    own = FLOOR.get(package_of(path), len(FLOORS))
    for name in imported(path):
        top, *rest = name.split(".")
        assert top not in {"snakemake", "dvc", "ruamel"}, f"{path} imports an engine"
        assert top != "torchvision" or path.name == "torchvision.py", f"{path}: use segadapt.core.torchvision"
        if top == "segadapt" and rest and rest[0] in FLOOR:
            assert FLOOR[rest[0]] <= own, f"{path} imports {name}, which is above it"


@pytest.mark.parametrize(
    "module",
    sorted({stage.module for stage in STAGES.values() if not stage.trains})
    + [f"segadapt.commands.{name}" for name in ("check", "evaluate", "import_weights", "predict")],
)
def test_what_trains_nothing_imports_nothing_of_training(module):
    """Wherever the imports stand, in functions too; what a configuration chooses is none of training."""
    assert not {each for each in _closure([module]) if each.split(".")[1] in ("training", "methods")}


def test_sizes():
    lines = {path: len(path.read_text().splitlines()) for path in (*MODULES, *TESTS)}
    assert {str(path): count for path, count in lines.items() if count > 350} == {}
    for path in MODULES:
        count = lines[path]
        if package_of(path) == "methods":
            assert count <= 80, path
        if path.parent.name == "stages" and path.stem != "runner":
            assert count <= 60, path


def test_no_flat_package_has_more_than_20_modules():
    counts = Counter(str(path.parent.relative_to(SOURCE)) for path in MODULES if path.stem != "__init__")
    assert {name: count for name, count in counts.items() if count > 20} == {}


def is_a_stage(node: ast.AST) -> bool:
    """Whether an expression is a job's or a record's stage."""
    return isinstance(node, ast.Attribute | ast.Subscript) and ast.unparse(node).endswith((".stage", "['stage']"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_stage_is_looked_for_by_a_name_of_its_own(path):
    """Only who plans a stage's jobs writes its name; the others take it from the registry, ``core/stages.py``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare | ast.Call) and any(map(is_a_stage, ast.iter_child_nodes(node))):
            spelled = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)} & STAGES.keys()
            assert not spelled, f"{path}:{node.lineno}: {', '.join(spelled)}"


def test_the_workflow_spells_no_stage():
    for path in (tiny.REPOSITORY / "Snakefile", *(tiny.REPOSITORY / "workflow/rules").glob("*.smk")):
        found = re.findall(r"""["']([a-z_]+)["']|segadapt\.stages\.([a-z_]+)""", path.read_text())
        assert not {name for each in found for name in each} & STAGES.keys(), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_that_can_run_foreign_code(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            assert name not in {"eval", "exec", "yaml.load", "os.system"}, f"{path}:{node.lineno}"
            if name == "torch.load":
                weights_only = keywords.get("weights_only")
                assert isinstance(weights_only, ast.Constant) and weights_only.value is True, f"{path}:{node.lineno}"
                assert path.parent.name == "importing", f"{path}: read foreign files in models/importing/reading.py"
            # Without a list Pillow tries all it knows, and starts Ghostscript for PostScript.
            assert name != "Image.open" or "formats" in keywords, f"{path}:{node.lineno}: use data/shipped/pictures.py"
            assert not name.startswith("pickle."), f"{path}:{node.lineno}"
            assert "shell" not in keywords, f"{path}:{node.lineno}"
            assert not name.endswith("extractall") or "filter" in keywords, f"{path}:{node.lineno}"


PAGE = tiny.REPOSITORY / "docs/architecture.md"


def test_the_page_of_the_house_names_files_that_are_there():
    text = PAGE.read_text()
    assert len(text.splitlines()) <= 80
    named = re.findall(r"`((?:src|tests|workflow|docs)/[^`<>*]*)`", text)
    assert len(named) > 10 and not [path for path in named if not (tiny.REPOSITORY / path).exists()]


def test_the_picture_of_the_house_is_what_the_code_says():
    script = tiny.REPOSITORY / "docs/images/architecture.py"
    drawing = runpy.run_path(str(script))
    found = drawing["contents"]()
    picture = ElementTree.parse(script.with_suffix(".svg"))
    (about,) = picture.iter("{http://purl.org/dc/elements/1.1/}description")
    assert json.loads(about.text) == found, "python docs/images/architecture.py draws it anew"
    drawn = {text.get_text().replace(" ", "_") for axis in drawing["draw"](found).axes for text in axis.texts}
    assert drawn >= {*found["phases"], *chain(*found["phases"].values()), *chain(*found["floors"])}


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("snakefmt", "--check", "Snakefile", "workflow/rules"),
        ("snakemake", "--lint"),
    ],
    ids=" ".join,
)
def test_style(command, tmp_path):
    project = tmp_path / "project"
    tiny.make_project(project)
    for name in ("tests", "pyproject.toml"):
        (project / name).symlink_to(tiny.REPOSITORY / name)
    result = tiny.call(project, sys.executable, "-m", *command, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
