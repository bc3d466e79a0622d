"""``segadapt evaluate``: the score of any of our models, or an imported one, on a data set as shipped."""

import argparse
from pathlib import Path

from segadapt.commands._options import add_json, class_set, cores, positive, print_json, size

HELP = "score weights on a labelled data set as its authors ship it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, required=True, help="a model.safetensors of ours, or an imported file")
    parser.add_argument("--dataset", required=True, help="its format: cityscapes, camvid, gta5, ...")
    parser.add_argument("--root", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--split", default="val", help="default: val")
    parser.add_argument("--size", type=size, help="what the network is fed, WIDTHxHEIGHT; default: as in training")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--flip", action="store_true", help="average over every image and its mirror image")
    mode.add_argument("--modes", "--protocols", action="store_true", help="score with flip and with each head too")
    parser.add_argument(
        "--classes",
        help="average over this class set alone: synthia16, nthu13, ...; or what an unnamed head's classes are",
    )  # fmt: skip
    parser.add_argument("--threads", type=positive, default=cores(), help="default: all cores")
    parser.add_argument("-o", "--output", type=Path, metavar="JSON", help="write the metrics here as well")
    add_json(parser)


def run(given: argparse.Namespace) -> None:
    from segadapt.core.artifacts import write_json
    from segadapt.evaluation import metrics
    from segadapt.evaluation.direct import Request, score, views
    from segadapt.evaluation.measures.iou import miou_from_matrix
    from segadapt.evaluation.measures.merged import are_merged, merged
    from segadapt.evaluation.opened import open_weights, require_names
    from segadapt.labels import NTHU13

    weights = open_weights(given.weights, class_set(given.classes))
    require_names(given.weights, weights)
    chosen = views(weights.class_set, given.classes)
    request = Request(given.dataset, given.root, given.split, given.size, given.flip, given.modes, given.threads)
    evaluation, network_size = score(weights, request)
    means = {
        name: {where: _or_none(evaluation.miou(where, positions)) for where in ("network", "native")}
        for name, positions in chosen.items()
    }
    if are_merged(weights.class_set, NTHU13) and given.classes in (None, NTHU13.name):
        matrices = {where: merged(evaluation.matrix(where)) for where in ("network", "native")}
        means["nthu13 merged"] = {where: _or_none(miou_from_matrix(each)) for where, each in matrices.items()}
    convention = _convention(weights.class_set.name, len(weights.class_set), chosen)
    record = {
        "weights": {"file": str(given.weights), "sha256": weights.sha256},
        "dataset": {"format": given.dataset, "root": str(given.root), "split": given.split},
        "network_size": "{}x{}".format(*network_size),
        "flip": given.flip,
        "convention": convention,
        "mIoU_of_class_sets": means,
    }
    found = metrics(evaluation, weights.class_set, {})
    variants, _ = found.pop("variants"), found.pop("steps")
    if given.modes:
        record["variants"] = variants
    if given.output is not None:
        write_json(given.output, record | found)
    if given.json:
        return print_json(record | found)
    _print(evaluation, weights.class_set, means, record)
    for name, value in found["measures"].items():
        print(f"{name.replace('_', ' '):24s} {_percent(value):>8s}")
    if given.modes:
        _print_modes(evaluation)


def _or_none(value: float) -> float | None:
    """JSON knows no NaN, which is the mean over no class at all."""
    return None if value != value else value


def _convention(head: str, count: int, chosen: dict) -> str:
    text = f"labels in the {count} classes of {head}, all else ignored; confusion matrix {count}x{count}"
    if set(chosen) != {head}:
        text += "; a smaller set averages some of these IoUs, other predicted classes count as misses"
    return text


def _print_modes(evaluation) -> None:
    print(f"\n{'mIoU (%) of':24s} {'network':>8s} {'native':>8s}")
    for mode in (each for each in evaluation.statistics if each.size == "native"):
        pair = (evaluation.score(size, head=mode.head, flip=mode.flip) for size in ("network", "native"))
        label = mode.prediction.strip() or "final head, no flip"
        print(f"{label:24s} " + " ".join(_percent(value).rjust(8) for value in pair))


def _percent(value: float | None) -> str:
    return "   n/a" if value is None or value != value else f"{100 * value:6.1f}"


def _print(evaluation, class_set, means: dict, record: dict) -> None:
    print(f"{record['weights']['file']}: {len(evaluation.image_names)} images of {record['dataset']['root']}")
    print(f"network size {record['network_size']}, flip {'on' if record['flip'] else 'off'}; {record['convention']}")
    print(f"{'IoU (%) at label size':24s} {'network':>8s} {'native':>8s}")
    columns = zip(class_set.classes, evaluation.iou("network"), evaluation.iou("native"), strict=True)
    for name, network, native in columns:
        print(f"{name:24s} {_percent(network):>8s} {_percent(native):>8s}")
    for name, each in means.items():
        print(f"{'mIoU ' + name:24s} {_percent(each['network']):>8s} {_percent(each['native']):>8s}")
