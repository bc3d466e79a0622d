"""``segadapt predict``: colour maps and overlays for a user's own photographs."""

import argparse
from pathlib import Path

from segadapt.commands._options import class_set, cores, positive, size_or_side

HELP = "draw class maps and overlays of your own photographs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, required=True, help="a model.safetensors of ours, or an imported file")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="JPEG, PNG and WebP files, or folders")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--size", type=size_or_side,
        help="longer side that the network is fed (aspect kept), or WIDTHxHEIGHT; default: as in training",
    )  # fmt: skip
    parser.add_argument("--classes", help="what the classes of a head are whose file does not say: camvid11, ...")
    parser.add_argument("--threads", type=positive, default=cores(), help="default: all cores")


def run(given: argparse.Namespace) -> int:
    import sys

    from segadapt.data.shipped.photographs import find_photographs
    from segadapt.evaluation.opened import open_weights
    from segadapt.reporting.figures.photographs import draw_photographs

    weights = open_weights(given.weights, class_set(given.classes))
    photographs = find_photographs(given.images, leave_out=given.output)
    faults = draw_photographs(weights, photographs, given.output, given.size or weights.long_side, given.threads)
    for fault in faults:
        print(f"segadapt: {fault}", file=sys.stderr)
    print(f"{len(photographs) - len(faults)} of {len(photographs)} photographs drawn in {given.output}")
    return 1 if faults else 0
