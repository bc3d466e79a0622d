"""The hash of the code: an edit reaches exactly the jobs whose numbers it can change."""

import ast
import shutil
from dataclasses import replace

import pytest
from test_plan import METHODS, below, plan_of
from tiny import REPOSITORY, tiny_parameters

from segadapt.core import chosen
from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.datasets import dataset_module
from segadapt.plan import code, make_plan, methods

REMEMBERED: dict[tuple, object] = {}


def forget() -> None:
    """Empties the caches of the code hash, as a new process would."""
    for cached in (code._imports, code._code_hash, code._choices, chosen._homes, methods.options_of):
        cached.cache_clear()


def by_content(function):
    """The function of a module's name, computed once for a text and for every copy of it."""

    def found(module):
        key = (function, module, code._path(module).read_bytes())
        if key not in REMEMBERED:
            REMEMBERED[key] = function.__wrapped__(module)
        return REMEMBERED[key]

    return found


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that the plan hashes instead of the real one."""
    copy = tmp_path / "segadapt"
    shutil.copytree(REPOSITORY / "src" / "segadapt", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", copy)
    for name in ("_tree", "_module_hash"):
        monkeypatch.setattr(code, name, by_content(getattr(code, name)))
    forget()
    yield copy
    forget()


def codes() -> dict[str, str]:
    """The code hash of every job, read anew."""
    forget()
    return {job.name: job.code for job in plan_of().jobs}


def changed(before: dict[str, str]) -> set[str]:
    """Names of the jobs whose code hash is not what it was."""
    return {name for name, value in codes().items() if before.get(name) != value}


class OtherDocstrings(ast.NodeTransformer):
    """Replaces every docstring."""

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value = ast.Constant("Other words.")
        return node


class OneNumberMore(ast.NodeTransformer):
    """Adds one to the first number."""

    done = False

    def visit_Constant(self, node):
        if not self.done and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            self.done = True
            return ast.Constant(node.value + 1)
        return node


def test_comments_docstrings_and_formatting_change_no_hash(package):
    before = codes()
    for path in package.rglob("*.py"):
        tree = OtherDocstrings().visit(ast.parse(path.read_text()))
        path.write_text("# A comment.\n\n\n" + ast.unparse(tree).replace("\n\n", "\n\n\n# Another.\n"))
    assert changed(before) == set()


def test_one_changed_number_in_any_module_changes_its_hash(package):
    modules = code._closure(("segadapt.stages.train", "segadapt.methods.entropy", "segadapt.stages.render"))
    tried = 0
    for module in sorted(modules):
        path = code._path(module)
        text, other = path.read_text(), OneNumberMore()
        tree = other.visit(ast.parse(text))
        if other.done:
            before = code.code_hash(module)
            path.write_text(ast.unparse(tree))
            forget()
            assert code.code_hash(module) != before, module
            path.write_text(text)
            forget()
            assert code.code_hash(module) == before
            tried += 1
    assert tried > 20


TRAINING = {"pretrain/source", "pretrain/source_multi", "refine/maxsquare_iw_multi"} | {
    f"adapt/{name}" for name in METHODS if name != "maxsquare_iw_multi"
}
MAX_SQUARES = {"adapt/target_forwarded", "adapt/maxsquare", "adapt/maxsquare_iw", "refine/maxsquare_iw_multi"}
SCORED = {f"evaluate/{name}" for name in ("source", *METHODS)}
PAGES = {f"{page}/table2" for page in ("table", "measures", "scoring", "statistics", "costs")}
FIGURES = {
    f"figure/{name}" for name in ("curves", "gallery", "figure1", "figure2", "figure4", "qualitative", "table2_classes")
}
DEPENDANTS = [
    # Names that a package imports on demand are followed as well: see segadapt/core/lazy.py.
    (
        "evaluation/measures/iou.py",
        SCORED | {"statistics/table2", "figure/figure2", "figure/figure4", "figure/gallery", "report"},
    ),
    ("evaluation/predict.py", SCORED | {"figure/qualitative", "figure/gallery"}),
    ("reporting/figures/qualitative.py", {"figure/qualitative"}),
    ("reporting/figures/bars.py", {"figure/table2_classes"}),
    ("reporting/figures/confidence.py", {"figure/figure2"}),
    ("reporting/figures/scatter.py", {"figure/figure2", "figure/figure4"}),
    ("stages/figure.py", FIGURES),
    ("reporting/tables/formats.py", PAGES),
    ("evaluation/__init__.py", set()),
    ("reporting/__init__.py", set()),
    ("core/lazy.py", set()),
    ("losses/entropy.py", {"adapt/minent", "figure/figure1"}),
    ("methods/entropy.py", {"adapt/minent"}),
    ("losses/max_squares.py", MAX_SQUARES | {"figure/figure1"}),
    ("losses/scaled_entropy.py", {"figure/figure1"}),
    ("methods/max_squares.py", MAX_SQUARES),
    ("losses/guidance.py", {"refine/maxsquare_iw_multi"}),
    ("methods/multi_level.py", {"refine/maxsquare_iw_multi"}),
    ("losses/cross_entropy.py", TRAINING),
    ("training/schedule.py", TRAINING),
    ("data/batches/augment.py", TRAINING),
    ("data/shipped/reading.py", {"prepare/source_train", "prepare/target_train", "prepare/target_val"}),
    ("data/datasets/gta5.py", {"prepare/source_train"}),
    ("data/datasets/cityscapes.py", {"prepare/target_train", "prepare/target_val"}),
    ("core/progress.py", set()),
    ("core/errors.py", set()),
    ("core/parameters/root.py", set()),
    ("stages/runner.py", set()),
    ("plan/plan.py", set()),
]


@pytest.mark.parametrize(("file", "expected"), DEPENDANTS, ids=[each[0] for each in DEPENDANTS])
def test_an_edit_reaches_exactly_the_jobs_that_use_the_file(package, file, expected):
    before, plan = codes(), plan_of()
    path = package / file
    path.write_text(path.read_text() + "\nEDITED = 1\n")
    names = {job.name for job in plan.jobs if job.name.removesuffix("/seed1") in expected}
    # Jobs further down run again in any case; whether their own code is touched as well makes no difference.
    further = {each for name in names for each in below(plan, name)}
    reached = changed(before)
    assert names <= reached <= names | further


def test_a_new_loss_that_its_package_exports_touches_no_other_job(package):
    before = codes()
    (package / "losses" / "brand_new.py").write_text("def brand_new(x):\n    return x\n")
    init = package / "losses" / "__init__.py"
    init.write_text(init.read_text() + "\nfrom segadapt.losses.brand_new import brand_new\n")
    (package / "methods" / "brand_new.py").write_text("from segadapt.losses import brand_new\n")
    assert changed(before) == set()
    used = code.code_hash("segadapt.methods.brand_new")
    (package / "losses" / "brand_new.py").write_text("def brand_new(x):\n    return x + 1\n")
    forget()
    assert code.code_hash("segadapt.methods.brand_new") != used


def test_a_new_name_that_its_package_imports_on_demand_is_followed_to_its_module(package):
    before = codes()
    (package / "evaluation" / "brand_new.py").write_text("def newest(x):\n    return x\n")
    init = package / "evaluation" / "__init__.py"
    line = "    from segadapt.evaluation.evaluation import Evaluation\n"
    assert line in init.read_text()
    init.write_text(init.read_text().replace(line, line + "    from segadapt.evaluation.brand_new import newest\n"))
    (package / "stages" / "brand_new.py").write_text("from segadapt.evaluation import newest\n")
    assert changed(before) == set()
    assert code._closure(("segadapt.stages.brand_new",)) == {
        "segadapt.stages.brand_new",
        "segadapt.evaluation.brand_new",
    }
    used = code.code_hash("segadapt.stages.brand_new")
    (package / "evaluation" / "brand_new.py").write_text("def newest(x):\n    return x + 1\n")
    forget()
    assert code.code_hash("segadapt.stages.brand_new") != used


PART = 'PART = Chosen("method.options.part", "segadapt.losses.{}")'
BRAND_NEW = "class Options(Section):\n    part: str = ''\n\nclass BrandNew(Method):\n    pass\n"
CHOSEN_FILES = {
    # What is new, and what the jobs that use it are; the second is chosen by a file that is itself chosen.
    "methods/brand_new.py": {"adapt/brand_new/seed1"},
    "losses/newest.py": {"adapt/brand_new/seed1"},
    "data/datasets/brand_new.py": {"prepare/source_train"},
}


@pytest.mark.parametrize("file", CHOSEN_FILES)
def test_files_that_parameters_choose_are_known_without_being_registered(package, file):
    parameters = tiny_parameters(("source_only", "maxsquare", "brand_new"))
    method = parameters["methods"]["maxsquare"] | {
        "title": "brand new",
        "target_loss": "brand_new",
        "options": {"part": "newest"},
    }
    parameters["methods"]["brand_new"] = method
    parameters["presets"]["tiny"]["datasets"]["game"]["format"] = "brand_new"
    imports = "from segadapt.core.chosen import Chosen\n"
    (package / "methods/brand_new.py").write_text(f"{imports}{PART}\n\n{BRAND_NEW}")
    (package / "losses/newest.py").write_text("ONE = 1\n")
    shutil.copy(package / "data/datasets/gta5.py", package / "data/datasets/brand_new.py")

    def codes_now() -> dict[str, str]:
        forget()
        return {job.name: job.code for job in plan_of(**parameters).jobs}

    # A data set is looked at by its module, which stays as it was imported.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segadapt.plan.jobs.data.official_counts", lambda name: {"train": 6})
        patch.setattr("segadapt.plan.jobs.data.dataset_module", lambda name: dataset_module("gta5"))
        before = codes_now()
        (package / file).write_text((package / file).read_text() + "\nEDITED = 1\n")
        assert {name for name, value in codes_now().items() if before[name] != value} == CHOSEN_FILES[file]


def test_no_module_imports_in_a_way_that_the_hash_would_not_see():
    source = REPOSITORY / "src" / "segadapt"
    for path in source.rglob("*.py"):
        tree = ast.parse(path.read_text())
        at_the_top = {id(node.value) for node in tree.body if isinstance(node, ast.Assign)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                assert "*" not in [alias.name for alias in node.names], path
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name.endswith(("import_module", "__import__")):
                # The last is no job's code.
                assert str(path.relative_to(source)) in ("core/chosen.py", "core/lazy.py", "cli.py"), path
            if name.endswith("Chosen") and path != source / "plan/code.py":
                assert name == "Chosen" and id(node) in at_the_top and not node.keywords, path
                assert all(ast.literal_eval(argument) is not None for argument in node.args), path


def test_no_job_computes_with_what_the_hash_leaves_out():
    """Parameters hold values; a formula among them would change a job's numbers and not its hash."""
    parameters = REPOSITORY / "src/segadapt/core/parameters"
    classes = [each for path in parameters.glob("*.py") for each in ast.parse(path.read_text()).body]
    defined = [each for one in classes if isinstance(one, ast.ClassDef) for each in one.body]
    formulas = {each.name for each in defined if isinstance(each, ast.FunctionDef)} - {"keys"}  # as of any dict
    assert {"snapshot_steps", "portion_of", "needs_auxiliary_head"} <= formulas
    stages = [f"segadapt.stages.{path.stem}" for path in (REPOSITORY / "src/segadapt/stages").glob("[a-z]*.py")]
    for module in code._closure(stages):
        used = {node.attr for node in ast.walk(code._tree(module)) if isinstance(node, ast.Attribute)}
        assert not used & formulas, module


def test_a_method_without_file_is_refused_with_those_there_are():
    methods = tiny_parameters()["methods"]
    methods["minent"]["target_loss"] = "entropie"
    with pytest.raises(UserError, match=r"methods\.minent\.target_loss: 'entropie' has no file.*entropy.*max_squares"):
        plan_of(methods=methods)


def test_a_data_set_format_without_file_is_refused():
    presets = tiny_parameters()["presets"]
    presets["tiny"]["datasets"]["game"]["format"] = "gta6"
    with pytest.raises(UserError, match=r"presets/tiny\.yaml: datasets\.game\.format: 'gta6' has no file.*gta5"):
        plan_of(presets=presets)


def test_a_method_file_with_a_slip_is_refused_with_its_line(package):
    (package / "methods" / "entropy.py").write_text("x = 1\ndef build(:\n")
    forget()
    with pytest.raises(UserError, match=r"entropy\.py, line 2"):
        plan_of()


def test_a_plan_without_hashes_is_the_same_but_for_them():
    parameters = parameters_from(tiny_parameters(), "tiny")
    plan, quick = make_plan(parameters), make_plan(parameters, hash_code=False)
    assert quick.jobs == tuple(replace(job, code="") for job in plan.jobs) and all(job.code for job in plan.jobs)
