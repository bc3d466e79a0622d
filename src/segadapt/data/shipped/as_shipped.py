"""Labelled images straight from a data set's own files, read ahead by threads; no cache is made."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, dataset_module
from segadapt.data.shipped.faults import Faulty, Kind
from segadapt.data.shipped.reading import Sample, read_sample
from segadapt.data.shipped.rendered import is_rendered
from segadapt.data.shipped.splits import expected_counts, list_split
from segadapt.labels import ClassSet

Item = TypeVar("Item")
Result = TypeVar("Result")


def labelled_files(dataset: str, root: Path, split: str) -> list[SampleFiles]:
    """The image and label files of a split; UserError for an unknown data set, no labels, and Faulty with all faults.

    A folder that we rendered must be complete. The user's own may be a part of the data set: a count other than the
    official one is told on stderr.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder; give the data set's own folder with --root")
    files, faults = list_split(dataset, root, split, expected_counts(dataset, root).get(split))
    told = [] if is_rendered(root) else [fault for fault in faults if fault.kind is Kind.COUNT]
    rest = [fault for fault in faults if fault not in told]
    if rest:
        raise Faulty(rest)
    for fault in told:
        print(f"note: {fault.file} {fault.what}; the score is of these", file=sys.stderr, flush=True)
    without = next((each for each in files if each.label is None), None)
    if without is not None:
        raise UserError(f"{without.image}: has no label, so split '{split}' cannot be scored; choose another --split")
    return files


def read_labelled(
    dataset: str, files: Sequence[SampleFiles], size: tuple[int, int], class_set: ClassSet, threads: int
) -> Iterator[Sample]:
    """The samples in the order of ``files``, images at ``size`` = (width, height), labels at both sizes.

    Faulty, naming the files, as :func:`segadapt.data.shipped.reading.read_sample`; UserError if the data set has no
    labels of the classes of ``class_set``.
    """
    table = dataset_module(dataset).train_id_table(class_set)

    def read(each: SampleFiles) -> Sample:
        return read_sample(each, size, table, labels=True, native_labels=True)

    return ahead(read, files, threads)


def ahead(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """``map``, computed in threads at most ``2 * threads`` items ahead of the reader."""
    with ThreadPoolExecutor(threads, thread_name_prefix="read-ahead") as pool:
        waiting = deque(pool.submit(function, item) for item in items[: 2 * threads])
        for index in range(len(items)):
            following = index + 2 * threads
            result = waiting.popleft().result()
            if following < len(items):
                waiting.append(pool.submit(function, items[following]))
            yield result


def network_size(size: tuple[int, int], long_side: int, multiple: int = 1) -> tuple[int, int]:
    """(width, height) with the same aspect, shrunk so that the longer side is at most ``long_side``.

    Both are of the multiples of ``multiple`` the nearest ones.
    """
    scale = min(1.0, long_side / max(size))
    width, height = (max(round(each * scale / multiple), 1) * multiple for each in size)
    return max(width, 8), max(height, 8)
