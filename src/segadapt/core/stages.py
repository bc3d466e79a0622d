"""The stages of the pipeline, each spelled once: what rules, phases, jobs, paths, costs and ``show`` go by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CPU_THREADS, PROCESSES = "cpu_threads", "prepare_processes"
"""Keys of a preset's ``run`` that say how many threads a job has."""


@dataclass(frozen=True)
class Stage:
    """What all jobs of a stage have in common, and how each of them is run.

    ``job``, ``folder`` and ``files`` are patterns. What stands in their braces is a job's subject: which data set,
    cache, model and seed, table or figure. ``job`` is the job's name, ``files`` maps role to file name, ``record`` is
    the provenance's. ``script`` is the module in ``segadapt/stages``, the stage's own if it is not given; where it
    serves several, ``config``, a part of the configuration of every job, says which. ``reads`` are the roles of the
    scores that a table is made from, ``says`` is what it tells of each row beside title and origin; ``in_parts``:
    it can read rows that are scored in parts, a column each. ``threads`` is a number or a key of a preset's ``run``;
    ``captions`` maps the roles of files that Snakemake's report shows to their texts in ``workflow/report``. Jobs with
    ``gpu`` run networks; ``mem_mb`` and ``runtime`` (minutes) are of the others, for theirs are estimated
    (``segadapt.plan.estimate.needs``).
    """

    name: str
    phase: str
    job: str
    folder: str
    files: Mapping[str, str]
    record: str = "provenance.json"
    script: str = ""
    threads: int | str = 1
    mem_mb: int = 500
    runtime: int = 10
    gpu: bool = False
    trains: bool = False
    scores: bool = False
    reads: tuple[str, ...] = ("metrics",)
    says: tuple[str, ...] = ()
    in_parts: bool = False
    captions: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that does the work: ``python -m <module> <card>``."""
        return f"segadapt.stages.{self.script or self.name}"

    @property
    def category(self) -> str:
        """Where in the report its files stand."""
        return "Tables" if self.script == TABLE else "Figures"

    @property
    def is_short(self) -> bool:
        """Whether its jobs take less than it takes to start them elsewhere."""
        return self.phase == "table" and not self.gpu

    def threads_in(self, run: Any) -> int:
        """Of one job, where ``run`` is that part of its preset."""
        own = getattr(run, self.threads) if isinstance(self.threads, str) else self.threads
        return own + (run.loader_threads if self.trains else 0)

    def patterns(self, preset: str, more: Iterable[str] = ()) -> dict[str, str]:
        """Role to path of all outputs, their subject in braces; ``more`` are files that not all its jobs make."""
        folder = self.folder if self.phase == "table" else f"work/{preset}/{self.folder}"
        names = {**self.files, **{name: name for name in more}, "provenance": self.record}
        return {role: f"{folder}/{name}" for role, name in names.items()}

    def path(self, role: str, preset: str, subject: Mapping[str, Any]) -> str:
        """The output of that role, or ``provenance``, of the job on a subject."""
        return self.patterns(preset)[role].format(**subject)


def card_of(preset: str, job: str) -> str:
    """The path of a job's card; ``job`` is a name, or a stage's pattern of names."""
    return f"work/{preset}/cards/{job}.json"


def log_of(preset: str, job: str) -> str:
    """What a job prints."""
    return f"work/{preset}/logs/{job}.log"


def benchmark_of(preset: str, job: str) -> str:
    """Snakemake's measurement of a job; none of its outputs, yet as old as one must be."""
    return f"work/{preset}/logs/{job}.benchmark.tsv"


PREPARE, PRETRAIN, PSEUDO_LABEL, EVALUATE, TABLE = "prepare", "pretrain", "pseudo_label", "evaluate", "table"
SCORING_MODES, STATISTICS = "scoring", "statistics"
BARS, ROBUSTNESS, GALLERY, QUALITATIVE, REPORT = "bars", "robustness", "gallery", "qualitative", "report"
"""Stages whose jobs others look for."""
_MODEL = "{model}/seed{seed}"
_TRAINED = {"model": "model.safetensors", "history": "history.csv"}
_RUNS_NETWORK = {"threads": CPU_THREADS, "gpu": True}


def _training(name: str, folder: str = "models", phase: str = "adapt", prefix: str | None = None) -> Stage:
    return Stage(
        name, phase, f"{prefix or name}/{_MODEL}", f"{folder}/{_MODEL}", _TRAINED, script="train", trains=True,
        **_RUNS_NETWORK,
    )  # fmt: skip


def _table(
    name: str, made_by: str, ending: str = "", more: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None, **rest,
) -> Stage:  # fmt: skip
    """A table, or with ``ending`` one that goes with each; its file in ``reporting/tables`` is ``made_by``.

    ``more`` are files beside its own, ``reads`` the roles of scores that it reads.
    """
    kinds = ("csv", "md") if ending else ("csv", "json", "md", "tex", "html")
    files = {kind: f"{{table}}{ending}.{kind}" for kind in kinds} | (more or {})
    return Stage(
        name, "table", f"{name}/{{table}}", "results", files, f"{{table}}{ending}.provenance.json", script="table",
        captions={"csv": name, **{role: role for role in more or ()}}, config={"table": made_by, **(config or {})},
        **rest,
    )  # fmt: skip


def _figure(name: str, figure: str, kinds: Mapping[str, str] | None = None, **rest) -> Stage:
    """A figure in its forms: as pixels, as lines, and the points behind it; its file is in ``reporting/figures``."""
    kinds = kinds or {"picture": "png", "vector": "svg", "data": "csv"}
    files, record = {role: f"{figure}.{kind}" for role, kind in kinds.items()}, f"{figure}.provenance.json"
    return Stage(
        name, "table", f"figure/{figure}", "results/figures", files, record, script="figure",
        captions={"picture": name}, config={"figure": name}, **rest,
    )  # fmt: skip


_ALL = (
    Stage(
        "render", "data", "render/{dataset}", "data/{dataset}", {"manifest": "manifest.json"}, threads=PROCESSES,
        mem_mb=1500, runtime=30,
    ),
    Stage(
        PREPARE, "data", "prepare/{cache}", "cache/{cache}", {"pack": "pack.bin", "manifest": "manifest.json"},
        threads=PROCESSES, mem_mb=2000, runtime=240,
    ),
    # Beside the cache that they are of.
    Stage("static", "data", "static/{cache}", "cache/{cache}/static", {"pack": "pack.bin", "manifest": "manifest.json"},
          mem_mb=1000, runtime=600),
    _training(PRETRAIN, "sources", "pretrain"),
    _training("adapt"),
    _training("refine"),
    # From the initial weights, with sizes and a schedule of its own.
    _training("joint"),
    Stage("prior", "adapt", "prior/{model}", "models/{model}/prior", {"prior": "prior.safetensors"}, mem_mb=1000,
          runtime=60),
    Stage(
        PSEUDO_LABEL, "adapt", f"pseudo_label/{_MODEL}", f"models/{_MODEL}/labels",
        {"pack": "pack.bin", "manifest": "manifest.json", "selection": "selection.json"},
        scores=True, **_RUNS_NETWORK,
    ),
    _training("self_train"),
    Stage(
        EVALUATE, "evaluate", f"evaluate/{_MODEL}", f"metrics/{_MODEL}",
        {"metrics": "metrics.json", "confusion": "confusion.safetensors"}, scores=True, **_RUNS_NETWORK,
    ),
    _table(TABLE, "main", says=("paper_row", "is_cell", "backbone", "protocol", "eval_size", "baseline"),
           in_parts=True),
    _table(SCORING_MODES, "scoring", "_protocols", says=("network_size",), in_parts=True),
    # Fixed, so that equal evaluations give equal intervals.
    _table(STATISTICS, "statistics", "_statistics", reads=("metrics", "confusion"), says=("baseline", "also_against"),
           in_parts=True, config={"bootstrap_samples": 2000, "bootstrap_seed": 20191027}),
    _table("measures", "measures", "_measures", more={"ranking": "{table}_ranking.csv"}, says=("network_size",)),
    _table("costs", "costs", "_costs", in_parts=True),
    _figure(QUALITATIVE, "{figure}", {"picture": "png"}, **_RUNS_NETWORK),
    # What the page shows of single images: every row's prediction.
    Stage(
        GALLERY, "table", "figure/{figure}", "results/figures", {"pictures": "{figure}.json"},
        "{figure}.provenance.json", script="figure", config={"figure": GALLERY}, **_RUNS_NETWORK,
    ),
    _figure("curves", "curves"),
    _figure(BARS, "{table}_classes"),
    _figure("slopes", "figure1"),
    _figure("confidence", "figure2", **_RUNS_NETWORK),
    _figure("frequency", "figure4"),
    _figure(ROBUSTNESS, "{table}_robustness"),
    # Table 1 and Figure 5: image classifiers.
    _training("train_classifier", "classifiers"),
    _training("figure5_classifier", "classifiers/figure5", prefix="figure5"),
    _figure("easy_and_hard", "figure5"),
    Stage(REPORT, "table", REPORT, "results/report", {"page": "index.html"}, "index.provenance.json"),
)  # fmt: skip
STAGES = {stage.name: stage for stage in _ALL}
PHASES = tuple(dict.fromkeys(stage.phase for stage in _ALL))
"""The phases that DVC versions."""
FOLDERS = tuple(dict.fromkeys(stage.folder.partition("/")[0] for stage in _ALL))
"""Where results lie, below ``work/<preset>``; of tables and figures, where they are kept."""
BESIDE_TABLES = tuple(stage for stage in _ALL if stage.script == TABLE and stage.name != TABLE)
"""The stages of what goes with each table."""
COMPANIONS = {
    Path(file).stem.removeprefix("{table}"): stage.files.get("md", "")
    for stage in _ALL
    for file in stage.files.values()
    if file.startswith("{table}_")
}
"""How the names end of what goes with a table, and the file that says it in words, if there is one."""


def page_of(csv: Path) -> Path | None:
    """The Markdown page of a table that goes with another one (``table2_costs.csv``); None for any other table."""
    for ending, page in COMPANIONS.items():
        if csv.stem.endswith(ending) and page:
            return csv.with_name(page.format(table=csv.stem.removesuffix(ending)))
    return None
