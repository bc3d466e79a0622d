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
from segadapt.core.devices import visible_gpus
from segadapt.core.parameters import load_parameters
from segadapt.core.stages import (
    REPORT,
    STAGES,
    TABLE,
    benchmark_of,
    card_of,
    log_of,
)
from segadapt.plan import make_plan
from segadapt.plan.estimate.needs import Needs
from segadapt.plan.estimate.table import Estimator
from segadapt.plan.interruption import pass_on_interrupts
from segadapt.plan.jobs.partial import partial_cards, partial_page
from segadapt.plan.place import require_place, require_versionable
from segadapt.plan.session import begin_session, lend_environment
from segadapt.plan.shelf import shelve
from segadapt.plan.targets import named_targets


def politely(function, *arguments):
    """Calls a function of the library; its sentences for users become Snakemake's."""
    try:
        with known_causes():
            return function(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


politely(require_place, Path(workflow.basedir))

# What --config says is laid over the file.
parameters = politely(load_parameters, "params.yaml", config)
plan = politely(make_plan, parameters, workflow.is_main_process)
if workflow.is_main_process:
    config.update(parameters.model_dump(mode="json"))
    validate(config, "../schemas/params.schema.json", set_default=False)

# Child processes of Snakemake parse this file too; only the main one may move file times.
session = None
if workflow.is_main_process:
    # The workflow learns its targets only after this file, so they are read from the command line.
    targets = get_argument_parser().parse_known_args()[0].targets or []
    politely(require_versionable, parameters.preset)
    session = politely(begin_session, plan, targets)
    pass_on_interrupts()
made_anew = session.made_anew if session else frozenset()

# Whether jobs go to a cluster: it alone has a limit of jobs instead of cores, and Snakemake chooses its executor later.
ON_CLUSTER = workflow.is_main_process and workflow.resource_settings.nodes is not None

# A limit on jobs a second makes Snakemake look at all waiting jobs once a second for every job that has ended so far:
# after 200 jobs it does nothing else. On this machine the cores are the limit.
if not ON_CLUSTER and workflow.scheduling_settings is not None:
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
PRESET = parameters.preset

# Jobs on this machine share the GPUs that it lets them see; which of them each job takes, segadapt.core.devices says.
GPUS = len(visible_gpus())
if not ON_CLUSTER and "gpu" not in workflow.global_resources:
    jobs_per_gpu = parameters.active_preset.run.jobs_per_gpu
    workflow.register_resource("gpu", GPUS * jobs_per_gpu)

# A cluster is told what jobs need, and Snakemake here if it has a limit. It takes torch, and seconds.
needs = None
has_limit = any(name.startswith("mem") for name in workflow.global_resources)
if ON_CLUSTER or (workflow.is_main_process and has_limit):
    from segadapt.models.counting import pass_work

    needs = Needs(Estimator(plan, pass_work))


def subjects_of(jobs):
    """Wildcard to a regular expression for exactly what these jobs of a stage are about."""
    found = {}
    for job in jobs:
        for name, value in job.subject.items():
            found.setdefault(name, set()).add(re.escape(str(value)))
    return {name: "|".join(sorted(values)) for name, values in found.items()}


def job_of(stage, wildcards):
    """The job of a stage on a subject."""
    return plan.by_name[stage.job.format(**dict(wildcards.items()))]


def inputs_of(stage):
    """An input function: what other jobs make for a job of the stage.

    The time of a file that stays as it is means nothing; what is made anew takes along whatever is made from it. Files
    of the user's are judged by their content alone, so Snakemake does not know of them.
    """

    def upstream(wildcards):
        made = [each.path for each in job_of(stage, wildcards).inputs if each.maker]
        return [path if path in made_anew else ancient(path) for path in made]

    return upstream


def threads_of(stage):
    """Those of each of a job's processes."""
    own = stage.threads_in(parameters.active_preset.run)
    return lambda wildcards: own * job_of(stage, wildcards).processes


def resources_of(stage):
    """A GPU for each process of jobs that run networks: if one is here, or on a cluster, whose profile may say otherwise.

    What else they need depends on the job and on the attempt.
    """
    if not stage.gpu:
        return {"gpu": 0, "mem_mb": stage.mem_mb, "runtime": stage.runtime}

    def gpu(wildcards):
        wanted = job_of(stage, wildcards).processes
        return wanted if ON_CLUSTER else min(wanted, GPUS)

    if needs is None:
        return {"gpu": gpu}
    profile = workflow.resource_settings.overwrite_resources.get(stage.name, {})
    has_gpu = ON_CLUSTER or GPUS > 0
    uses_gpu = profile["gpu"].value != 0 if "gpu" in profile else has_gpu

    def of_a_job(need):
        return lambda wildcards, attempt: need(
            job_of(stage, wildcards), uses_gpu, attempt
        )

    return {
        "gpu": gpu,
        "mem_mb": of_a_job(needs.mem_mb),
        "runtime": of_a_job(needs.runtime),
    }


def outputs_of(stage, jobs):
    """Role to pattern of what the jobs of a stage make, all alike; some of it is shown in Snakemake's report."""
    snapshots = [
        Path(path).name
        for role, path in jobs[0].outputs.items()
        if role not in stage.files
    ]
    found = stage.patterns(PRESET, snapshots)
    for role, text in stage.captions.items():
        caption = f"../report/{text}.rst"
        found[role] = report(found[role], caption=caption, category=stage.category)
    return found
