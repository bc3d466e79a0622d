"""Between the parameters and the engines: the list of jobs, their cards, and what is up to date.

No torch and no engine is imported here: a plan of hundreds of jobs costs milliseconds.
"""

from segadapt.plan.jobs import Plan, make_plan, snapshot_files
from segadapt.plan.status import Status, order_times, statuses
from segadapt.plan.targets import phase_targets

__all__ = ["Plan", "Status", "make_plan", "order_times", "phase_targets", "snapshot_files", "statuses"]
