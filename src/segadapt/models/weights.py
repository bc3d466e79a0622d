"""Our own weight files: safetensors that are reproducible to the byte, atomic, hashed, and loaded strictly.

safetensors itself checks the header and the sizes, not the content, so two hashes travel in the metadata: ``sha256``
over all tensors (the name of the content, whatever else the metadata says) and ``metadata_sha256`` over the rest.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as serialise_safetensors
from torch import Tensor, nn

from segadapt.core.artifacts import sha256_json, write_bytes
from segadapt.core.errors import UserError
from segadapt.core.parameters.training import TORCH_SUFFIXES
from segadapt.models.architecture import Architecture
from segadapt.models.claims import require_sane_safetensors, require_weights_file
from segadapt.models.network import Network
from segadapt.models.networks import allocate, outline

CONTENT_KEY = "sha256"
METADATA_KEY = "metadata_sha256"
_LENGTH_BYTES = 8


def content_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over the sorted names, with each tensor's dtype, shape and raw bytes; independent of the device."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _canonical(content: bytes) -> bytes:
    """The same safetensors file with its header's keys sorted: the library writes metadata in random order."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.dumps(json.loads(content[_LENGTH_BYTES:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _LENGTH_BYTES)
    return len(header).to_bytes(_LENGTH_BYTES, "little") + header + content[end:]


def save_tensors(path: Path | str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Writes named tensors atomically and returns their content hash.

    The bytes depend on the arguments only. UserError (with the earlier file left as it was) if the disk is full or
    the write fails for another reason.
    """
    assert not {CONTENT_KEY, METADATA_KEY} & set(metadata), "the hashes are written here"
    # Copies of what is strided or shared: safetensors stores each name as a tensor of its own.
    stored = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    sha256 = content_sha256(stored)
    hashes = {CONTENT_KEY: sha256, METADATA_KEY: sha256_json(dict(metadata))}
    write_bytes(Path(path), _canonical(serialise_safetensors(stored, metadata={**metadata, **hashes})))
    return sha256


def _read_bytes(path: Path) -> bytes:
    size = require_weights_file(path)
    try:
        require_sane_safetensors(path, size)
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read weights {path}: {error.strerror}; check the path, or make the file again"
        ) from error


def _parse(path: Path, content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        tensors = parse_safetensors(content)
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
        header = content[_LENGTH_BYTES:end]
        metadata = json.loads(header).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is not a whole safetensors file ({error}); it is damaged or of another format: make it again, "
            "or convert foreign weights with 'segadapt import-weights'"
        ) from error
    if not header.rstrip(b" ").endswith(b"}"):
        raise UserError(f"{path} is damaged (its header's padding is not blank); make it again")
    return tensors, metadata


def load_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a file of :func:`save_tensors`: the tensors (CPU) and the metadata with ``sha256``.

    UserError if the file cannot be read, is truncated, is of another format, carries no hashes or does not match them.
    """
    path = Path(path)
    if path.suffix in TORCH_SUFFIXES:
        raise UserError(
            f"{path} is a file of torch; convert it once with "
            f"'segadapt import-weights {path} {path.with_suffix('.safetensors').name}' and use that"
        )
    tensors, metadata = _parse(path, _read_bytes(path))
    rest = {key: value for key, value in metadata.items() if key not in (CONTENT_KEY, METADATA_KEY)}
    if CONTENT_KEY not in metadata or METADATA_KEY not in metadata:
        raise UserError(
            f"{path} carries no content hash, so segadapt did not write it whole; make it again, or convert foreign "
            "weights with 'segadapt import-weights'"
        )
    if sha256_json(rest) != metadata[METADATA_KEY] or content_sha256(tensors) != metadata[CONTENT_KEY]:
        raise UserError(f"{path} is damaged: its content does not match the hash it carries; make it again")
    return tensors, {**rest, CONTENT_KEY: metadata[CONTENT_KEY]}


def _refuse_mismatch(path: Path, tensors: Mapping[str, Tensor], model: Network) -> None:
    expected = model.state_dict()
    missing, unexpected = set(expected) - set(tensors), set(tensors) - set(expected)
    if missing or unexpected:
        raise UserError(
            f"{path} does not fit the model: {len(missing)} tensors are missing (first: {min(missing, default='-')}), "
            f"{len(unexpected)} are foreign (first: {min(unexpected, default='-')}); "
            "use the backbone and the 'auxiliary' setting that the file was trained with"
        )
    for name in sorted(expected):
        have, want = tensors[name], expected[name]
        if model.is_of_head(name) and have.shape[:1] != want.shape[:1]:
            raise UserError(
                f"{path} has a head of {have.shape[0]} classes ({name}) and the model one of {want.shape[0]}; "
                f"set num_classes to {have.shape[0]} or use other weights"
            )
        if have.shape != want.shape or have.dtype != want.dtype:
            raise UserError(
                f"{path}: {name} is {have.dtype} {tuple(have.shape)} but the model needs {want.dtype} "
                f"{tuple(want.shape)}; use the backbone that the file was trained with"
            )


def save_model(path: Path | str, model: nn.Module, metadata: Mapping[str, str]) -> str:
    """Writes ``model.state_dict()`` with :func:`save_tensors` and returns its content hash.

    A network that knows its architecture is written with it, so that :func:`open_model` can build it again.
    """
    architecture = getattr(model, "architecture", None)
    described = {} if architecture is None else architecture.as_metadata()
    return save_tensors(path, model.state_dict(), {**metadata, **described})


def open_model(path: Path | str) -> tuple[Network, dict[str, str]]:
    """The network that a file of :func:`save_model` describes, with its weights, on the CPU; and the metadata.

    UserError for a file that is damaged, of another format, a backbone without heads, or silent about its network.
    """
    tensors, metadata = load_tensors(path)
    architecture = Architecture.from_metadata(metadata, path)
    if architecture.num_classes is None:
        raise UserError(
            f"{path} holds a backbone without a segmentation head, which predicts nothing; name it as "
            "model.initial_weights in the preset and train, or use the weights of a whole model"
        )
    model = outline(architecture)
    _refuse_mismatch(Path(path), tensors, model)
    allocate(model).load_state_dict(tensors, strict=True)
    return model, metadata


def weights_summary(path: Path | str) -> dict[str, str]:
    """The metadata of a file of :func:`save_model`, verified with the rest of the file; UserError as on loading."""
    return load_tensors(path)[1]
