"""How large everything is: data sets, sizes, model and step counts of one preset."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from segadapt.core.parameters.classification import Classification
from segadapt.core.parameters.section import ClassSetName, Count, Name, PathText, Section, Seed, Size, Whole
from segadapt.core.parameters.text import file_path
from segadapt.core.parameters.training import ModelSettings, Precision, TrainingSettings

FigureRows = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class Rendering(Section):
    """Built-in data: how many scenes of which domain are drawn, and at which size.

    ``digits`` are no scenes: handwritten digits in three looks, and its ``splits`` are these domains.
    """

    domain: Literal["game", "camera", "town", "synthia", "rome", "rio", "tokyo", "taipei", "elsewhere", "digits"]
    size: Size
    splits: Annotated[dict[Name, Count], Field(min_length=1)]
    seed: Seed = 0


def _inside(path: str) -> str:
    plain = PurePosixPath(path)
    if not path or plain.is_absolute() or ".." in plain.parts or "\\" in path or str(plain) != path:
        raise ValueError(f"'{path}' must be a path below the data set's folder, with forward slashes: a/b.png")
    return file_path(path)


def _each_once(paths: tuple[str, ...]) -> tuple[str, ...]:
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"'{path}' stands there twice; list it once")
    return paths


class DatasetEntry(Section):
    """A data set as its authors ship it: in a folder of the user's, or rendered there by us.

    ``format`` names a file of ``segadapt/data/datasets``. ``accept`` are files, relative to the folder, whose faults
    are known: what they belong to is left out, and the cache's manifest says so. A list or folder that gives another
    number of images than the authors' is accepted in the same way.
    """

    format: Name
    root: PathText | None = None
    render: Rendering | None = None
    accept: Annotated[tuple[Annotated[str, AfterValidator(_inside)], ...], AfterValidator(_each_once)] = ()


class CacheEntry(Section):
    """One packed split at the network's size. ``native_labels`` keeps full-size labels for evaluation.

    ``classes`` are those of the labels; null for the preset's ``model.classes``.
    ``form``: ``compressed`` holds the same pixels in a third of the space and takes some milliseconds a sample to
    read; ``prepare`` prints the sizes of both before it starts.
    """

    dataset: Name
    split: Name
    size: Size
    labels: bool = True
    native_labels: bool = False
    classes: ClassSetName | None = None
    form: Literal["raw", "compressed"] = "raw"


class EvaluationSettings(Section):
    """The scoring modes beside that of the primary number (docs/protocols.md).

    ``flip`` also averages over every image and its mirror image: twice the network's time. ``heads`` also scores the
    low head and the ensemble of models that have an auxiliary head. ``label_free_images`` target training images,
    evenly spaced, are looked at without labels: to choose among a model's snapshots, and to rank models.
    """

    flip: bool = True
    heads: bool = True
    label_free_images: Count = 50


class RunSettings(Section):
    """How jobs run; nothing here may change a result on the same machine but ``cpu_threads``.

    ``jobs_per_gpu``: how many jobs share one of the machine's GPUs at a time. With ``tensorboard`` trainings also log
    to event files, below ``work/<preset>/tensorboard``.
    """

    cpu_threads: Count = 1
    jobs_per_gpu: Count = 1
    loader_threads: Annotated[Whole, Field(ge=0)] = 0
    prepare_processes: Count = 2
    save_seconds: Annotated[float, Field(gt=0)] = 60.0
    save_steps: Count = 1000
    log_steps: Count = 50
    tensorboard: bool = False


class Setting(Section):
    """Another adaptation within a preset: another source, target, network, precision or switch of the protocol.

    Every key but the titles replaces the preset's (or, under ``protocol`` and ``methods``, the protocol's and the
    methods') where it is given, sections key by key. Source models that would be trained alike in several settings
    are trained once. ``title``, or else the setting's name, stands before a method's name in tables that hold rows of
    several settings, and ``source_paper_row`` is the paper's row of the unadapted model.
    """

    title: str | None = None
    source_paper_row: str | None = None
    data_note: str | None = None
    is_paper_data: bool | None = None
    model: dict[str, Any] = Field(default_factory=dict)
    pretrain: dict[str, Any] = Field(default_factory=dict)
    adapt: dict[str, Any] = Field(default_factory=dict)
    refine: dict[str, Any] = Field(default_factory=dict)
    joint: dict[str, Any] = Field(default_factory=dict)
    oracle: dict[str, Any] = Field(default_factory=dict)
    evaluate_on: Name | None = None
    evaluate_refined_on: Name | None = None
    figure_rows: FigureRows | None = None
    protocol: dict[Name, Any] = Field(default_factory=dict)
    methods: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    precision: dict[str, Any] = Field(default_factory=dict)


class LambdaRule(Section):
    """How a preset reads ``lambda_target`` of the paper's target losses: as the λ of the preset ``of``.

    ``loss_time`` trains with a λ at which the loss has the same λ · (sum of the learning rate over the steps) as there
    (``segadapt.plan.loss_time``).
    """

    name: Literal["loss_time"]
    of: Name


class Preset(Section):
    """Everything that has a size.

    ``refine`` serves methods that need the auxiliary head, ``joint`` those that start from the initial weights,
    ``oracle`` trains on target labels. ``settings`` are further adaptations on the same data sets and caches.

    ``methods`` and ``experiments`` hold keys that replace those of the entries of the same name while this preset
    is the active one: another ``lambda_target``, say, or another list of rows. ``tables`` names the experiments that
    the preset makes; without it, it makes all. One that no preset names is made by every one.

    ``lambda_rule`` says that ``lambda_target`` is written as the λ of another preset, in sweeps and settings, too;
    without it, methods are trained with the λ as it stands. It is of segmentation alone.

    ``figure_rows`` are the indices, in ``evaluate_on``, of the images that the qualitative figure shows, and
    ``figure_methods`` the methods that it shows; all of ours if there is none.

    ``report`` names the tables that the page shows, the first of them on top; those of them that the preset makes. If
    there is none, it shows all tables of the preset.

    ``classification`` is what Table 1 and Figure 5 are made of. A preset that has it may leave out ``model``,
    ``pretrain``, ``adapt``, ``refine`` and ``evaluate_on``, which segmentation needs, all together.
    """

    data_note: str
    is_paper_data: bool = False
    tables: tuple[Name, ...] | None = None
    datasets: dict[Name, DatasetEntry]
    caches: dict[Name, CacheEntry]
    model: ModelSettings | None = None
    pretrain: TrainingSettings | None = None
    adapt: TrainingSettings | None = None
    refine: TrainingSettings | None = None
    joint: TrainingSettings | None = None
    oracle: TrainingSettings | None = None
    lambda_rule: LambdaRule | None = None
    evaluate_on: Name | None = None
    evaluate_refined_on: Name | None = None
    figure_rows: FigureRows = (0, 1, 2)
    figure_methods: tuple[Name, ...] = ()
    report: tuple[Name, ...] = ()
    classification: Classification | None = None
    settings: dict[Name, Setting] = Field(default_factory=dict)
    methods: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    experiments: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    evaluation: EvaluationSettings = EvaluationSettings()
    precision: Precision = Precision()
    run: RunSettings = RunSettings()

    def classes_of(self, cache: str) -> str:
        """The class set of a cache's labels: its own, or the model's."""
        return self.caches[cache].classes or self.model.classes
