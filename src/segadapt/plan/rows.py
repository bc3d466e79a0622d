"""Rows of tables and the models behind them: what has no entry of its own under ``methods``."""

from segadapt.core.job import snapshot_role
from segadapt.core.parameters import MethodEntry, TrainingSettings
from segadapt.core.parameters.root import ORACLE

SOURCE, SOURCE_MULTI = "source", "source_multi"

UNADAPTED = {
    "source_only": {"title": "Source only", "origin": "ours", "paper_row": "Source only"},
    ORACLE: {"title": "Oracle (target labels)", "origin": "control", "paper_row": None},
}


def is_multi(method: MethodEntry) -> bool:
    """Whether a method needs the auxiliary head, hence another source model and the refine stage."""
    return method.guidance is not None


def snapshot_files(settings: TrainingSettings) -> dict[str, str]:
    """Role to file name of the models that a training job keeps on the way."""
    return {snapshot_role(step): f"snapshot{step:06d}.safetensors" for step in settings.snapshot_steps}
