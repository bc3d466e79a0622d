"""What a job asks of a cluster: memory and time, from the passes that it is made of, with a margin."""

import math
from collections import Counter
from collections.abc import Iterable

from segadapt.core.devices import DEVICES
from segadapt.core.job import Job
from segadapt.core.stages import EVALUATE, STAGES, Stage
from segadapt.core.workload import Pass
from segadapt.plan.estimate.passes import passes
from segadapt.plan.estimate.table import Estimator
from segadapt.reporting.estimate import StageNeeds

PROCESS_MB, CUDA_MB, COMPILER_MB = 1500, 4500, 4000
"""Of a job without its network: Python with torch below two Snakemakes; CUDA's libraries; torch's compiler."""
MARGIN = 2.5
"""On what is counted: of memory, what an allocator cannot use and convolutions need besides; of time, all that is not
counted (``reporting.estimate.NOT_COUNTED``)."""
SLOWEST = {True: "1080ti", False: "cpu-core"}
"""The devices that time is estimated for, with a GPU and without."""
START_MINUTES, LONGEST_MINUTES = 30, 2880
"""Added to each job's time, and what partitions commonly allow: what takes longer goes on at the next attempt."""


class Needs:
    """Of the jobs of a plan that run networks, on the first attempt and more on each later one."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator

    def mem_mb(self, job: Job, gpu: bool, attempt: int = 1) -> int:
        """Megabytes of the host. With ``gpu`` all that networks compute is in the GPU's own memory, while their weights
        and what optimisers keep pass through the host's when they are saved."""
        works = [self._estimator.count(each) for each in self._passes(job)]
        trains = STAGES[job.stage].trains
        # Weights, a teacher's, and two moments of each; of an ensemble every member's.
        copies = 4 if trains else len(job.read("model")) if job.stage == EVALUATE else 1
        counted = 4 * copies * max((work.parameters for work in works), default=0)
        if not gpu:
            counted += max((work.peak for work in works), default=0)
        fixed = PROCESS_MB + (CUDA_MB if gpu else 0)
        fixed += COMPILER_MB if trains and job.config["precision"]["compile"] else 0
        return attempt * job.processes * 100 * math.ceil((fixed + MARGIN * counted / 1e6) / 100)

    def runtime(self, job: Job, gpu: bool, attempt: int = 1) -> int:
        """Minutes; with several threads of a CPU it takes less."""
        seconds = self._estimator.amount([job], DEVICES[SLOWEST[gpu]]).seconds
        return min(attempt * (START_MINUTES + math.ceil(MARGIN * seconds / 60)), LONGEST_MINUTES)

    def by_stage(self, jobs: Iterable[Job], gpu: bool) -> list[StageNeeds]:
        """What the jobs of each stage ask for, in the order of the stages."""
        found: dict[str, list[Job]] = {name: [] for name in STAGES}
        for job in jobs:
            found[job.stage].append(job)
        return [self._of_stage(STAGES[name], own, gpu) for name, own in found.items() if own]

    def _of_stage(self, stage: Stage, jobs: list[Job], gpu: bool) -> StageNeeds:
        threads = stage.threads_in(self._estimator.plan.parameters.active_preset.run)
        if not stage.gpu:
            return StageNeeds(stage.name, len(jobs), threads, 0, stage.mem_mb, stage.runtime, stage.is_short)
        memory, minutes = (max(need(job, gpu) for job in jobs) for need in (self.mem_mb, self.runtime))
        most = max(job.processes for job in jobs)
        return StageNeeds(stage.name, len(jobs), most * threads, most * gpu, memory, minutes)

    def _passes(self, job: Job) -> Counter[Pass]:
        """Those of the job; figures, whose passes are not counted, look at images as evaluations of their models do."""
        return passes(job, self._estimator.plan) or self._of_evaluations({each.path for each in job.read("model")})

    def _of_evaluations(self, models: set[str]) -> Counter[Pass]:
        plan = self._estimator.plan
        alike = [
            job for job in plan.jobs if job.stage == EVALUATE and models & {each.path for each in job.read("model")}
        ]
        return Counter(each for job in alike for each in passes(job, plan))
