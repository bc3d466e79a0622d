"""``segadapt export-backbone``: a trained model's backbone as the initial weights of other models."""

import argparse
from pathlib import Path

HELP = "write a trained model's backbone, half precision, as initial weights, with the record of how it was made"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="work/<preset>/.../model.safetensors")
    parser.add_argument("target", type=Path, metavar="OUT", help="the .safetensors file to write")


def run(given: argparse.Namespace) -> None:
    from segadapt.core.errors import UserError
    from segadapt.models.exporting import export_backbone
    from segadapt.reporting.lineage.origin import jobs_behind, origin_path, write_origin

    if given.target.suffix != ".safetensors":
        raise UserError(f"{given.target} must end in .safetensors; choose another name")
    # First, so that a model without its records leaves earlier weights as they are.
    jobs = jobs_behind(given.model)
    size = export_backbone(given.model, given.target)
    write_origin(given.target, given.model, jobs)
    print(f"wrote {given.target} ({size / 1e6:.1f} MB) and {origin_path(given.target)}")
