"""``params.yaml`` as frozen, typed values: one reader, one set of models, one list of refusals."""

from segadapt.core.parameters.loader import load_parameters, parameters_from, read_parameters
from segadapt.core.parameters.methods import MethodEntry, Protocol
from segadapt.core.parameters.presets import CacheEntry, DatasetEntry, Preset
from segadapt.core.parameters.root import Parameters
from segadapt.core.parameters.section import in_file, width_height
from segadapt.core.parameters.self_training import SelfTrainingSettings
from segadapt.core.parameters.settings import ResolvedSetting, split_row, sweep_cells, training_of
from segadapt.core.parameters.training import BatchNormPolicy, ModelSettings, Precision, Schedule, TrainingSettings
