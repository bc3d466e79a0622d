"""``segadapt estimate``: what a table takes before it is run, and what the run so far says against it."""

import argparse
import math
from dataclasses import asdict

from segadapt.commands._options import add_json, print_json
from segadapt.commands._project import add_preset, plan_of

HELP = "steps, FLOPs, bytes and hours of a table on a device, and what the run so far says against it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_preset(parser)
    add_json(parser)
    parser.add_argument("--table", default="table2", help="a table of the preset; default: table2")
    parser.add_argument("--device", metavar="NAME", default="h200", help="default: h200; an unknown one lists them")
    parser.add_argument("--tflops", type=_above_zero, help="the device's TFLOP/s, in place of what is known of it")
    parser.add_argument("--gb-per-second", type=_above_zero, help="its GB/s of memory, likewise")
    parser.add_argument("--by-stage", action="store_true", help="say instead what jobs ask of a cluster, by stage")
    parser.add_argument("--efficiency", type=_above_zero, metavar="SHARE", help="of TFLOP/s that convolutions reach")


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def run(given: argparse.Namespace) -> None:
    from segadapt.core.devices import DEVICES, GPU, find_device
    from segadapt.core.errors import UserError
    from segadapt.core.stages import TABLE
    from segadapt.plan.estimate.measured import so_far
    from segadapt.plan.estimate.needs import Needs
    from segadapt.plan.estimate.passes import unknown_caches
    from segadapt.plan.estimate.table import Estimator, formats, lines, table_jobs
    from segadapt.plan.targets import jobs_behind
    from segadapt.reporting.estimate import device_text, estimate_text, needs_text, so_far_text

    if given.efficiency is not None and given.efficiency > 1:
        raise UserError(f"--efficiency {given.efficiency:g} is more than all there is; give a share, such as 0.4")
    device = find_device(given.device).with_own(given.tflops, given.gb_per_second, given.efficiency)
    plan = plan_of(given.preset)
    jobs = table_jobs(plan, given.table)
    every = [job for own in jobs.values() for job in own]

    from segadapt.models.counting import pass_work  # Last, for it imports torch.

    if given.by_stage:
        made = [job.outputs["csv"] for job in plan.jobs if job.stage == TABLE and job.subject["table"] == given.table]
        behind = [plan.by_name[name] for name in jobs_behind(plan, made)]
        needs = Needs(Estimator(plan, pass_work)).by_stage(behind, gpu=device.kind == GPU)
        return print_json(list(map(asdict, needs))) if given.json else print(*needs_text(needs), sep="\n")

    estimator, preset, count = Estimator(plan, pass_work), plan.parameters.preset, len(plan.parameters.seeds)
    rows, measured = lines(estimator, jobs, device), so_far(estimator, jobs, device)
    if given.json:
        about = {"preset": preset, "table": given.table, "seeds": count, "jobs": len(every), "device": asdict(device)}
        return print_json(about | {"rows": list(map(asdict, rows)), "so_far": measured and asdict(measured)})
    print(f"Preset {preset}, {given.table}: {count} seed{'s'[: count != 1]} in sum, {len(every)} jobs\n")
    print(*estimate_text(given.table, rows, device), "", sep="\n")
    elsewhere = [
        (each, estimator.amount(every, each).seconds) for each in DEVICES.values() if each.name != given.device
    ]
    print(*device_text(device, formats(every), elsewhere), sep="\n")
    unknown = sorted(set().union(*(unknown_caches(job, plan) for job in every)))
    if unknown:
        print(
            f"Nor is scoring on the caches of {', '.join(unknown)}: how many images they hold is known after prepare."
        )
    nothing = [f"So far no job of it has run with these parameters (work/{preset})."]
    print("", *(nothing if measured is None else so_far_text(measured)), sep="\n")
