"""``params.yaml`` as frozen, typed values: one reader, one set of models, one list of refusals."""

from segadapt.core.parameters.classification import Classification, EasyAndHard
from segadapt.core.parameters.loader import load_parameters, parameters_from, read_parameters
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
    CacheEntry,
    DatasetEntry,
    EvaluationSettings,
    Preset,
    Rendering,
    Setting,
)
from segadapt.core.parameters.root import Parameters
from segadapt.core.parameters.section import height_width, in_file, width_height
from segadapt.core.parameters.self_training import SelfTrainingSettings
from segadapt.core.parameters.settings import ResolvedSetting, split_row, sweep_cells, training_of
from segadapt.core.parameters.training import (
    BatchNormPolicy,
    ModelSettings,
    Precision,
    Schedule,
    TrainingSettings,
)

__all__ = [
    "AdversarialSettings",
    "BatchNormPolicy",
    "CacheEntry",
    "Classification",
    "DatasetEntry",
    "EasyAndHard",
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
    "ResolvedSetting",
    "Schedule",
    "SelfTrainingSettings",
    "Setting",
    "Sweep",
    "TrainingSettings",
    "height_width",
    "in_file",
    "load_parameters",
    "parameters_from",
    "read_parameters",
    "split_row",
    "sweep_cells",
    "training_of",
    "width_height",
]
