"""DeepLab-v2, its initial weights, its batch-norm policy, its input, and its weight files."""

from segadapt.models.architecture import Architecture
from segadapt.models.backbones import BACKBONES, Backbone
from segadapt.models.batchnorm import BATCHNORM_POLICIES, BatchNormPolicy, apply_batchnorm_policy
from segadapt.models.deeplab import DeepLabV2, build, deeplabv2
from segadapt.models.initialisation import initialise
from segadapt.models.input import INPUT_CONVENTIONS, InputConvention, to_input
from segadapt.models.weights import load_model, load_tensors, open_model, save_model, save_tensors, weights_summary

__all__ = [
    "BACKBONES",
    "BATCHNORM_POLICIES",
    "INPUT_CONVENTIONS",
    "Architecture",
    "Backbone",
    "BatchNormPolicy",
    "DeepLabV2",
    "InputConvention",
    "apply_batchnorm_policy",
    "build",
    "deeplabv2",
    "initialise",
    "load_model",
    "load_tensors",
    "open_model",
    "save_model",
    "save_tensors",
    "to_input",
    "weights_summary",
]
