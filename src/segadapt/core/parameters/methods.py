"""What is compared: methods as compositions, protocols as bundles of switches, experiments as rows."""

from typing import Annotated, Any, Literal

from pydantic import Field

from segadapt.core.parameters.presets import BatchNormSettings
from segadapt.core.parameters.sizes import Count, Name, Section


class ImageWeightSettings(Section):
    """Image-wise weighting (paper, section 3.3). Negative ``alpha`` is the SYNTHIA scripts' setting."""

    alpha: Annotated[float, Field(ge=-1, le=1)] = 0.2


class GuidanceSettings(Section):
    """Multi-level self-produced guidance (paper, section 3.4)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.95
    weight: Annotated[float, Field(ge=0)] = 0.1


class AdversarialSettings(Section):
    """A game against discriminators that tell the domains' output maps apart (AdaptSegNet, AdvEnt).

    ``game`` names the file of ``segadapt/methods`` that says what the discriminators see. ``lambda_final`` and
    ``lambda_low`` weigh the heads in what the network minimises; a head of weight 0 has no discriminator.
    ``learning_rate`` (at step 0, on the stage's schedule) and ``width`` (channels of the first layer) are the
    discriminators' own.
    """

    game: Literal["adaptsegnet", "advent"]
    objective: Literal["vanilla", "least_squares"] = "vanilla"
    lambda_final: Annotated[float, Field(ge=0)] = 0.001
    lambda_low: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    width: Count = 64


class MethodEntry(Section):
    """One way to adapt a model. A composition: any loss or game, with or without weights and guidance.

    ``target_loss`` names a file of ``segadapt/methods``; with null, and without ``adversarial``, no target image is
    seen. ``lambda_target: 0`` forwards target images, which moves the batch-norm statistics, and learns
    nothing from them. ``options`` go to the method's file as they are.

    ``start: initial`` trains from the initial weights in the preset's stage ``joint``, without a source model.
    ``auxiliary: true`` gives the network its auxiliary head where nothing else in the entry asks for it.
    ``batch_norm`` replaces the preset's.
    """

    title: str
    origin: Literal["ours", "control"] = "ours"
    target_loss: Name | None
    lambda_target: Annotated[float, Field(ge=0)] = 0.0
    image_weight: ImageWeightSettings | None = None
    guidance: GuidanceSettings | None = None
    adversarial: AdversarialSettings | None = None
    start: Literal["source", "initial"] = "source"
    auxiliary: bool = False
    batch_norm: BatchNormSettings | None = None
    paper_row: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class Protocol(Section):
    """The switches in which the paper, its released code and its first code differ."""

    normalisation: Literal["released", "paper"]
    max_squares_half: bool
    image_weight_half: bool
    image_weight_index: Literal["pixel", "class"]
    guidance_mask: Literal["own", "winner"]
    aspp_branches: Literal[2, 4]
    repeated_updates: Literal["none", "modern", "torch10"]
    evaluation_size: Literal["native", "network"]


class Experiment(Section):
    """A table: its rows in order (``source_only`` or keys of ``methods``) and the table of the paper whose
    rows stand beside them."""

    rows: Annotated[tuple[Name, ...], Field(min_length=1)]
    published: Literal[2, 3, 6] | None = None
