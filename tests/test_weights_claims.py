"""Bombs and strangers in the place of weights: refused in one sentence, at once, without the memory they ask for."""

import io
import json
import struct
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save
from test_files import STRANGERS
from test_import_weights import trained

from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.models import load_tensors, open_model
from segadapt.models.importing import import_weights
from segadapt.plan.requirements import check_requirements

GIB = 1 << 30


def archive(records, compression=zipfile.ZIP_STORED) -> bytes:
    """A zip of ``records``: name to bytes, or to a number of mebibytes of zeros."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as made:
        for name, record in records.items():
            if isinstance(record, bytes):
                made.writestr(name, record)
                continue
            with made.open(name, "w", force_zip64=True) as file:
                for _ in range(record):
                    file.write(bytes(1 << 20))
    return content.getvalue()


def sparse(head: bytes, size: int):
    """Writes a file of ``size`` bytes that takes no room on the disk."""

    def write(path):
        path.write_bytes(head)
        with open(path, "r+b") as file:
            file.truncate(size)

    return write


def written(content: bytes):
    return lambda path: path.write_bytes(content)


def pth(state) -> dict[str, bytes]:
    content = io.BytesIO()
    torch.save(state, content)
    with zipfile.ZipFile(content) as read:
        return {info.filename: read.read(info) for info in read.infolist()}


def claiming(numel: int) -> bytes:
    """A ``.pth`` of a tensor whose storage claims to have ``numel`` elements."""
    records = pth({"conv1.weight": torch.ones(1000)})
    claim = b"\x8a\x08" + struct.pack("<q", numel)
    return archive({name: value.replace(b"M\xe8\x03", claim) for name, value in records.items()})


def header(offsets, length=None) -> bytes:
    text = json.dumps({"conv1.weight": {"dtype": "U8", "shape": [offsets[1]], "data_offsets": offsets}}).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


def overlapping() -> bytes:
    """Many entries of a table of contents that all mean the same record."""
    whole = archive({"archive/data.pkl": b"x" * 4096})
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry, count = whole[start:end], 60_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, start, 0)
    return whole[:start] + entry * count + tail


BOMBS = {
    "compressed zeros": lambda: written(
        archive({"archive/data.pkl": b"", "archive/data/0": 200}, zipfile.ZIP_DEFLATED)
    ),
    "compressed pickle": lambda: written(archive({"archive/data.pkl": 100}, zipfile.ZIP_DEFLATED)),
    "overlapping records": lambda: written(overlapping()),
    "a storage of 2^40": lambda: written(claiming(1 << 40)),
    "a storage of 2^62": lambda: written(claiming(1 << 62)),
    "zeros": lambda: sparse(b"", 8 * GIB),
    "zeros below the limit": lambda: sparse(b"", 3 * GIB),
    "a sparse table of contents": lambda: sparse(b"", 100),
    "a header of 2^62 bytes": lambda: written(header([0, 8], 1 << 62) + bytes(8)),
    "a header of 3 GiB": lambda: sparse(header([0, 8], 3 * GIB - 8), 3 * GIB),
    "a tensor of 2^50 bytes": lambda: written(header([0, 1 << 50]) + bytes(8)),
    "a tensor shorter than the file": lambda: sparse(header([0, 8]), 3 * GIB),
    "a large safetensors": lambda: sparse(header([0, 8 * GIB]), 8 * GIB + 200),
}
READERS = {"import": lambda path: import_weights(path, path.with_name("o.safetensors")), "open": open_model}
IN_A_SMALL_PROCESS = """
import resource, sys
from pathlib import Path
import torch
from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.models import open_model
from segadapt.models.importing import import_weights
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (3 << 29), taken + (3 << 29)))
for path in map(Path, sys.argv[2:]):
    try:
        open_model(path) if sys.argv[1] == "open" else import_weights(path, path.with_name("o.safetensors"))
        print(path, "passed")
    except UserError as error:
        print(error)
"""
"""Says what reading each file says, in a process that may grow by 1.5 GiB beyond what torch has mapped."""


@pytest.mark.parametrize("reader", READERS)
def test_bombs_are_refused_without_their_memory(tmp_path, reader):
    paths = {name: tmp_path / name.replace(" ", "_") for name in BOMBS}
    for name, path in paths.items():
        BOMBS[name]()(path)
    command = [sys.executable, "-c", IN_A_SMALL_PROCESS, reader, *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths), lines
    for (name, path), said in zip(paths.items(), lines, strict=True):
        assert str(path) in said and not said.endswith("passed"), said
        assert "memory" not in said and "alloc" not in said, said
        assert reader == "open" or "compressed" not in name or "torch compresses nothing" in said, said
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize("word", STRANGERS)
@pytest.mark.parametrize("reader", READERS)
def test_only_regular_files_are_opened(tmp_path, monkeypatch, word, reader):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.safetensors"
    STRANGERS[word](path)
    with pytest.raises(UserError, match=word) as refused:
        READERS[reader](path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("word", STRANGERS)
def test_initial_weights_are_told_by_what_stands_there(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "initial.safetensors"
    STRANGERS[word](path)
    inputs = (Input("initial_weights", str(path)),)
    job = Job("pretrain", "pretrain/x", "paper", inputs, {}, "", {"model": {"backbone": "resnet101"}}, "")
    expected = "are missing: put the file there" if word == "No such file" else word
    with pytest.raises(UserError, match=expected):
        check_requirements([SimpleNamespace(job=job)])


def test_honest_files_pass(tmp_path):
    state = trained().state_dict()
    torch.save({"model": state, "optimizer": {"state": {0: torch.zeros(10**6)}}}, tmp_path / "f.pth")
    import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors")
    assert load_tensors(tmp_path / "o.safetensors")[0].keys() == state.keys()
    (tmp_path / "empty.safetensors").write_bytes(save({}))
    with pytest.raises(UserError, match="carries no content hash"):
        load_tensors(tmp_path / "empty.safetensors")
