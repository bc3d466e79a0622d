"""Toy data sets as fixtures, and preparations of them, for the tests of reading and of damage."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import write_cityscapes, write_gta5

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.data.shipped.faults import Faulty

SIZE = (40, 24)


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """A toy GTA5 and a toy Cityscapes, not to be written to."""
    root = tmp_path_factory.mktemp("sets")
    write_gta5(root / "gta5")
    write_cityscapes(root / "cityscapes")
    return root


@pytest.fixture
def game(sets, tmp_path) -> Path:
    """A toy GTA5 of the test's own."""
    return Path(shutil.copytree(sets / "gta5", tmp_path / "gta5"))


@pytest.fixture
def camera(sets, tmp_path) -> Path:
    """A toy Cityscapes of the test's own."""
    return Path(shutil.copytree(sets / "cityscapes", tmp_path / "cityscapes"))


def preparation(root: Path, **changes) -> Preparation:
    """Everything of a split, native labels too."""
    format_name = "gta5" if "gta5" in root.name else "cityscapes"
    split = "train" if format_name == "gta5" else "val"
    return replace(Preparation(format_name, root, split, SIZE, "cityscapes19", True, True), **changes)


def packed(what: Preparation, folder: Path, processes: int = 1) -> PackedCache:
    """Prepares into ``folder/cache`` and opens it."""
    prepare(what, folder / "cache", folder / "scratch", processes)
    return PackedCache(folder / "cache" / "manifest.json")


def refusal(what: Preparation, folder: Path) -> str:
    """The message with which a preparation is refused; nothing must have been published."""
    with pytest.raises(UserError) as caught:
        prepare(what, folder / "cache", folder / "scratch", 1)
    assert not (folder / "cache").exists()
    return str(caught.value)


def fault_of(read, *arguments):
    """The one fault that a file is refused for."""
    with pytest.raises(Faulty) as caught:
        read(*arguments)
    (fault,) = caught.value.faults
    assert len(str(fault).splitlines()) == 1 and "; " in str(fault)
    return fault
