"""What is compared: methods as compositions, protocols as bundles of switches, experiments as rows."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from segadapt.core.parameters.section import ClassSetName, Count, KeyPath, Name, RowKey, Section, keys_within
from segadapt.core.parameters.self_training import SelfTrainingSettings
from segadapt.core.parameters.training import BatchNormPolicy, TrainingSettings


class ImageWeightSettings(Section):
    """Image-wise weighting (paper, section 3.3). Negative ``alpha`` is the SYNTHIA scripts' setting."""

    alpha: Annotated[float, Field(ge=-1, le=1)] = 0.2


class GuidanceSettings(Section):
    """Multi-level self-produced guidance (paper, section 3.4)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.95
    weight: Annotated[float, Field(ge=0)] = 0.1


class AdversarialSettings(Section):
    """Adversarial training: discriminators of the domains, on output maps (AdaptSegNet, AdvEnt) or features (DANN).

    ``name`` is a file of ``segadapt/methods/adversarial``, which says what the discriminators see. ``lambda_final`` and
    ``lambda_low`` weigh the heads in what the network minimises; a head of weight 0 has no discriminator.
    ``learning_rate`` (at step 0, on the stage's schedule) and ``width`` (channels of the first layer) are the
    discriminators' own.

    ``dann`` is for image classifiers, by gradient reversal: its discriminator sees features, learns with the
    network's own optimiser at the classifier's rate (``learning_rate`` is not read), and its pull on the features,
    ``lambda_final``, rises by ``ramp`` (``segadapt.methods.adversarial.dann``).
    """

    name: Literal["adaptsegnet", "advent", "dann"]
    objective: Literal["vanilla", "least_squares"] = "vanilla"
    lambda_final: Annotated[float, Field(ge=0)] = 0.001
    lambda_low: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    width: Count = 64
    ramp: Annotated[float, Field(gt=0)] = 10.0


class MethodEntry(Section):
    """One way to adapt a model: any loss or adversarial training, with or without weights and guidance.

    ``target_loss`` names a file of ``segadapt/methods``; null, without ``adversarial`` beside it, means that no target
    image is seen. ``lambda_target: 0`` forwards target images, which moves the batch-norm statistics, and learns
    nothing from them. ``auxiliary: true`` gives the network its auxiliary head where nothing else in the entry asks
    for it. ``batch_norm`` replaces the preset's, ``aspp_branches`` the protocol's, for the method and for the source
    model that it starts from; ``training`` holds keys that replace those of the stage's section. ``start`` is the model
    that training goes on from: the source model (stage ``adapt``), or the initial weights (stage ``joint``), as
    adversarial methods are run. ``ensemble`` names two or more other methods whose models are averaged when scored;
    nothing is trained then. ``ensemble_average`` says what is averaged: their ``logits``, as ADVENT does, or their
    class ``probabilities``. ``self_training`` goes with the target loss of that name, which learns from pseudo-labels
    in rounds. ``options`` are those of the method's file.
    """

    title: str
    origin: Literal["ours", "control"] = "ours"
    target_loss: Name | None = None
    lambda_target: Annotated[float, Field(ge=0)] = 0.0
    image_weight: ImageWeightSettings | None = None
    guidance: GuidanceSettings | None = None
    adversarial: AdversarialSettings | None = None
    auxiliary: bool = False
    batch_norm: BatchNormPolicy | None = None
    aspp_branches: Literal[2, 4] | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    self_training: SelfTrainingSettings | None = None
    start: Literal["source", "initial"] = "source"
    ensemble: tuple[Name, ...] = ()
    ensemble_average: Literal["logits", "probabilities"] = "logits"
    paper_row: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("training")
    @classmethod
    def _keys_of_a_stage(cls, value: dict[str, Any]) -> dict[str, Any]:
        known = TrainingSettings.model_fields
        for key, inner in value.items():
            if key not in known:
                raise ValueError(f"{key}: unknown key; a stage's section has {', '.join(known)}")
            # Values are judged once they lie over a stage's own; keys at once, in presets that are not active too.
            inner_known = keys_within(known[key].annotation)
            foreign = [name for name in inner if name not in inner_known] if isinstance(inner, dict) else []
            if foreign:
                raise ValueError(f"{key}.{foreign[0]}: unknown key; this section has {', '.join(inner_known)}")
        return value

    @property
    def needs_auxiliary_head(self) -> bool:
        """Whether the low head takes part, so that the source model must have been trained with it."""
        low = self.adversarial is not None and self.adversarial.lambda_low > 0
        return self.auxiliary or self.guidance is not None or low

    @property
    def stage(self) -> str:
        """The stage that trains it."""
        return self.schedule if self.self_training is None else "self_train"

    @property
    def schedule(self) -> str:
        """The preset's section that says for how long it is trained, and on what."""
        if self.start == "initial":
            return "joint"
        return "refine" if self.needs_auxiliary_head else "adapt"

    @property
    def sees_target(self) -> bool:
        """Whether target images are looked at while training."""
        return self.target_loss is not None or self.adversarial is not None


class Protocol(Section):
    """The switches in which the paper, its released code and its first code differ."""

    normalisation: Literal["released", "paper"]
    max_squares_half: bool
    image_weight_half: bool
    image_weight_index: Literal["pixel", "class"]
    guidance_mask: Literal["own", "winner"]
    aspp_branches: Literal[2, 4]
    repeated_updates: Literal["none", "modern", "torch10"]
    adam_epsilon: Literal["uncorrected", "corrected"]
    evaluation_size: Literal["native", "network"]


class Sweep(Section):
    """One parameter of a method over a grid: a cell a value.

    ``parameter`` is a key of the method's entry, with dots: ``image_weight.alpha``. A value that the method has anyway
    is the method's own cell; adding a value trains that cell alone.
    """

    method: RowKey
    parameter: KeyPath
    values: Annotated[tuple[float, ...], Field(min_length=1)]


LATER_WORK = 7
"""The ``published`` of rows that are no table of the paper."""


class Experiment(Section):
    """A table. ``rows`` in order: ``source_only``, ``oracle`` or keys of ``methods``, each perhaps in a setting of the
    preset (``rome/maxsquare``); then the cells of ``sweeps``. With ``settings`` all rows stand in each of them.

    ``classes`` scores models of more classes on fewer (a 19-class head on SYNTHIA's 16). ``published`` is the table of
    the paper whose rows stand beside ours, or 7, those of later work. A ``classification`` table has a column for each
    of the preset's tasks.
    ``also_against`` are rows with which the statistics compare the others of the same setting, beside the control.
    """

    task: Literal["segmentation", "classification"] = "segmentation"
    rows: tuple[RowKey, ...] = ()
    settings: tuple[Name, ...] = ()
    also_against: tuple[RowKey, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    classes: ClassSetName | None = None
    published: Literal[1, 2, 3, 4, 5, 6, 7] | None = None

    @model_validator(mode="after")
    def _agree(self) -> "Experiment":
        if self.settings and not self.rows:
            raise ValueError("settings: there are no rows that stand in them; list rows, or drop settings")
        if len(set(self.settings)) != len(self.settings):
            raise ValueError("settings: one stands there twice; list each once")
        for index, row in enumerate(self.rows):
            if self.settings and "/" in row:
                raise ValueError(f"rows[{index}]: '{row}' has a setting of its own; drop it, or the table's settings")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The rows, each in its setting."""
        if not self.settings:
            return self.rows
        return tuple(f"{setting}/{row}" for setting in self.settings for row in self.rows)
