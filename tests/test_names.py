"""Names and paths in ``params.yaml`` that no file system takes: refused with the key's path, each in one sentence."""

import copy

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.core.parameters.text import LONGEST_NAME, file_path, unwritable
from segadapt.plan import make_plan

LONG = "a" * 300
SHIPPED = tiny.tiny_parameters()
NAMED = ["methods", "experiments", "protocols", "presets", *(f"presets.tiny.{key}" for key in (
    "datasets", "caches", "settings", "methods", "experiments"))]  # fmt: skip
NAMES = ["preset", "protocol", "presets.tiny.evaluate_on", "presets.tiny.caches.target_val.split",
    "presets.tiny.caches.target_val.dataset", "presets.tiny.datasets.game.format"]  # fmt: skip
PATHS = ["presets.tiny.datasets.game.root", "presets.tiny.model.initial_weights", "presets.tiny.datasets.game.accept"]


def refusals(key: str, change) -> list[str]:
    """The sentences after ``change(section, last part of the key)``."""
    content = copy.deepcopy(SHIPPED)
    *parents, last = key.split(".")
    section = content
    for part in parents:
        section = section[part]
    change(section, last)
    with pytest.raises(UserError) as told:
        parameters_from(content, "params.yaml")
    assert len(str(told.value)) < 4000
    return str(told.value).split("\n")


def put(value):
    return lambda section, last: section.__setitem__(last, [value] if last == "accept" else value)


def add(name: str):
    return lambda section, last: section[last].__setitem__(name, copy.deepcopy(next(iter(section[last].values()), {})))


@pytest.mark.parametrize("key", NAMED)
def test_a_long_name_is_refused_where_users_give_names(key):
    told = [line for line in refusals(key, add(LONG)) if f"at most {LONGEST_NAME} characters" in line]
    assert len(told) == 1 and told[0].startswith(f"params.yaml: {key}.aaa") and len(told[0]) < 300


@pytest.mark.parametrize("key", NAMES)
def test_a_long_name_is_refused_where_names_are_used(key):
    assert f"params.yaml: {key}: String should have at most {LONGEST_NAME} characters" in refusals(key, put(LONG))[0]


@pytest.mark.parametrize("key", PATHS)
@pytest.mark.parametrize("path", [LONG, f"datasets/{LONG}/x", "ü" * 130, "a/" * 2100 + "a"])
def test_a_path_that_is_too_long_is_refused(key, path):
    (told,) = refusals(key, put(path))
    assert told.startswith(f"params.yaml: {key}") and "is too long for the path of a file; choose a shorter" in told


@pytest.mark.parametrize("text", ["toy/\udcff", "a\0b", "\ud800"])
@pytest.mark.parametrize("key", [*NAMES, *PATHS, "methods.maxsquare.title", "presets.tiny.data_note"])
def test_text_that_no_file_can_hold_is_refused(key, text):
    (told,) = refusals(key, put(text))
    assert told.startswith(f"params.yaml: {key}") and "holds a character that no file can have" in told
    told.encode()


@pytest.mark.parametrize("key", NAMED)
def test_so_is_such_a_name(key):
    (told,) = refusals(key, add("x\udcff"))
    assert told == rf"params.yaml: {key}: the key 'x\udcff' holds a character that no file can have"


@pytest.mark.parametrize("seed", [-1, 2**32, 10**400])
def test_a_seed_that_is_too_large_for_a_name_is_refused(seed):
    assert refusals("seeds", lambda section, last: section.update(seeds=[seed]))[0].startswith(
        "params.yaml: seeds[0]: "
    )


@pytest.mark.parametrize(
    "content",
    [b"preset: \xff", b"preset: " + b"9" * 5000, b"preset: " + b"[" * 20000, b"a: &x [*x]", b'a: "\\0"', b"\0", b"- 1"],
)
def test_a_file_that_is_no_yaml_of_ours_is_one_sentence(content, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/tiny.yaml").write_text("datasets: {}\n")
    with pytest.raises(UserError) as told:
        load_parameters(path)
    assert str(told.value).startswith(f"{path}: ") and "\n" not in str(told.value)


def test_the_longest_names_give_file_names_that_every_file_system_takes():
    """With what else stands in a name: two domains of a task, a temporary file's ending."""
    content = copy.deepcopy(SHIPPED)
    for section, old in ((content["experiments"], "table2"), (content["methods"], "maxsquare")):
        section["a" * LONGEST_NAME] = section.pop(old)
    content["experiments"]["a" * LONGEST_NAME]["rows"] = ["source_only", "a" * LONGEST_NAME]
    for preset in content["presets"].values():
        preset["experiments"], preset["methods"] = {}, {}
        preset["settings"], preset["classification"], preset["figure_methods"] = {}, None, []
    content["presets"] = {"a" * LONGEST_NAME: content["presets"]["tiny"]}
    content["preset"] = "a" * LONGEST_NAME
    plan = make_plan(parameters_from(content, "params.yaml"))
    paths = [path for job in plan.jobs for path in (*job.outputs.values(), job.provenance, job.card, job.log)]
    assert max(len(part) for path in paths for part in path.split("/")) < 255 - len("..1234567.tmp")


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_refused_is_exactly_what_cannot_be_encoded_or_named(text):
    """The reference: whether Python itself can make it the name of a file."""
    try:
        text.encode()
        writable = "\0" not in text
    except UnicodeEncodeError:
        writable = False
    assert (not list(unwritable({"a": [text]}))) == writable
    assert (not list(unwritable({text: 1}))) == writable


@given(st.lists(st.integers(0, 300), max_size=20))
def test_a_path_is_refused_exactly_for_its_longest_part(lengths):
    path = "/".join("x" * length for length in lengths)
    if max([0, *lengths]) > 255:
        with pytest.raises(ValueError, match="too long"):
            file_path(path)
    elif len(path) <= 4000:
        assert file_path(path) == path
