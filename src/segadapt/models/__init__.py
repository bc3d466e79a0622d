"""DeepLab-v2 and the wider ResNet, their initial weights, batch-norm policy, input and weight files."""

from typing import TYPE_CHECKING

from segadapt.core.lazy import exports

if TYPE_CHECKING:
    from segadapt.models.architecture import Architecture
    from segadapt.models.backbones import BACKBONES, Backbone, WideBackbone
    from segadapt.models.batchnorm import BATCHNORM_POLICIES, BatchNormPolicy, apply_batchnorm_policy
    from segadapt.models.classifier import ImageClassifier
    from segadapt.models.deeplab import DeepLabV2
    from segadapt.models.initialisation import initialise
    from segadapt.models.input import INPUT_CONVENTIONS, InputConvention, to_input
    from segadapt.models.networks import Network, build, deeplabv2
    from segadapt.models.weights import load_model, load_tensors, open_model, save_model, save_tensors, weights_summary
    from segadapt.models.wide_resnet import WideResNet

__all__ = [
    "BACKBONES",
    "BATCHNORM_POLICIES",
    "INPUT_CONVENTIONS",
    "Architecture",
    "Backbone",
    "BatchNormPolicy",
    "DeepLabV2",
    "ImageClassifier",
    "InputConvention",
    "Network",
    "WideBackbone",
    "WideResNet",
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

__getattr__ = exports(__name__, __file__)
