"""The backbone's first weights from a file; the heads keep their own initialisation."""

from pathlib import Path

from torch import nn

from segadapt.core.errors import UserError
from segadapt.models.architecture import Architecture
from segadapt.models.weights import load_tensors

HEADS = ("layer5.", "layer6.")


def initial_architecture(path: Path) -> Architecture:
    """What the weight file says of its network: the one that trains on must have its strides and its input.

    UserError for a file that ``segadapt`` did not write, or that does not say.
    """
    return Architecture.from_metadata(load_tensors(path)[1], path)


def load_backbone(path: Path, model: nn.Module) -> float:
    """Copies every backbone tensor of a weight file into ``model`` and returns the loaded fraction of its tensors.

    Heads in the file are passed over by name, for their classes are other ones. UserError, with the model
    unchanged, if any backbone tensor is missing, foreign or of another shape: when initial weights silently
    fail to load, source-only results drop to the twenties (AdaptSegNet issue 81).
    """
    tensors, _ = load_tensors(path)
    own = model.state_dict()
    wanted = {name for name in own if not name.startswith(HEADS)}
    given = {name for name in tensors if not name.startswith(HEADS)}
    # Files saved before PyTorch 0.4.1 have no such counters.
    missing = {name for name in wanted - given if not name.endswith("num_batches_tracked")}
    misfits = sorted(name for name in wanted & given if own[name].shape != tensors[name].shape)
    if missing or given - wanted or misfits:
        raise UserError(
            f"{path} does not fit the backbone: missing {sorted(missing)[:3]}, foreign {sorted(given - wanted)[:3]}, "
            f"of another shape {misfits[:3]}; choose weights of the backbone in params.yaml"
        )
    model.load_state_dict({name: tensors[name] for name in wanted & given}, strict=False)
    return len(wanted & given) / len(own)
