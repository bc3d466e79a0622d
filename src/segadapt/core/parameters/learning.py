"""Optimisers and the learning rate's way, each a section that its ``name`` chooses; what they compute is training's."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from segadapt.core.parameters.section import Section, Whole

Decay = Annotated[float, Field(ge=0)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Power = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[Whole, Field(ge=0)]


class RepeatedSgd(Section):
    """SGD with momentum that updates backbone tensors as often as the protocol's ``repeated_updates`` says."""

    name: Literal["repeated_sgd"] = "repeated_sgd"
    momentum: Momentum = 0.9
    weight_decay: Decay = 5e-4


class Sgd(Section):
    """SGD with momentum, one update a step whatever the protocol says."""

    name: Literal["sgd"] = "sgd"
    momentum: Momentum = 0.9
    weight_decay: Decay = 5e-4


class AdamW(Section):
    """AdamW (Loshchilov and Hutter 2019) with PyTorch's defaults; what does not decay is for the network to say."""

    name: Literal["adamw"] = "adamw"
    beta1: Momentum = 0.9
    beta2: Momentum = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Decay = 0.01


class Adam(Section):
    """Adam (Kingma and Ba 2015) with PyTorch's defaults; ``weight_decay`` is added to gradients, as L2 losses would."""

    name: Literal["adam"] = "adam"
    beta1: Momentum = 0.9
    beta2: Momentum = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Decay = 0.0


class Poly(Section):
    """DeepLab's way down: ``(1 - step / horizon) ** power``, zero at ``horizon``.

    Over the first ``warm_up`` steps that is multiplied by a factor which grows linearly from ``warm_up_ratio`` to 1, as
    SegFormer and DAFormer have it.
    """

    name: Literal["poly"] = "poly"
    power: Power = 0.9
    warm_up: Steps = 0
    warm_up_ratio: Ratio = 1e-6


class Linear(Section):
    """Linearly from ``warm_up_ratio`` to 1 over ``warm_up`` steps, then linearly to zero at ``horizon`` (VFM-UDA)."""

    name: Literal["linear"] = "linear"
    warm_up: Steps = 0
    warm_up_ratio: Ratio = 1e-3


class Inverse(Section):
    """Classification papers' way: ``1 / (1 + 10 * step / horizon) ** power``."""

    name: Literal["inverse"] = "inverse"
    power: Power = 0.75


class Constant(Section):
    """The learning rate as it is."""

    name: Literal["constant"] = "constant"


def _named(value: Any) -> Any:
    """A name alone stands for the section of that name with its defaults."""
    return {"name": value} if isinstance(value, str) else value


def _name_of(value: Any) -> str | None:
    return value.get("name") if isinstance(value, Mapping) else getattr(value, "name", None)


_Optimiser = (
    Annotated[RepeatedSgd, Tag("repeated_sgd")]
    | Annotated[Sgd, Tag("sgd")]
    | Annotated[AdamW, Tag("adamw")]
    | Annotated[Adam, Tag("adam")]
)
_Annealing = (
    Annotated[Poly, Tag("poly")]
    | Annotated[Linear, Tag("linear")]
    | Annotated[Inverse, Tag("inverse")]
    | Annotated[Constant, Tag("constant")]
)
Optimiser = Annotated[
    _Optimiser,
    Discriminator(_name_of),
    BeforeValidator(_named, json_schema_input_type=_Optimiser | Literal["repeated_sgd", "sgd", "adamw", "adam"]),
]
Annealing = Annotated[
    _Annealing,
    Discriminator(_name_of),
    BeforeValidator(_named, json_schema_input_type=_Annealing | Literal["poly", "linear", "inverse", "constant"]),
]
