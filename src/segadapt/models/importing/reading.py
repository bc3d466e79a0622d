"""Named tensors out of foreign files. The one place that reads pickles, and it never runs what they name."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.claims import (
    require_intact_archive,
    require_sane_archive,
    require_sane_safetensors,
    require_weights_file,
)
from segadapt.models.importing.parts import Part, find_part


class _PassedOver:
    """Stands for the NumPy numbers (a best mIoU, say) of a checkpoint: takes any argument and computes nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


_HARMLESS = tuple(
    (_PassedOver, name)
    for name in (
        "_codecs.encode",
        "numpy.dtype",
        *(
            f"numpy.{core}.multiarray.{function}"
            for core in ("core", "_core")
            for function in ("scalar", "_reconstruct")
        ),
        "numpy.ndarray",
    )
)


def read_foreign(path: Path, part: str | None = None) -> tuple[dict[str, Tensor], Part]:
    """The tensors (CPU) of a network in a ``.safetensors`` file or a ``.pth`` file in either of torch's formats.

    The second value says where in the file they lay; ``part`` names the one to take where there are several.
    UserError, one sentence: no regular file, unreadable, truncated, larger or claiming more than weights can be,
    naming anything that could run code, not a dictionary of tensors, of several networks.
    """
    size = require_weights_file(path)
    try:
        with open(path, "rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"
    except OSError as error:
        raise UserError(f"cannot read weights {path}: {error.strerror}; check the path") from error
    content = _read_safetensors(path, size) if is_safetensors else _read_torch(path, size)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not named tensors; import a file of a state_dict")
    found = find_part(path, content, part)
    if not isinstance(found.values, dict):
        raise UserError(
            f"{path} is a checkpoint of an unknown kind: its {found.name} is a {type(found.values).__name__}; "
            "save its state_dict alone and import that"
        )
    return _tensors(path, found.values, size), found


def _read_safetensors(path: Path, size: int) -> dict[str, Tensor]:
    require_sane_safetensors(path, size)
    try:
        return parse_safetensors(path.read_bytes())
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is damaged or cut short ({error}); fetch this file again") from error


def _read_torch(path: Path, size: int) -> Any:
    require_sane_archive(path, size)
    require_intact_archive(path)
    try:
        with torch.serialization.safe_globals(list(_HARMLESS)), warnings.catch_warnings():
            # A warning about a strange file is followed by its refusal, in one sentence.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch wraps the reason in advice to switch the safe reading off.
        raise UserError(
            f"{path} is not a plain file of weights ({_first_sentence(error.__context__ or error)}); it is damaged or "
            "would run foreign code, so nothing of it was used; get the file from its authors"
        ) from error
    # Arbitrary bytes make torch's readers fail in arbitrary ways.
    except Exception as error:
        raise UserError(
            f"{path} is damaged, cut short or no file of torch ({_first_sentence(error)}); fetch this file again"
        ) from error


def _first_sentence(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return " ".join(lines[0].split()).split(". ")[0].removesuffix(".")[:160]


def _tensors(path: Path, content: dict[Any, Any], size: int) -> dict[str, Tensor]:
    for key, value in content.items():
        if not str(key).isprintable():
            raise UserError(f"{path} is damaged: {str(key)[:60]!r} is no tensor's name; fetch this file again")
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UserError(
                f"{path}: {str(key)[:60]!r} is a {type(value).__name__}, not a named tensor; import a state_dict"
            )
        if value.layout != torch.strided or value.is_quantized:
            raise UserError(f"{path}: {key} is a sparse or quantised tensor; import the plain floating-point weights")
        # A repeated view can be as large as it likes on paper; spelt out, it would fill the memory.
        if value.numel() * value.element_size() > size:
            raise UserError(f"{path} is damaged: {key} claims more bytes than the file has; fetch this file again")
    if not content:
        raise UserError(f"{path} holds no tensors; fetch this file again")
    return {key: value.detach() for key, value in content.items()}
