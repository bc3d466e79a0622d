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

BESIDE_THE_WEIGHTS = {"epoch", "iteration", "optimizer", "best_MIou"}
"""What MaxSquareLoss writes next to ``state_dict`` (``tools/train_source.py:Trainer.save_checkpoint``). The
optimiser's state lists its parameters several times and is of no use to another one."""


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


def read_foreign(path: Path) -> tuple[dict[str, Tensor], bool]:
    """The tensors (CPU) of a ``.safetensors`` file or of a ``.pth`` file in either of torch's formats.

    The second value is True for a checkpoint, where the tensors lay in a dictionary under ``state_dict``.
    UserError, one sentence: unreadable, truncated, naming anything that could run code, not a dictionary of tensors.
    """
    try:
        with open(path, "rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"
    except OSError as error:
        raise UserError(f"cannot read weights {path}: {error.strerror}; check the path") from error
    content = _read_safetensors(path) if is_safetensors else _read_torch(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not named tensors; import a file of a state_dict")
    if "state_dict" not in content:
        return _tensors(path, content), False
    strangers = sorted(str(key) for key in set(content) - BESIDE_THE_WEIGHTS - {"state_dict"})
    if strangers or not isinstance(content["state_dict"], dict):
        raise UserError(
            f"{path} is a checkpoint of an unknown kind: {', '.join(strangers[:3]) or 'its state_dict'} cannot be "
            "explained; save its state_dict alone and import that"
        )
    return _tensors(path, content["state_dict"]), True


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return parse_safetensors(path.read_bytes())
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is damaged or cut short ({error}); fetch this file again") from error


def _read_torch(path: Path) -> Any:
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


def _tensors(path: Path, content: dict[Any, Any]) -> dict[str, Tensor]:
    size = path.stat().st_size
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
