"""Renders a whole data set in worker processes; what is already there stays."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.data.streets.domains import domain_of
from segadapt.data.streets.picture import SMALLEST_SIZE, render_scene
from segadapt.data.streets.write import (
    LAYOUTS,
    SCENES_PER_SPLIT,
    SPLIT_NUMBER,
    Place,
    place_of,
    write_atomically,
    write_lists,
    write_scene,
)

GENERATOR_VERSION = 1
"""Raised whenever the same seed gives other pictures."""
DESCRIPTION_NAME = "streets.json"
_CHUNK = 4

Progress = Callable[[Iterable[int], int], Iterable[int]]


def _render_places(places: list[Place], domain: str, layout: str, seed: int, size: tuple[int, int]) -> int:
    """The work of one task in a worker; returns how many pictures it wrote."""
    for place in places:
        write_scene(place, layout, *render_scene(domain, seed, place.scene, size))
    return len(places)


def _check(layout: str, splits: dict[str, int], size: tuple[int, int], seed: int, processes: int) -> None:
    if layout not in LAYOUTS:
        raise UserError(f"layout {layout!r} of the built-in streets is unknown: use one of {', '.join(LAYOUTS)}")
    for split, count in splits.items():
        if split not in SPLIT_NUMBER:
            raise UserError(f"split {split!r} of the built-in streets is unknown: use {', '.join(SPLIT_NUMBER)}")
        if not 0 <= count <= SCENES_PER_SPLIT:
            raise UserError(f"split {split!r} asks for {count} pictures: use 0 to {SCENES_PER_SPLIT}")
    if min(size) < SMALLEST_SIZE:
        raise UserError(
            f"size {tuple(size)} of the built-in streets is too small: at least {SMALLEST_SIZE} pixels a side"
        )
    if seed < 0 or processes < 1:
        raise UserError(f"seed {seed} must be 0 or more and processes {processes} 1 or more")


def _claim_root(root: Path, domain: str, layout: str, seed: int, size: tuple[int, int]) -> None:
    """Records what the folder holds; UserError if it holds something else."""
    asked = {"domain": domain, "layout": layout, "seed": seed, "size": list(size), "generator": GENERATOR_VERSION}
    path = root / DESCRIPTION_NAME
    if path.exists():
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}): delete the folder {root} to render it anew") from error
        if found != asked:
            raise UserError(
                f"{root} holds other streets than those asked for ({found} instead of {asked}): "
                "delete the folder or choose another one"
            )
        return
    write_atomically(path, (json.dumps(asked, indent=1) + "\n").encode())


def _results(pool: ProcessPoolExecutor, chunks: list[list[Place]], arguments: tuple) -> Iterator[int]:
    """Counts of finished pictures as they come; the first failure cancels the rest."""
    futures = [pool.submit(_render_places, chunk, *arguments) for chunk in chunks]
    try:
        for future in as_completed(futures):
            for _ in range(future.result()):
                yield 1
    except BrokenProcessPool as error:
        raise UserError(
            "a process that renders the built-in streets was killed, perhaps for want of memory: "
            "start again, with fewer processes if it recurs; finished pictures are kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def render_dataset(
    root: Path,
    *,
    domain: str,
    layout: str,
    splits: dict[str, int],
    size: tuple[int, int],
    seed: int,
    processes: int,
    progress: Progress | None = None,
) -> int:
    """Renders the missing pictures of a data set and returns how many were rendered.

    The bytes of every file depend on (domain, layout, seed, split, position, size) alone. A picture whose two
    files exist is skipped, so a killed run is continued by the same call. Workers are spawned: a script that calls
    this must guard its entry by ``if __name__ == "__main__"``.

    Args:
        root: folder of the data set, made if missing.
        domain: "game" (the source) or "camera" (the target).
        layout: "gta5" or "cityscapes": whose on-disk format to write.
        splits: number of pictures for each of "train", "val", "test".
        size: (width, height) in pixels.
        seed: non-negative.
        processes: number of worker processes, 1 or more.
        progress: wraps the iterable of finished pictures, given also their total (e.g. tqdm).

    Raises:
        UserError: unknown names, a folder that holds other streets, panda3d missing, a killed worker, a full disk.
    """
    root = Path(root)
    domain_of(domain)
    size = (int(size[0]), int(size[1]))
    _check(layout, splits, size, seed, processes)
    _claim_root(root, domain, layout, seed, size)
    places = [place_of(root, layout, split, position) for split, count in splits.items() for position in range(count)]
    missing = [place for place in places if not place.is_finished()]
    if layout == "gta5":
        write_lists(root, splits)
    if not missing:
        return 0
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    pool = ProcessPoolExecutor(min(processes, len(chunks)), mp_context=get_context("spawn"))
    results = _results(pool, chunks, (domain, layout, seed, size))
    return sum(progress(results, len(missing)) if progress else results)
