"""GTA5's official split, a MATLAB file: read where there is no list, refused where it is damaged or claims too much."""

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from test_data_layouts import names, shelf  # noqa: F401 - a fixture is used by name
from toy_sets import fault_of, game, preparation, refusal, sets  # noqa: F401 - fixtures are used by name

from segadapt.core.errors import UserError
from segadapt.data.datasets import gta5
from segadapt.data.shipped.faults import Faulty, MissingSplit
from segadapt.data.shipped.matlab import read_vector


@pytest.mark.parametrize("value", [
    np.array([[1, 2], ["a", 3]], object), "text", np.array(["a", "bc"]), {"a": 1}, np.array([1.5]),
    np.array([np.nan]), np.array([np.inf]), np.array([-3]), np.array([1j]), np.array([1e300]), scipy.sparse.eye(3),
])  # fmt: skip
def test_a_split_that_is_no_list_of_numbers_is_one_sentence(game, tmp_path, value):
    (game / "list/train.txt").unlink()
    scipy.io.savemat(game / "split.mat", {"trainIds": value})
    message = refusal(preparation(game), tmp_path)
    assert message.startswith(f"{game / 'split.mat'} has ") and "trainIds" in message.splitlines()[0]


def test_a_split_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("segadapt.data.shipped.matlab.MOST_BYTES", 2**16)
    scipy.io.savemat(tmp_path / "x.mat", {"trainIds": np.zeros(2**15)}, do_compression=True)
    assert "unpacks to more than 65,536 bytes" in fault_of(read_vector, tmp_path / "x.mat", "trainIds").what
    scipy.io.savemat(tmp_path / "x.mat", {"trainIds": np.zeros(2**15)})
    assert "has more than 65,536 bytes" in fault_of(read_vector, tmp_path / "x.mat", "trainIds").what
    scipy.io.savemat(tmp_path / "x.mat", {"trainIds": np.arange(9)}, do_compression=True)
    assert read_vector(tmp_path / "x.mat", "trainIds") == list(range(9))


def write_damaged(path, seed, compressed=False, cut=False):
    scipy.io.savemat(path, {"trainIds": np.arange(1, 40)}, do_compression=compressed)
    content, random = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for at in random.integers(120, len(content), 3):
        content[at] = random.integers(0, 256)
    path.write_bytes(content[: random.integers(0, len(content))] if cut else content)


@pytest.mark.parametrize("seed", [384, 4006])
def test_a_file_that_makes_its_reader_crash_is_one_sentence(tmp_path, seed):
    write_damaged(tmp_path / "x.mat", seed)
    assert fault_of(read_vector, tmp_path / "x.mat", "trainIds").what == "is damaged so that its reader crashes"


# Each file costs a process.
@settings(max_examples=10)
@given(st.integers(0, 2**31), st.booleans(), st.booleans())
def test_a_damaged_matlab_file_is_numbers_or_one_sentence(tmp_path_factory, seed, compressed, cut):
    path = tmp_path_factory.mktemp("mat") / "x.mat"
    write_damaged(path, seed, compressed, cut)
    try:
        found = read_vector(path, "trainIds")
        assert found is None or all(each >= 0 for each in found)
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(path) in str(error)


def test_the_official_split_is_read_where_there_is_no_list(shelf, tmp_path):
    root = shelf.copy("gta5", tmp_path)
    (root / "list/train.txt").rename(root / "kept.txt")
    columns = {"trainIds": [[3], [1]], "valIds": [[2]], "testIds": [[1], [2], [3]]}
    (root / "read_mapping").mkdir()
    scipy.io.savemat(root / "read_mapping/split.mat", {key: np.array(ids, float) for key, ids in columns.items()})
    assert names(gta5.list_samples(root, "train")) == ["00001", "00003"]
    assert names(gta5.list_samples(root, "val")) == ["00002"]
    assert names(gta5.list_samples(root, "test")) == ["00001", "00002", "00003"]
    with pytest.raises(MissingSplit, match="no split 'tset'"):
        gta5.list_samples(root, "tset")
    (root / "kept.txt").rename(root / "list/train.txt")
    assert names(gta5.list_samples(root, "train")) == ["00001", "00002", "00003"]


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_official_split_is_named(shelf, tmp_path, content):
    root = shelf.copy("gta5 by split.mat", tmp_path)
    whole = (root / "split.mat").read_bytes()
    (root / "split.mat").write_bytes(whole[:150] if content is None else content)
    with pytest.raises(Faulty, match=r"split\.mat (cannot be read|has no number)"):
        gta5.list_samples(root, "train")
