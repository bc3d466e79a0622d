"""Where in a network the gap between two domains lies: linear probes on what each stage hands on.

``python benchmarks/probes.py --source MANIFEST --target MANIFEST --scored MANIFEST --out probes.json MODEL...``, all
three caches labelled, models of one class set. A probe is a multinomial logistic regression, without a hidden layer,
from the standardised channels of one cell of a stage's map to the class at the middle of the cell. It is convex and
fitted by L-BFGS, so there is no rate or schedule to choose. Two a stage: one learns from source cells, as a head does;
one from **target labels**, which no method may see: it says what the features still tell of the target. Both are scored
on the third cache, at network label size. Where the second is high and the first is low, the features know the target
and the boundary drawn on the source misses it.

Analysis only: nothing that trains reads what this writes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from segadapt.core.artifacts import sha256_file, write_bytes, write_json
from segadapt.core.errors import UserError
from segadapt.core.progress import progress
from segadapt.core.provenance import commit, machine, packages
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation.confusion import ConfusionMatrix
from segadapt.labels import CLASS_SETS, IGNORE_INDEX
from segadapt.models.input import to_input
from segadapt.models.weights import open_model

STAGES = ("layer1", "layer2", "layer3", "layer4")
CELLS, SEED, DECAY = 40_000, 1, 1e-3


def stage_maps(model: nn.Module, cache: PackedCache, title: str) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Index and features_CHW of every stage, for every image of the cache."""
    seen: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(stage).register_forward_hook(
            lambda _module, _given, map_BCHW, stage=stage: seen.__setitem__(stage, map_BCHW[0])
        )
        for stage in STAGES
    ]
    try:
        with torch.inference_mode():
            for index in progress(range(len(cache)), title, len(cache), "image"):
                model(to_input(torch.from_numpy(cache.image(index).copy())[None], model.architecture.input))
                yield index, seen
    finally:
        for hook in hooks:
            hook.remove()


def cell_labels(label_HW: np.ndarray, height: int, width: int) -> Tensor:
    """The label at the middle of each cell of a (height, width) map, (height * width,), int64."""
    rows = ((np.arange(height) + 0.5) * label_HW.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * label_HW.shape[1] / width).astype(int)
    return torch.from_numpy(label_HW[np.ix_(rows, columns)].astype(np.int64)).flatten()


def labelled_cells(model: nn.Module, cache: PackedCache, title: str) -> dict[str, tuple[Tensor, Tensor]]:
    """For each stage features_NC and label_N of some CELLS labelled cells, as many from every image."""
    generator = torch.Generator().manual_seed(SEED)
    each = -(-CELLS // len(cache))
    found: dict[str, list[tuple[Tensor, Tensor]]] = {stage: [] for stage in STAGES}
    for index, maps in stage_maps(model, cache, title):
        for stage, map_CHW in maps.items():
            label_N = cell_labels(cache.label(index), *map_CHW.shape[1:])
            labelled_N = torch.nonzero(label_N != IGNORE_INDEX).flatten()
            chosen_N = labelled_N[torch.randperm(len(labelled_N), generator=generator)[:each]]
            found[stage].append((map_CHW.flatten(1).T[chosen_N], label_N[chosen_N]))
    return {stage: tuple(map(torch.cat, zip(*parts, strict=True))) for stage, parts in found.items()}


def fit(features_NC: Tensor, label_N: Tensor, num_classes: int) -> nn.Linear:
    """The regularised optimum: cross-entropy plus DECAY times half the squared weights, on standardised channels.

    Mean and deviation are folded into the weights that come back, so that the probe takes features as they are.
    """
    mean_C, deviation_C = features_NC.mean(0), features_NC.std(0).clamp_min(1e-6)
    standard_NC = (features_NC - mean_C) / deviation_C
    probe = nn.Linear(features_NC.shape[1], num_classes)
    nn.init.zeros_(probe.weight)
    nn.init.zeros_(probe.bias)
    optimiser = torch.optim.LBFGS(probe.parameters(), max_iter=150, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(probe(standard_NC), label_N) + DECAY / 2 * probe.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        probe.weight /= deviation_C
        probe.bias -= probe.weight @ mean_C
    return probe


def scores(model: nn.Module, probes: dict[str, dict[str, nn.Linear]], cache: PackedCache, classes: int) -> dict:
    """mIoU in percent over the classes present, a stage and a probe, of logits upsampled to the label's size."""
    matrices = {stage: {which: ConfusionMatrix(classes) for which in each} for stage, each in probes.items()}
    for index, maps in stage_maps(model, cache, "score"):
        label_HW = cache.label(index)
        for stage, each in probes.items():
            for which, probe in each.items():
                logits_BCHW = functional.conv2d(maps[stage][None], probe.weight[:, :, None, None], probe.bias)
                logits_BCHW = functional.interpolate(logits_BCHW, label_HW.shape, mode="bilinear", align_corners=True)
                matrices[stage][which].update(label_HW, logits_BCHW[0].argmax(0).to(torch.uint8))
    return {
        stage: {which: round(100 * matrix.miou(), 2) for which, matrix in each.items()}
        for stage, each in matrices.items()
    }


def probed(path: Path, caches: dict[str, PackedCache]) -> dict[str, Any]:
    """All probes of one model; UserError if its classes are not those of the caches."""
    model = open_model(path)[0].eval()
    wanted = model.architecture.class_set
    for name, cache in caches.items():
        if cache.class_set != wanted:
            raise UserError(
                f"{path} predicts {wanted}, but the cache of --{name} has {cache.class_set}; choose another"
            )
    classes = len(CLASS_SETS[wanted])
    cells = {which: labelled_cells(model, caches[which], f"{which} cells") for which in ("source", "target")}
    probes = {
        stage: {which: fit(*cells[which][stage], classes) for which in progress(cells, f"fit {stage}", 2, "probe")}
        for stage in STAGES
    }
    return {"sha256": sha256_file(path), "mIoU": scores(model, probes, caches["scored"], classes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("models", type=Path, nargs="+")
    for name in ("source", "target", "scored"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="manifest.json of a labelled cache")
    parser.add_argument("--out", type=Path, required=True, help=".json; a table of the same name ends in .md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    caches = {name: PackedCache(getattr(given, name)) for name in ("source", "target", "scored")}
    results = {str(path): probed(path, caches) for path in given.models}
    where = {"machine": machine(), "commit": commit(), "packages": packages()}
    settings = {"cells": CELLS, "seed": SEED, "decay": DECAY} | {name: str(getattr(given, name)) for name in caches}
    write_json(given.out, where | {"settings": settings, "results": results})
    rows = [
        f"| `{path}` | {which} | " + " | ".join(f"{each['mIoU'][stage][which]:.1f}" for stage in STAGES) + " |"
        for path, each in results.items()
        for which in ("source", "target")
    ]
    head = f"| model | probe learns from | {' | '.join(STAGES)} |\n|---|---|{'---:|' * len(STAGES)}"
    table = "\n".join([head, *rows])
    note = (
        "Linear probes on what each stage hands on; mIoU in percent on the scored cache at network label size. Rows "
        f"`target` read **target labels**: analysis, no method. {machine()}; commit {commit()}."
    )
    write_bytes(given.out.with_suffix(".md"), f"# Probes\n\n{note}\n\n{table}\n".encode())
    print(table)


if __name__ == "__main__":
    main()
