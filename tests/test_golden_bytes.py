"""No number of the toy pipeline changes unseen: it is made anew and held to the committed list of its bytes."""

import json

import golden_bytes
import pytest
import tiny

LISTED = golden_bytes.read_list()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder for the pipeline, left to the tests that read its files."""
    return tmp_path_factory.mktemp("golden") / "project"


@pytest.fixture(scope="module")
def made(project):
    return golden_bytes.made_anew(project)


def test_every_number_is_what_it_was(made):
    changed = golden_bytes.differences(LISTED["files"], made["files"])
    names = [line for line in changed if not line.startswith("changed")]
    told = "\n".join(["If it was meant: python tests/golden_bytes.py --write, and say in the commit why.", *changed])
    assert not names, told
    if made["arithmetic"] != LISTED["arithmetic"]:
        pytest.skip(
            f"bytes not compared: torch or numpy round otherwise here ({made['made_on']}) than where the list was "
            f"made ({LISTED['made_on']}); to compare here, write a list of your own at a commit that you trust"
        )
    assert not changed, told


def test_the_list_has_every_method_and_every_stage_with_numbers():
    listed = " ".join(LISTED["files"])
    for name in tiny.shipped()["methods"].keys() - {*golden_bytes.TRANSFORMERS, *golden_bytes.ALIGNING}:
        assert f"/{name}/seed1/metrics.json" in listed, name
    for name in ("source", "oracle", "wide/cbst_sp", "equations/minent", "half/source", "thirteen/adaptsegnet"):
        assert f"work/tiny/metrics/{name}/seed1/metrics.json" in LISTED["files"], name
    assert "cbst-round2/seed2/labels/pack.bin" in listed and "maxsquare-lambda_target-0.5" in listed
    assert "snapshot" in listed and "results/figures/figure5.csv" in listed
    assert sorted(LISTED["files"]) == golden_bytes.expected_files()


def test_neither_path_nor_processor_is_in_what_is_hashed(made, project):
    telling = [str(project).encode(), golden_bytes.processor_name().encode()]
    for path in made["files"]:
        numbers = golden_bytes.numbers_of(project / path)
        assert not any(each in numbers for each in telling), path


def test_what_is_left_out_is_that_alone(tmp_path):
    table, record = tmp_path / "table.csv", tmp_path / "metrics.json"
    hashed = []
    for commit, score in (("aaa", 1.5), ("bbb", 1.5), ("bbb", 1.6)):
        table.write_text(f'method,commit,mIoU\n"a, b",{commit},{score}\n')
        record.write_text(json.dumps({"mIoU": score, "model": {"commit": commit, "steps": [{"gpu_seconds": commit}]}}))
        hashed.append([golden_bytes.numbers_of(path) for path in (table, record)])
    assert hashed[0] == hashed[1] and b'"a, b"' in hashed[0][0]
    assert all(before != after for before, after in zip(hashed[1], hashed[2], strict=True))
    table.write_bytes(b"method,mIoU\r\na,1\r\n")
    assert golden_bytes.numbers_of(table) == table.read_bytes()


def test_differences_name_entries():
    assert golden_bytes.differences({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ["gone: a", "changed: b", "new: c"]
    assert golden_bytes.differences({"a": "1"}, {"a": "1"}) == []
