"""Where a run may take place, and two runs in one folder."""

import shutil
import sys
from pathlib import Path

import pytest
import tiny

from segadapt.core.errors import UserError
from segadapt.core.locking import try_lock
from segadapt.plan.place import require_place, require_versionable
from segadapt.plan.session import OWNER


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return tiny.make_project(tmp_path_factory.mktemp("place") / "project")


def snakemake(project: Path, *arguments: str, cwd: Path) -> tuple[int, str]:
    result = tiny.call(
        project,
        "env",
        f"--chdir={cwd}",
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "-n",
        *arguments,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


def test_the_projects_folder_is_the_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_place(tmp_path)
    link = tmp_path.with_name("link-to-project")
    link.symlink_to(tmp_path)
    monkeypatch.chdir(link)
    require_place(link)
    with pytest.raises(UserError, match="would work in"):
        require_place(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("name", "says"), [("a{b", "takes its braces for"), ("c:d", "splits paths at ':'; rename the fol")]
)
def test_a_folder_that_an_engine_or_python_would_misread_is_refused(name, says, tmp_path, monkeypatch):
    folder = tmp_path / name / "project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=says):
        require_place(folder)


@pytest.mark.parametrize("link", ["work", "work/tiny", "work/tiny/cache"])
def test_a_link_that_dvc_will_refuse_is_refused_before_the_work(link, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    require_versionable("tiny")
    monkeypatch.setenv("DVC_STAGE", "data")
    if link.endswith("cache"):
        require_versionable("tiny")
    else:
        with pytest.raises(UserError, match=rf"^{link} is a link, behind which DVC versions nothing; make it a folder"):
            require_versionable("tiny")


@pytest.mark.parametrize("where", ["elsewhere", "elsewhere with params.yaml", "workflow"])
def test_another_folder_is_refused_and_left_as_it_was(where, project, tmp_path):
    folder = project / "workflow" if where == "workflow" else tmp_path
    if "params" in where:
        shutil.copy(project / "params.yaml", tmp_path)
    before = sorted(folder.iterdir())
    status, told = snakemake(project, "-s", str(project / "Snakefile"), "results/table2.csv", cwd=folder)
    assert status == 1 and f"this run would work in {folder}, but the project is {project}; go there" in told
    assert [path for path in sorted(folder.iterdir()) if path.name != ".snakemake"] == before


def test_from_anywhere_with_the_project_as_directory_works(project, tmp_path):
    arguments = ("-s", str(project / "Snakefile"), "--directory", str(project), "results/table2.csv")
    status, told = snakemake(project, *arguments, cwd=tmp_path)
    assert status == 0, told
    assert not list(tmp_path.iterdir())


def test_a_dry_run_beside_a_run_works_or_says_why_not(project, monkeypatch):
    assert snakemake(project, "results/table2.csv", cwd=project)[0] == 0
    monkeypatch.chdir(project)
    with try_lock(OWNER):
        status, told = snakemake(project, "results/table2.csv", cwd=project)
        assert status == 0, told
        status, told = snakemake(project, "results/table2.csv", "--config", "preset=streets", cwd=project)
        says = "is at work in this folder, and preset streets was not asked for with these parameters before"
        assert status == 1 and says in told
        assert "segadapt status --preset streets" in told and "Traceback" not in told


def test_a_git_worktree_is_a_project_like_any_other(project, tmp_path):
    main, tree = tmp_path / "main", tmp_path / "tree"
    shutil.copytree(project, main, symlinks=True, ignore=shutil.ignore_patterns(".snakemake", "work"))
    shutil.copytree(tiny.REPOSITORY / ".dvc", main / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    tiny.call(main, "git", "init", "--quiet")
    tiny.call(main, "git", "add", "--all")
    git = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org")
    tiny.call(main, *git, "commit", "--quiet", "--message", "a project")
    tiny.call(main, "git", "worktree", "add", "--quiet", str(tree), "-b", "idea")
    status, told = snakemake(tree, "results/table2.csv", cwd=tree)
    assert status == 0, told
    assert "data:" in tiny.call(tree, sys.executable, "-m", "dvc", "status").stdout
