"""Hostile weights."""

import io
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from . import hostile
from .case import Case
from .hostile import Maker
from .judging import Judgement


def _state() -> dict[str, torch.Tensor]:
    from test_import_weights import trained

    return {name: tensor.clone() for name, tensor in trained().state_dict().items()}


def _torch(change: Callable[[dict], object] = lambda state: state, new: bool = True) -> Maker:
    def make(draw: random.Random) -> bytes:
        file = io.BytesIO()
        torch.save(change(_state()), file, _use_new_zipfile_serialization=new)
        return file.getvalue()

    return make


def _safetensors(draw: random.Random) -> bytes:
    from safetensors.torch import save

    return save(_state())


def _safe_header(text: bytes, length: int | None = None) -> Maker:
    return lambda draw: struct.pack("<Q", len(text) if length is None else length) + text + bytes(64)


def _archive(draw: random.Random) -> bytes:
    file = io.BytesIO()
    np.savez(file, w=np.ones(3))
    return file.getvalue()


def _one(state: dict, **changes: object) -> dict:
    key = "layer1.0.conv1.weight"
    return state | {key: changes["to"](state[key])}


def _zip_of_zeros(draw: random.Random) -> bytes:
    """A file of torch whose one storage is compressed zeros, 2 GiB of them."""
    with zipfile.ZipFile(io.BytesIO(_torch(lambda state: {"w": torch.zeros(4)})(draw))) as whole:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
            for name in whole.namelist():
                if "/data/0" in name:
                    with new.open(name, "w", force_zip64=True) as member:
                        for _ in range(32):
                            member.write(bytes(2**26))
                else:
                    new.writestr(name, whole.read(name))
    return file.getvalue()


_WHOLE = b'{"dtype":"F32","shape":[16],"data_offsets":[0,64]}'
WEIGHTS: dict[str, Maker] = {
    "good-torch": _torch(),
    "good-legacy": _torch(new=False),
    "good-safetensors": _safetensors,
    "module": _torch(lambda state: {f"module.{key}": value for key, value in state.items()}),
    "module-twice": _torch(lambda state: {f"module.module.{key}": value for key, value in state.items()}),
    "model": _torch(lambda state: {f"model.{key}": value for key, value in state.items()}),
    "compiled": _torch(lambda state: {f"_orig_mod.{key}": value for key, value in state.items()}),
    "nested": _torch(lambda state: {"model": {"state_dict": state}}),
    "half": _torch(lambda state: {key: value.half() for key, value in state.items()}),
    "double": _torch(lambda state: _one(state, to=lambda w: w.double())),
    "integers": _torch(lambda state: _one(state, to=lambda w: w.long())),
    "complex": _torch(lambda state: _one(state, to=lambda w: w.to(torch.complex64))),
    "nan": _torch(lambda state: _one(state, to=lambda w: w * float("nan"))),
    "infinite": _torch(lambda state: _one(state, to=lambda w: w / 0)),
    "transposed": _torch(lambda state: _one(state, to=lambda w: w.transpose(0, 1))),
    "flat": _torch(lambda state: _one(state, to=lambda w: w.flatten())),
    "no-elements": _torch(lambda state: _one(state, to=lambda w: w[:0])),
    "scalar": _torch(lambda state: _one(state, to=lambda w: torch.tensor(1.0))),
    "sparse": _torch(lambda state: _one(state, to=lambda w: w.to_sparse())),
    "repeated-view": _torch(lambda state: {"w": torch.zeros(1).expand(2**31)}),
    "missing-key": _torch(lambda state: {key: value for key, value in state.items() if "layer1.0.bn1" not in key}),
    "foreign-key": _torch(lambda state: state | {"strange.weight": torch.ones(3)}),
    "list": _torch(lambda state: list(state.values())),
    "tensor": _torch(lambda state: torch.ones(3)),
    "number": _torch(lambda state: 3),
    "no-tensors": _torch(lambda state: {}),
    "odd-keys": _torch(lambda state: {1: torch.ones(1), None: torch.ones(1), "\n\x1b[31m": torch.ones(1)}),
    "long-keys": _torch(lambda state: {"x" * 100_000: torch.ones(1)}),
    "trap": _torch(lambda state: hostile.Trap()),
    "trap-inside": _torch(lambda state: state | {"note": hostile.Trap()}),
    "trap-legacy": _torch(lambda state: state | {"note": hostile.Trap()}, new=False),
    "plain-pickle": lambda draw: pickle.dumps({"a": hostile.Trap()}),
    "pickle-bomb": lambda draw: b"\x80\x02" + b"]" + b"(" * 100_000 + b"t" * 100_000 + b".",
    "pickle-long": lambda draw: b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\1" * 100,
    "zip-of-zeros": _zip_of_zeros,
    "header-too-long": _safe_header(b"{}", 2**62),
    "header-of-100MB": _safe_header(b"{}", 10**8),
    "header-no-json": _safe_header(b"{hello"),
    "header-list": _safe_header(b"[]"),
    "offsets-outside": _safe_header(b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,1600000]}}'),
    "offsets-overlap": _safe_header(b'{"a":%b,"b":%b}' % (_WHOLE, _WHOLE)),
    "shape-overflow": _safe_header(b'{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}}'),
    "deep-json": _safe_header(b'{"a":' * 20_000),
    "cut-torch": hostile.changed(_torch(), "cut"),
    "flip-torch": hostile.changed(_torch(), "flip"),
    "cut-legacy": hostile.changed(_torch(new=False), "cut"),
    "flip-legacy": hostile.changed(_torch(new=False), "flip"),
    "cut-safetensors": hostile.changed(_safetensors, "cut"),
    "flip-safetensors": hostile.changed(_safetensors, "flip"),
    "empty": lambda draw: b"",
    "text": lambda draw: b"<html>404</html>",
    "random": lambda draw: draw.randbytes(3000),
    "archive": _archive,
}  # fmt: skip
_SAME = ("good-torch", "good-legacy", "good-safetensors", "module", "module-twice", "model", "compiled", "nested",
         "double", "flip-torch", "cut-torch", "foreign-key")  # fmt: skip
"""What may be taken, and then every tensor must be the very one."""
_UNTOLD = ("transposed", "flip-legacy", "flip-safetensors", "cut-legacy", "half")
"""What cannot be told: square kernels turned over, and flipped bits in formats without a checksum."""


def judge(case: Case, folder: Path) -> Judgement:
    path, target = folder / "in.pth", folder / "out.safetensors"
    hostile.write(path, case, WEIGHTS)
    target.write_bytes(b"an earlier result")

    def work() -> int:
        from segadapt.cli import main

        return main(["import-weights", str(path), str(target), "--kind", "maxsquare"])

    report = hostile.read(folder, work)

    def compare() -> str:
        if case.kind in _UNTOLD:
            return ""
        if case.kind not in _SAME:
            return "it is not what it should be"
        state, found = _state(), load_file(target)
        if set(found) != set(state):
            return f"other names: {sorted(set(found) ^ set(state))[:3]}"
        return "; ".join(name for name in state if not torch.equal(found[name], state[name]))[:200]

    outcome = hostile.judge(report, compare)
    if report.code and target.read_bytes() != b"an earlier result":
        return "silent", "refused, and the earlier result is gone"
    return outcome
