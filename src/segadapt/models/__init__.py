"""Networks, their initial weights, batch-norm policy, input and weight files."""

from typing import TYPE_CHECKING

from segadapt.core.lazy import exports

if TYPE_CHECKING:
    from segadapt.core.parameters.training import BatchNormPolicy
    from segadapt.models.architecture import Architecture
    from segadapt.models.batchnorm import BATCHNORM_POLICIES, apply_batchnorm_policy
    from segadapt.models.initialisation import initialise
    from segadapt.models.input import INPUT_CONVENTIONS, to_input
    from segadapt.models.network import Network
    from segadapt.models.networks import build, deeplabv2
    from segadapt.models.weights import load_tensors, open_model, save_model, save_tensors, weights_summary

__getattr__ = exports(__name__, __file__)
