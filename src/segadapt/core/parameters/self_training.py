"""Self-training in rounds, with the numbers of the original for GTA5 to Cityscapes as defaults."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from segadapt.core.parameters.section import Count, Fraction, Section

Portion = Annotated[float, Field(gt=0, le=1)]


class SelfTrainingSettings(Section):
    """CBST, CBST-SP and plain self-training (CBST ``issegm/solve_AO.py``, commit 24439a5).

    Every round labels the target's training images by the model of the round before, at first the source model, keeps
    the most confident ``portion`` of pixels and trains on them. ``selection``: ``class_balanced`` takes that portion of
    each class (CBST), ``global`` of all pixels together (ST), looking at every ``stride``-th. ``spatial_prior``
    multiplies the probabilities by where the source's labels have each class (CBST-SP), smoothed by a Gaussian of
    ``prior_blur`` picture widths. ``flip`` averages over every image and its mirror image.

    A round sees a random ``source_share`` of the source images, rounded down; with ``source_redraw`` every round draws
    them anew, else they stay and grow in number. Portion and share grow by their ``_step`` a round up
    to their ``_limit``. ``steps`` and ``learning_rate`` of a round are those of the preset's ``adapt`` if null; the
    rate is constant within a round and divided by ``learning_rate_divisor`` from one to the next. Where ``adapt`` has
    a ``crop``, it is centred on a rare class with the chance ``mining``. The original normalises
    by the running statistics and trains no affine part: that is the method's ``batch_norm``.
    """

    selection: Literal["class_balanced", "global"] = "class_balanced"
    spatial_prior: bool = False
    prior_blur: Portion = 0.02
    rounds: Count = 6
    portion: Portion = 0.15
    portion_step: Annotated[float, Field(ge=0, le=1)] = 0.05
    portion_limit: Portion = 0.5
    stride: Count = 4
    flip: bool = True
    source_share: Portion = 0.03
    source_share_step: Annotated[float, Field(ge=0, le=1)] = 0.0025
    source_share_limit: Portion = 0.06
    source_redraw: bool = False
    mining: Fraction = 0.8
    steps: Count | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    learning_rate_divisor: Annotated[float, Field(ge=1)] = 2**0.5

    @model_validator(mode="after")
    def _limits(self) -> "SelfTrainingSettings":
        for key in ("portion", "source_share"):
            first, limit = getattr(self, key), getattr(self, f"{key}_limit")
            if limit < first:
                raise ValueError(f"{key}_limit: {limit:g} is below {key}, {first:g}, with which the rounds begin")
        return self

    def portion_of(self, number: int) -> float:
        """The portion of round ``number``, from 1."""
        return _grown(self.portion, self.portion_step, self.portion_limit, number)

    def source_share_of(self, number: int) -> float:
        """The share of the source's images in round ``number``, from 1."""
        return _grown(self.source_share, self.source_share_step, self.source_share_limit, number)


def _grown(first: float, step: float, limit: float, number: int) -> float:
    # Rounded, so that a limit that is reached exactly is written like one that is not passed.
    return min(round(first + (number - 1) * step, 12), limit)
