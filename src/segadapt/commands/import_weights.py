"""``segadapt import-weights``: other people's weights into our format."""

import argparse
from collections import Counter
from pathlib import Path

from segadapt.commands._options import class_set

HELP = "convert released weights (.pth or .safetensors) safely into our format"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="IN", help="a .pth or .safetensors file as its authors ship it")
    parser.add_argument("target", type=Path, metavar="OUT", help="the .safetensors file to write")
    parser.add_argument("--kind", help="whose file it is, where its keys alone cannot tell (docs/weights.md)")
    parser.add_argument("--part", help="which network, where a file holds several: ema, model, state_dict.teacher, ...")
    parser.add_argument("--input", help="input convention, if not the kind's own: caffe, caffe_vgg or imagenet")
    parser.add_argument("--classes", help="class set of the head, if its size leaves a choice: nthu13, say")


def run(given: argparse.Namespace) -> None:
    from segadapt.core.errors import UserError
    from segadapt.models import INPUT_CONVENTIONS
    from segadapt.models.importing import KINDS, import_weights

    for option, value, known in (
        ("--kind", given.kind, KINDS),
        ("--input", given.input, INPUT_CONVENTIONS),
    ):
        if value is not None and value not in known:
            raise UserError(f"{option} {value} is unknown; use one of {', '.join(known)}")
    class_set(given.classes)
    if given.target.suffix != ".safetensors":
        raise UserError(f"{given.target} must end in .safetensors; choose another name")
    done = import_weights(given.source, given.target, given.kind, given.input, given.classes, given.part)
    for name, value in _report(done):
        print(f"{name:18s} {value}")
    print(f"wrote {given.target}")


def _report(done) -> list[tuple[str, str]]:
    from segadapt.models.backbones import NETWORK
    from segadapt.models.importing import KINDS

    network = done.architecture
    head = "none (a backbone)"
    if network.num_classes is not None:
        head = f"{network.num_classes} classes ({network.class_set or 'of no known set: --classes names them'})"
    rows = [
        ("read from", _place(done.part)),
        ("kind", f"{done.kind}: {KINDS[done.kind].title}"),
        ("backbone", network.backbone),
        ("head", head),
        ("input convention", network.input),
    ]
    # What the network goes by; without a head nothing but its strides.
    shown = {"stride_placement": ("stride placement", network.stride_placement)}
    if network.num_classes is not None:
        shown["aspp_branches"] = ("ASPP branches", f"{network.aspp_branches} of 4")
        shown["auxiliary"] = ("auxiliary head", str(network.auxiliary).lower())
    switches = NETWORK.load(network.backbone).SWITCHES
    rows += [row for switch, row in shown.items() if switch in switches]
    rows += [
        ("source sha256", done.source_sha256),
        ("matched", f"{len(done.matched)} of {len(done.matched) + len(done.left_out)} keys ({done.fraction:.1%})"),
        ("", _by_part(done.matched)),
        ("missing", f"{len(done.filled)} (num_batches_tracked, set to 0)" if done.filled else "0"),
        ("unexpected", "0"),
        ("left out", str(len(done.left_out))),
    ]
    return rows + [("", f"{key}: {reason}") for key, reason in done.left_out]


def _place(part) -> str:
    """``state_dict, names without 'module.', beside epoch, optimizer``."""
    place = part.place or "the file's own names"
    prefix = f", names without '{part.prefix}'" if part.prefix else ""
    beside = f"; passed over: {', '.join((*part.beside, *part.strangers)[:8])}" if part.beside or part.strangers else ""
    return place + prefix + beside


def _by_part(names: tuple[str, ...]) -> str:
    """``conv1 1, bn1 5, layer1 60``: how many tensors each part of the network was given."""
    counts = Counter(name.split(".")[0] for name in names)
    return ", ".join(f"{part} {count}" for part, count in counts.items())
