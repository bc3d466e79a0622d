"""``params.yaml`` as frozen, typed values: one reader, one set of models, one list of refusals."""

from segadapt.core.parameters.loader import load_parameters, parameters_from
from segadapt.core.parameters.methods import (
    AdversarialSettings,
    Experiment,
    GuidanceSettings,
    ImageWeightSettings,
    MethodEntry,
    Protocol,
    Sweep,
)
from segadapt.core.parameters.presets import (
    BatchNormSettings,
    CacheEntry,
    DatasetEntry,
    EvaluationSettings,
    ModelSettings,
    Precision,
    Preset,
    Rendering,
    Setting,
    TrainingSettings,
)
from segadapt.core.parameters.root import Parameters
from segadapt.core.parameters.scenes import Scene, split_row, sweep_cells
from segadapt.core.parameters.self_training import SelfTrainingSettings
from segadapt.core.parameters.sizes import height_width, width_height

__all__ = [
    "AdversarialSettings",
    "BatchNormSettings",
    "CacheEntry",
    "DatasetEntry",
    "EvaluationSettings",
    "Experiment",
    "GuidanceSettings",
    "ImageWeightSettings",
    "MethodEntry",
    "ModelSettings",
    "Parameters",
    "Precision",
    "Preset",
    "Protocol",
    "Rendering",
    "Scene",
    "SelfTrainingSettings",
    "Setting",
    "Sweep",
    "TrainingSettings",
    "height_width",
    "load_parameters",
    "parameters_from",
    "split_row",
    "sweep_cells",
    "width_height",
]
