# Parameters, plan, helpers and targets. The plan (segadapt.plan) knows all jobs; the rules only say
# how a job is run. Every rule reads a card, a small file whose time tells whether the job is due.

import re
import shlex
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.settings.enums import RerunTrigger
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import validate

# The code that runs is this folder's, whichever checkout the environment was made in: here, and in every job.
SOURCE = str(Path(workflow.basedir) / "src")
sys.path.insert(0, SOURCE)

from segadapt.core.edge import known_causes
from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan, phase_targets, result_files, snapshot_files
from segadapt.plan.interruption import pass_on_interrupts
from segadapt.plan.partial import partial_cards
from segadapt.plan.place import require_place, require_versionable
from segadapt.plan.session import begin_session, has_gpu, lend_environment
from segadapt.plan.shelf import shelve


def politely(function, *arguments):
    """Calls a function of the library; its sentences for users become Snakemake's."""
    try:
        with known_causes():
            return function(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


politely(require_place, Path(workflow.basedir))

# What --config says is laid over the file.
plan = politely(make_plan, politely(load_parameters, "params.yaml", config))
config.update(plan.parameters.model_dump(mode="json"))
validate(config, "../schemas/params.schema.json", set_default=False)

# Child processes of Snakemake parse this file too; only the main one may move file times.
session = None
if workflow.is_main_process:
    # The workflow learns its targets only after this file, so they are read from the command line.
    targets = get_argument_parser().parse_known_args()[0].targets or []
    politely(require_versionable, plan.parameters.preset)
    session = politely(begin_session, plan, targets)
    pass_on_interrupts()
made_anew = session.made_anew if session else frozenset()

# A limit on jobs a second makes Snakemake look at all waiting jobs once a second for every job that has ended so far:
# after 200 jobs it does nothing else. On this machine the cores are the limit.
if workflow.local_exec and workflow.scheduling_settings is not None:
    workflow.scheduling_settings.max_jobs_per_timespan = None

# The cards' times say what is due (segadapt.plan.status), whatever the command line or another profile says: neither
# Snakemake's records of earlier runs nor its checksums of small files may overrule them.
if workflow.dag_settings is not None:
    workflow.dag_settings.rerun_triggers = frozenset([RerunTrigger.MTIME])
    workflow.dag_settings.max_checksum_file_size = 0

lend_environment(SOURCE)

# Of Ctrl-C jobs hear by pass_on_interrupts: the shell and tee must outlive a job that saves its state first.
before_jobs = "trap '' INT; set -euo pipefail; "
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    # Snakemake takes PYTHONPATH away from jobs that have an environment of their own.
    before_jobs += f"export PYTHONPATH={shlex.quote(SOURCE)}; "
shell.prefix(before_jobs.replace("{", "{{").replace("}", "}}"))
HAS_GPU = has_gpu()


def either(names):
    """A wildcard's regular expression for exactly these names."""
    return "|".join(sorted(map(re.escape, names))) or "none"


def models_of(*stages):
    """The models that these stages make or score; those of a setting begin with its name and a slash."""
    names = [job.name for job in plan.jobs if job.stage in stages]
    return {
        Path(name).parent.relative_to(Path(name).parts[0]).as_posix() for name in names
    }


def drawn_by(stage):
    """The built-in data sets that a stage draws."""
    names = [job.name for job in plan.jobs if job.stage == stage]
    return [name.removeprefix("render/") for name in names]


def priors():
    """The methods that have a spatial prior, the same for every seed."""
    names = [job.name for job in plan.jobs if job.stage == "prior"]
    return [name.removeprefix("prior/") for name in names]


def figures_of(stage):
    """The figures that a stage draws."""
    return {Path(job.name).name for job in plan.jobs if job.stage == stage}


wildcard_constraints:
    preset=plan.parameters.preset,
    seed="[0-9]+",
    dataset=either(plan.parameters.active_preset.datasets),
    cache=either(plan.parameters.active_preset.caches),
    table=either(plan.parameters.tables),
    accuracies=either(plan.parameters.classification_tables),
    figure=either(figures_of("figure")),
    model=either(models_of("evaluate")),


def inputs_of(name):
    """An input function: what other jobs make for the job whose name has this pattern.

    The time of a file that stays as it is means nothing; what is made anew takes along whatever is made from it. Files
    of the user's are judged by their content alone, so Snakemake does not know of them.
    """

    def upstream(wildcards):
        paths = plan.by_name[name.format(**wildcards)].inputs.values()
        made = [path for path in paths if path in plan.by_output]
        return [path if path in made_anew else ancient(path) for path in made]

    return upstream


def snapshots_of(stage):
    """Patterns of the models that a training stage keeps on the way."""
    settings = getattr(plan.parameters.active_preset, stage)
    files = snapshot_files(settings).values() if settings else []
    return [f"work/{{preset}}/models/{{model}}/seed{{seed}}/{file}" for file in files]


def classifiers_of(kind):
    """The classifiers whose jobs' names begin with this word."""
    names = [job.name for job in plan.jobs if job.name.startswith(f"{kind}/")]
    return {Path(name).parent.relative_to(kind).as_posix() for name in names}


def classifier_snapshots(schedule, folder):
    """Patterns of the classifiers that a training keeps on the way; ``schedule`` is its place in the parameters."""
    settings = plan.parameters.active_preset.classification
    for key in schedule.split("."):
        settings = getattr(settings, key, None)
    files = snapshot_files(settings).values() if settings else []
    return [f"{folder}/{file}" for file in files]
