"""Table 1 and Figure 5: image classifiers, adapted between every two of some domains."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from segadapt.core.parameters.section import Name, Section, overlaid
from segadapt.core.parameters.training import ModelSettings, Precision, Schedule


def task_name(source: str, target: str) -> str:
    """What a task is called, in paths and in the columns of tables."""
    return f"{source}_to_{target}"


class EasyAndHard(Section):
    """Figure 5: target samples ranked by the source model's confidence, and how well methods do on both ends.

    From the model that was trained on ``source`` alone, each of ``methods`` trains on to ``target`` by ``training``;
    its accuracy is followed at every snapshot. Keys that ``training`` leaves out are those of the tables' training.
    ``share`` of the samples are the easy and as many the hard ones.
    """

    source: Name
    target: Name
    methods: Annotated[tuple[Name, ...], Field(min_length=1)]
    training: Schedule
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.3


class Classification(Section):
    """Adapting an image classifier between ``domains``, by name the caches of their images.

    Every ordered pair of domains is a task. All of a domain's images are seen without labels when it is the target,
    and all of them are scored: the transductive protocol of Office-31. Every method trains from the initial weights
    by ``training``. ``protocol`` lays switches over the active protocol's.
    """

    data_note: str
    is_paper_data: bool = False
    domains: Annotated[dict[Name, Name], Field(min_length=2)]
    model: ModelSettings
    training: Schedule
    easy_and_hard: EasyAndHard | None = None
    precision: Precision = Precision()
    protocol: dict[Name, Any] = Field(default_factory=dict)

    @field_validator("easy_and_hard", mode="before")
    @classmethod
    def _trained_like_the_tables(cls, figure: Any, info: ValidationInfo) -> Any:
        """The figure's training with all its keys."""
        own = figure.get("training", {}) if isinstance(figure, Mapping) else None
        if not isinstance(own, Mapping) or "training" not in info.data:
            return figure
        return {**figure, "training": overlaid(info.data["training"].model_dump(), own)}

    @property
    def tasks(self) -> dict[str, tuple[str, str]]:
        """Name of each ordered pair of domains to source and target, sources in the file's order."""
        pairs = [(source, target) for source in self.domains for target in self.domains if source != target]
        return {task_name(source, target): (source, target) for source, target in pairs}
