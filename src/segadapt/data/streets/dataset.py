"""Renders a whole data set in worker processes; what is already there stays."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import write_bytes
from segadapt.core.errors import UserError
from segadapt.data.packed.parallel import worker_pool
from segadapt.data.shipped.rendered import DESCRIPTION_NAME
from segadapt.data.streets.domains import domain_of
from segadapt.data.streets.layouts import LAYOUTS, SAME_PLACES, SPLIT_NUMBER
from segadapt.data.streets.picture import check_size, render_scene
from segadapt.data.streets.write import Place, folders_of, place_of, remove_others, write_lists, write_scene

NOTE = "rendered by segadapt; not GTA5, not Cityscapes"
GENERATOR_VERSION = 4
"""Raised whenever the same seed gives other pictures."""
_CHUNK = 4

Progress = Callable[[Iterable[int], int], Iterable[int]]


def _render_places(places: list[Place], domain: str, layout: str, seed: int, size: tuple[int, int]) -> int:
    """The work of one task in a worker; returns how many pictures it wrote."""
    for place in places:
        write_scene(place, layout, *render_scene(domain, seed, place.scene, size, place.moment))
    return len(places)


def check(config: Mapping[str, Any]) -> None:
    """UserError for a job's configuration of which nothing can be drawn; ``size`` is in pixels."""
    layout, splits = config["layout"], config["splits"]
    domain_of(config["domain"])
    if layout not in LAYOUTS:
        raise UserError(f"layout {layout!r} of the built-in streets is unknown: use one of {', '.join(LAYOUTS)}")
    for split, count in splits.items():
        if split not in (*SPLIT_NUMBER, *SAME_PLACES):
            raise UserError(f"split {split!r} of the built-in streets is unknown: use {', '.join(SPLIT_NUMBER)}")
        most = LAYOUTS[layout].splits
        if split not in most:
            raise UserError(f"layout {layout!r} of the built-in streets has no split {split!r}: use {', '.join(most)}")
        if not 0 <= count <= most[split]:
            raise UserError(f"split {split!r} asks for {count} pictures: use 0 to {most[split]}")
    check_size(config["size"])


def _claim_root(root: Path, asked: dict[str, object], splits: dict[str, int], expected: list[Place]) -> None:
    """Makes the folder hold no picture but those asked for; UserError if it holds some that are not ours.

    The description says what was asked for, and how many pictures of each split, which ``segadapt check`` counts.
    Pictures that an earlier call rendered from other parameters are removed first and the new description is
    written last, so that a call killed in between is made good by the next one.
    """
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is not a folder: remove it or choose another place for the built-in streets")
    path = root / DESCRIPTION_NAME
    description = (json.dumps({**asked, "splits": splits}, indent=1) + "\n").encode()
    if path.exists():
        try:
            earlier = json.loads(path.read_text())
            same = isinstance(earlier, dict) and asked.items() <= earlier.items()
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}): delete the folder {root} to render it anew") from error
        remove_others(root, [file for place in expected for file in place.files] if same else [])
        if same and earlier.get("splits") == splits:
            return
    else:
        for folder in folders_of(root):
            if folder.is_dir() and any(folder.iterdir()):
                raise UserError(
                    f"{folder} holds files, but {path} does not say that we rendered them: choose an empty folder"
                )
    write_bytes(path, description)


def _results(places: list[Place], processes: int, arguments: tuple) -> Iterator[int]:
    """1 for each finished picture as they come; the first failure cancels the rest."""
    chunks = [places[start : start + _CHUNK] for start in range(0, len(places), _CHUNK)]
    pool = worker_pool(min(processes, len(chunks)))
    try:
        futures = [pool.submit(_render_places, chunk, *arguments) for chunk in chunks]
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


def render(root: Path, config: Mapping[str, Any], processes: int, progress: Progress) -> dict[str, str]:
    """``render_dataset`` as its job's configuration says, with ``size`` in pixels; nothing more is to be recorded."""
    names = ("domain", "layout", "splits", "size", "seed")
    render_dataset(root, **{name: config[name] for name in names}, processes=processes, progress=progress)
    return {}


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
    files exist is skipped, so a killed run is continued by the same call; pictures that an earlier call rendered from
    other arguments are removed. Workers are spawned: a script that calls
    this must guard its entry by ``if __name__ == "__main__"``.

    Args:
        root: folder of the data set, made if missing.
        domain: a key of ``DOMAINS``: "game" (the source), "camera" (the target), "town" (a source for photographs),
            "synthia" (another source), one of the cities "rome", "rio", "tokyo" and "taipei" (other targets), or
            "elsewhere": no place twice, to learn to see before any of them.
        layout: whose on-disk format to write: a key of ``LAYOUTS``.
        splits: number of pictures for each of "train", "val", "test".
        size: (width, height) in pixels.
        seed: non-negative.
        processes: number of worker processes, 1 or more.
        progress: wraps the iterable of finished pictures, given also their total (e.g. tqdm).

    Raises:
        UserError: unknown names, a folder with pictures from elsewhere, panda3d missing, a killed worker, a full disk.
    """
    root, size = Path(root), (int(size[0]), int(size[1]))
    check({"domain": domain, "layout": layout, "splits": splits, "size": size})
    if seed < 0 or processes < 1:
        raise UserError(f"seed {seed} must be 0 or more and processes {processes} 1 or more")
    places = [place_of(root, layout, split, position) for split, count in splits.items() for position in range(count)]
    asked = {"domain": domain, "layout": layout, "seed": seed, "size": list(size), "generator": GENERATOR_VERSION}
    _claim_root(root, asked, splits, places)
    write_lists(root, layout, splits)
    missing = [place for place in places if not place.is_finished()]
    if not missing:
        return 0
    with closing(_results(missing, processes, (domain, layout, seed, size))) as results:
        return sum(progress(results, len(missing)) if progress else results)
