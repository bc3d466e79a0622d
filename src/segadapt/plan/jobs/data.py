"""Jobs that make data: rendering and packing."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.parameters import CacheEntry, DatasetEntry, in_file, width_height
from segadapt.data.datasets import dataset_module
from segadapt.data.shipped.rendered import BUILT_IN
from segadapt.data.shipped.splits import official_counts
from segadapt.labels import CLASS_SETS
from segadapt.plan.code import require_file
from segadapt.plan.planner import Planner


def data_jobs(planner: Planner, jobs: Iterable[Job]) -> list[Job]:
    """The render and prepare jobs whose caches the ``jobs`` read at all."""
    read = {each.path for job in jobs for each in job.inputs}
    caches = [name for name in planner.preset.caches if planner.cache(name) in read]
    datasets = {planner.preset.caches[name].dataset for name in caches}
    rendered = [name for name, entry in planner.preset.datasets.items() if name in datasets and entry.render]
    return [render(planner, name) for name in rendered] + [prepare(planner, name) for name in caches]


def render(planner: Planner, dataset: str) -> Job:
    """Draws a built-in data set in its authors' layout."""
    entry = planner.preset.datasets[dataset]
    config = {"layout": entry.format, **entry.render.model_dump()}
    try:
        BUILT_IN.load(entry.render.domain).check(config | {"size": width_height(entry.render.size)})
    except UserError as error:
        where = f"presets.{planner.parameters.preset}.datasets.{dataset}.render"
        raise UserError(f"{in_file(where)}: {error}") from error
    return planner.job("render", {"dataset": dataset}, inputs=(), config=config)


def prepare(planner: Planner, cache: str) -> Job:
    """Packs a split at the network's size."""
    entry = planner.preset.caches[cache]
    dataset = planner.preset.datasets[entry.dataset]
    where = f"presets.{planner.parameters.preset}.datasets.{entry.dataset}.format"
    require_file("segadapt.data.datasets", dataset.format, where)
    classes = planner.preset.classes_of(cache)
    _check_split(f"presets.{planner.parameters.preset}.caches.{cache}", entry, dataset, classes)
    rendered = planner.path("render", "manifest", dataset=entry.dataset)
    config = entry.model_dump(exclude={"dataset", "classes"}) | {
        "format": dataset.format,
        "root": str(Path(rendered).parent)
        if dataset.root is None
        else expanded(dataset.root, where.replace(".format", ".root")),
        "classes": classes,
        "count": (dataset.render.splits if dataset.render else official_counts(dataset.format)).get(entry.split),
        "accept": list(dataset.accept),
    }
    inputs = [Input("rendered", rendered)] if dataset.render else []
    return planner.job("prepare", {"cache": cache}, inputs=inputs, config=config)


def _check_split(where: str, entry: CacheEntry, dataset: DatasetEntry, classes: str) -> None:
    """UserError for a split that no copy of the data set has, or classes that its labels cannot be read in."""
    module, counts = dataset_module(dataset.format), official_counts(dataset.format)
    depends_on_folder = hasattr(module, "split_names") or not counts
    if dataset.render is None and not depends_on_folder and entry.split not in counts:
        known = ", ".join(counts)
        raise UserError(f"{in_file(where)}.split: {dataset.format} has no '{entry.split}'; known are {known}")
    try:
        module.train_id_table(CLASS_SETS[classes])
    except UserError as error:
        raise UserError(f"{in_file(where)}.classes: {error}") from error


def expanded(path: str, where: str) -> str:
    """The path with ``~`` and ``$NAME`` replaced, as a shell does it; UserError for a name that is not set."""
    found = os.path.expandvars(os.path.expanduser(path))
    if found.startswith("~") or re.search(r"\$(\w+|\{\w+\})", found):
        raise UserError(f"{in_file(where)}: '{path}' names a home or a variable that is not set here; write it out")
    return found
