"""From a foreign file to ours: every key matched, left out for a stated reason, or the file refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from segadapt.core.artifacts import sha256_file
from segadapt.core.errors import UserError
from segadapt.labels import CLASS_SETS
from segadapt.models.architecture import Architecture
from segadapt.models.importing.family import Kind
from segadapt.models.importing.kinds import FAMILIES, KINDS, recognise
from segadapt.models.importing.parts import Part
from segadapt.models.importing.reading import read_foreign
from segadapt.models.loading import IMAGE_SIZE
from segadapt.models.networks import outline
from segadapt.models.weights import save_tensors

COUNTER = "num_batches_tracked"
"""Batch norm's counter: files from before PyTorch 0.4.1 have none, and nothing reads it at our fixed momentum."""

MAXSQUARE_KEYS = {"epoch", "iteration", "best_MIou"}
"""What MaxSquareLoss, among other things, writes next to ``state_dict`` (``tools/train_source.py:save_checkpoint``)."""
IMPORT_KEY = "import"


@dataclass(frozen=True)
class Import:
    """What became of a file: ``matched`` names of ours, ``left_out`` keys of the file with the reason, and the
    ``filled`` counters that it lacks. ``fraction`` is matched over all keys of the network, whose place in the file
    ``part`` says."""

    kind: str
    architecture: Architecture
    source_sha256: str
    matched: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    filled: tuple[str, ...]
    part: Part

    @property
    def fraction(self) -> float:
        return len(self.matched) / (len(self.matched) + len(self.left_out))

    def as_metadata(self) -> dict[str, str]:
        """The provenance that travels in the weight file."""
        record = {
            "kind": self.kind,
            "source_sha256": self.source_sha256,
            "matched": len(self.matched),
            "left_out": [key for key, _ in self.left_out],
            "filled": len(self.filled),
            "matched_fraction": round(self.fraction, 6),
            "part": self.part.name,
        }
        return {IMPORT_KEY: json.dumps(record, sort_keys=True)}


def import_weights(
    source: Path, target: Path, kind: str | None = None, input_convention: str | None = None,
    class_set: str | None = None, part: str | None = None,
) -> Import:  # fmt: skip
    """Writes the weights of ``source`` as a safetensors file that says which network they belong to.

    ``kind`` is a key of ``KINDS``, or None to tell it from the keys. ``input_convention`` replaces the kind's, and
    ``class_set`` names the classes (by default the known set with as many). ``part`` is the network to take from a file
    that holds several (``parts``). UserError, with nothing written, for a
    key that no rule explains, a missing key, another shape, a value that is not finite, or what cannot be told.
    """
    found, place = read_foreign(source, part)
    kind = kind or recognise(source, found, set(place.beside) >= MAXSQUARE_KEYS)
    tensors, left_out = _renamed(source, found, KINDS[kind])
    architecture = _architecture(source, tensors, KINDS[kind], input_convention, class_set)
    # The outline of a bare backbone is that of a network whose heads are then ignored.
    model = outline(replace(architecture, num_classes=architecture.num_classes or 2))
    expected = model.state_dict()
    if architecture.num_classes is None:
        expected = {name: tensor for name, tensor in expected.items() if not model.is_of_head(name)}
    _refuse_unexplained(source, tensors, expected, KINDS[kind])
    matched = {name: _checked(source, name, tensor) for name, tensor in tensors.items()}
    filled = sorted(set(expected) - set(matched))
    counters = {name: torch.zeros((), dtype=torch.int64) for name in filled}
    done = Import(
        kind, architecture, sha256_file(source), tuple(sorted(matched)), tuple(left_out), tuple(filled), place
    )
    scored_at = {IMAGE_SIZE: KINDS[kind].image_size} if KINDS[kind].image_size else {}
    save_tensors(target, {**matched, **counters}, {**architecture.as_metadata(), **done.as_metadata(), **scored_at})
    return done


def _renamed(source: Path, found: Mapping[str, Tensor], kind: Kind) -> tuple[dict[str, Tensor], list[tuple[str, str]]]:
    tensors, left_out = {}, []
    for key, tensor in found.items():
        if not key.startswith(kind.prefix):
            raise UserError(f"{source}: the key {key} lacks the '{kind.prefix}' of {kind.title}; try another --kind")
        name = key.removeprefix(kind.prefix)
        reason = next((reason for start, reason in kind.skipped if name.startswith(start)), None)
        if reason is not None:
            left_out.append((key, reason))
            continue
        for old, new in kind.renamed:
            name = new + name.removeprefix(old) if name.startswith(old) else name
        if name in tensors:
            raise UserError(f"{source}: two keys mean {name}; import a file of one network")
        tensors[name] = _as_kernel(tensor, kind.convolved.get(name))
    return tensors, left_out


def _as_kernel(tensor: Tensor, side: int | None) -> Tensor:
    """A matrix over maps of that side as a convolution's weights, where it can be one."""
    if side is None or tensor.ndim != 2 or tensor.shape[1] % side**2:
        return tensor
    return tensor.reshape(len(tensor), -1, side, side)


def _architecture(
    source: Path, tensors: Mapping[str, Tensor], kind: Kind, input_convention: str | None, class_set: str | None
) -> Architecture:
    described = FAMILIES[kind.family].describe(source, tensors, kind)
    named = _class_set(source, described["num_classes"], class_set)
    return Architecture(**described, input=input_convention or kind.input, class_set=named)


def _class_set(source: Path, num_classes: int | None, named: str | None) -> str | None:
    if named is None:
        sets = [each for each in CLASS_SETS.values() if each.task == "segmentation"]
        return next((each.name for each in sets if len(each) == num_classes), None)
    if len(CLASS_SETS[named]) != num_classes:
        have = "no head" if num_classes is None else f"a head of {num_classes} classes"
        raise UserError(f"{source} has {have}, and {named} has {len(CLASS_SETS[named])} classes; correct --classes")
    return named


def _refuse_unexplained(
    source: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], kind: Kind
) -> None:
    unexpected = sorted(set(tensors) - set(expected))
    missing = sorted(name for name in set(expected) - set(tensors) if not name.endswith(COUNTER))
    misfits = [
        f"{name} is {tuple(tensors[name].shape)}, not {tuple(expected[name].shape)}"
        for name in sorted(set(tensors) & set(expected))
        if tensors[name].shape != expected[name].shape
    ]
    listed = {"missing": missing, "unexpected": unexpected, "of another shape": misfits}
    problems = [f"{len(names)} {what}: {_shortened(names)}" for what, names in listed.items() if names]
    if problems:
        raise UserError(
            f"{source} is not {kind.title} or not whole ({'; '.join(problems)}); nothing was written, "
            "fetch the file again or try another --kind"
        )


def _shortened(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _checked(source: Path, name: str, tensor: Tensor) -> Tensor:
    """In our types: float32, and int64 for counters."""
    if name.endswith(COUNTER):
        if tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.item() < 0:
            raise UserError(f"{source}: {name} is no count; fetch this file again")
        return tensor.to(torch.int64)
    if not tensor.dtype.is_floating_point:
        raise UserError(f"{source}: {name} holds {tensor.dtype}, not floating-point weights; fetch this file again")
    tensor = tensor.to(torch.float32)
    if not torch.isfinite(tensor).all():
        raise UserError(f"{source}: {name} holds a value that is not finite; fetch this file again")
    if name.endswith("running_var") and (tensor < 0).any():
        raise UserError(f"{source}: {name} holds a negative variance; fetch this file again")
    return tensor
