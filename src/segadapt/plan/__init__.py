"""Between the parameters and the engines: the list of jobs, their cards, and what is up to date.

No torch and no engine is imported here: a plan of hundreds of jobs costs milliseconds.
"""

from segadapt.plan.plan import Plan, make_plan
from segadapt.plan.status import statuses, tell_engines
from segadapt.plan.targets import phase_targets, result_files
