"""``segadapt estimate``: what a table takes before it is run, and what the run so far says against it."""

import argparse
import math

HELP = "steps, FLOPs, bytes and hours of a table on a device, and what the run so far says against it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="another preset than params.yaml says")
    parser.add_argument("--table", default="table2", help="a table of the preset; default: table2")
    parser.add_argument("--device", metavar="NAME", default="h200", help="default: h200; an unknown one lists them")
    parser.add_argument("--tflops", type=_above_zero, help="the device's TFLOP/s, in place of what is known of it")
    parser.add_argument("--gb-per-second", type=_above_zero, help="its GB/s of memory, likewise")
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
    from segadapt.core.devices import DEVICES, find_device
    from segadapt.core.errors import UserError
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan
    from segadapt.plan.estimate.measured import so_far
    from segadapt.plan.estimate.passes import unknown_caches
    from segadapt.plan.estimate.table import Estimator, formats, lines, table_jobs
    from segadapt.reporting.estimate import device_text, estimate_text, so_far_text

    if given.efficiency is not None and given.efficiency > 1:
        raise UserError(f"--efficiency {given.efficiency:g} is more than all there is; give a share, such as 0.4")
    device = find_device(given.device).with_own(given.tflops, given.gb_per_second, given.efficiency)
    parameters = load_parameters("params.yaml", {"preset": given.preset} if given.preset else {})
    plan = make_plan(parameters)
    jobs = table_jobs(plan, given.table)
    every = [job for own in jobs.values() for job in own]

    from segadapt.models.counting import pass_work  # Last, for it imports torch.

    estimator, count = Estimator(plan, pass_work), len(parameters.seeds)
    print(f"Preset {parameters.preset}, {given.table}: {count} seed{'s'[: count != 1]} in sum, {len(every)} jobs\n")
    print(*estimate_text(given.table, lines(estimator, jobs, device), device), "", sep="\n")
    elsewhere = [
        (each, estimator.amount(every, each).seconds) for each in DEVICES.values() if each.name != given.device
    ]
    print(*device_text(device, formats(every), elsewhere), sep="\n")
    unknown = sorted(set().union(*(unknown_caches(job, plan) for job in every)))
    if unknown:
        print(
            f"Nor is scoring on the caches of {', '.join(unknown)}: how many images they hold is known after prepare."
        )
    measured = so_far(estimator, jobs, device)
    nothing = [f"So far no job of it has run with these parameters (work/{parameters.preset})."]
    print("", *(nothing if measured is None else so_far_text(measured)), sep="\n")
