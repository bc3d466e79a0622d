"""Whether a data set's files are still those that a cache was made from.

A manifest has every source file's bytes and SHA-256, and no times, so that it is the same on every machine. What this
machine saw last is kept beside it in a *memo*: size, times and SHA-256 of each file, times of the folders, and what the
split listed then. A file that looks as it did then is not read again.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, sha256_file, write_json
from segadapt.core.errors import UserError
from segadapt.data.shipped.splits import list_split, touched

Look = list[int]
"""Size, modification time and change time in nanoseconds: what tells a file that nobody touched."""
Progress = Callable[[Iterable[str], int], Iterable[str]]
_NOT_THERE = "is not there any more"
_OTHER = "has other content"


def seen_path(preset: str, cache: str) -> Path:
    """The memo of a preset's cache."""
    return Path(f"work/{preset}/seen/originals/{cache}.json")


def look_at(path: Path | str) -> Look | None:
    """What ``os.stat`` says of a regular file; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns] if stat.S_ISREG(found.st_mode) else None


def is_here(root: Path) -> bool:
    """Whether the data set's folder is there and holds anything: caches outlive their originals."""
    try:
        with os.scandir(root) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def remember(memo: Path, seen: Mapping[str, tuple[Look, str]]) -> None:
    """Writes the memo: for each source file, relative to its data set's folder, its look and SHA-256."""
    write_json(memo, {"files": {path: [look, sha256] for path, (look, sha256) in seen.items()}}, lasting=False)


def changed_sources(manifest_path: Path, root: Path, memo: Path) -> str | None:
    """None if the source files are those of the manifest, or a phrase: ``data changed: a.png has other content``.

    Compares presence, size and times of each file with the memo; a file of other times is hashed. The first look on a
    machine, without a memo, believes files of the right size. Files that the split would list today, or no longer, are
    changes too; folders and lists are read again only if their own times have changed. None also where ``is_here`` is
    false. UserError for an unusable manifest.
    """
    if not is_here(root):
        return None
    changes = _changes(_read_manifest(manifest_path), manifest_path, root, memo)
    if not changes:
        return None
    more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
    return f"data changed: {changes[0]}{more}"


@dataclass(frozen=True)
class Verified:
    """The source files behind a manifest, relative to their folder.

    ``differ`` has the recorded and the found SHA-256 of each that is another, ``absent`` those that are not there, and
    ``agree`` is how many are the recorded ones.
    """

    differ: dict[str, tuple[str, str]]
    absent: tuple[str, ...]
    agree: int


def verify_sources(
    manifest_path: Path, root: Path, progress: Progress, memo: Path | None = None, known: dict[str, str] | None = None
) -> Verified:
    """Hashes every source file of a manifest.

    What was found is kept in ``memo``, so that ``changed_sources`` knows it too. ``known`` are SHA-256 by path, of
    files that several caches share; it is added to. UserError for an unusable manifest.
    """
    files, known = _source_files(_read_manifest(manifest_path), manifest_path), {} if known is None else known
    differ, absent, seen = {}, [], {}
    for name in progress(files, len(files)):
        path = f"{root}/{name}"
        look = look_at(path)
        if look is None:
            absent.append(name)
            continue
        known[path] = known.get(path) or _digest(path)
        seen[name] = look, known[path]
        if known[path] != files[name][0]:
            differ[name] = files[name][0], known[path]
    if memo is not None and seen:
        with contextlib.suppress(UserError):
            remember(memo, seen)
    return Verified(differ, tuple(absent), len(files) - len(differ) - len(absent))


def count_sources(manifest_path: Path) -> int:
    """How many files ``verify_sources`` hashes."""
    return len(_source_files(_read_manifest(manifest_path), manifest_path))


def _read_manifest(path: Path) -> dict[str, Any]:
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise _unusable(path)
    return manifest


def _source_files(manifest: dict[str, Any], path: Path) -> dict[str, tuple[str, int | None]]:
    """Path to SHA-256 and bytes; manifests of an earlier segadapt do not say how many bytes. Rows are no files."""
    try:
        shared = manifest.get("shared_sources", {})
        sizes = manifest.get("source_bytes", {})
        hashes = {name: sha256 for record in manifest["records"] for name, sha256 in record["sources"].items()}
        if shared:
            hashes = {
                name: each for name, each in hashes.items() if os.path.dirname(os.path.dirname(name)) not in shared
            }
        return {name: (sha256, sizes.get(name)) for name, sha256 in (hashes | shared).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise _unusable(path) from error


def _unusable(path: Path) -> UserError:
    return UserError(f"{path} is no manifest of a cache; delete it and run the same command again")


def _digest(path: Path | str) -> str:
    """SHA-256, or nothing for a file that cannot be read."""
    try:
        return sha256_file(Path(path))
    except UserError:
        return ""


def _changes(manifest: dict[str, Any], manifest_path: Path, root: Path, memo: Path) -> list[str]:
    files, known = _source_files(manifest, manifest_path), _read_memo(memo)
    seen, changes = {}, []
    for name, (sha256, size) in files.items():
        path = f"{root}/{name}"
        look = look_at(path)
        if look is None:
            changes.append(f"{name} {_NOT_THERE}")
            continue
        before = known["files"].get(name)
        if before is not None and before[0] == look:
            found = before[1]
        elif size is not None and look[0] != size:
            changes.append(f"{name} {_OTHER}")
            continue
        else:
            found = sha256 if before is None else _digest(path)
        seen[name] = [look, found]
        if found != sha256:
            changes.append(f"{name} {_OTHER}")
    listing = _listing(manifest, root, files, known)
    if not changes:
        changes = _listing_changes(manifest, listing)
    now = {"files": seen, "listing": listing}
    if now != known:
        # A project that cannot be written to is judged all the same.
        with contextlib.suppress(UserError):
            write_json(memo, now, lasting=False)
    return changes


def _read_memo(path: Path) -> dict[str, Any]:
    try:
        memo = read_json(path)
        for look, sha256 in memo["files"].values():
            assert len(look) == 3 and isinstance(sha256, str)
        return {"files": memo["files"], "listing": memo.get("listing")}
    except (UserError, KeyError, TypeError, ValueError, AttributeError, AssertionError):
        return {"files": {}, "listing": None}


def _listing(manifest: dict[str, Any], root: Path, files: Iterable[str], known: dict[str, Any]) -> dict[str, Any]:
    """What the split lists: from the memo if no folder and no list has changed since, else read anew."""
    accept = [each["file"] for each in manifest.get("refused", ())]
    asked = [manifest["format"], manifest["split"], accept]
    before, folders = known["listing"], _folders(files, root)
    is_like = isinstance(before, dict) and before.get("asked") == asked and isinstance(before.get("watched"), dict)
    if is_like and before["watched"].keys() >= folders and before["watched"] == _watched(before["watched"], root):
        return before
    watched = _watched(folders, root)
    found: dict[str, Any] = {"asked": asked, "watched": watched, "fault": None, "names": []}
    try:
        listing, faults = list_split(manifest["format"], root, manifest["split"])
    except UserError as error:
        return found | {"fault": str(error)}
    left_out = {each.name for each in touched(listing, root, accept)}
    kept = [each for each in listing if each.name not in left_out]
    harmless = {root / path for path in accept} | {path for each in listing for path in (each.image, each.label)}
    rest = [fault for fault in faults if fault.file not in harmless]
    if listing.place.is_file():
        place = listing.place.relative_to(root).as_posix()
        found["watched"] = watched | _watched([place], root)
    names = [each.name for each in kept]
    return found | {"fault": f"{rest[0].relative(root)} {rest[0].what}" if rest else None, "names": names}


def _listing_changes(manifest: dict[str, Any], listing: dict[str, Any]) -> list[str]:
    then, now = [record["name"] for record in manifest["records"]], listing["names"]
    if listing["fault"] is not None:
        return [listing["fault"]]
    if then == now:
        return []
    gone, new = set(then) - set(now), set(now) - set(then)
    changes = [f"{name} is listed now" for name in now if name in new]
    changes += [f"{name} is not listed any more" for name in then if name in gone]
    return changes or [f"split '{manifest['split']}' has another order"]


def _folders(files: Iterable[str], root: Path) -> set[str]:
    """The data set's folder, those directly in it, and all that hold a source file or such a folder."""
    found = {""}
    for folder in {os.path.dirname(name) for name in files}:
        while folder:
            found.add(folder)
            folder = os.path.dirname(folder)
    with os.scandir(root) as entries:
        return found | {each.name for each in entries if each.is_dir()}


def _watched(paths: Iterable[str], root: Path) -> dict[str, list[int] | None]:
    """The times of folders and lists."""
    return {path: _times(root / path) for path in sorted(paths)}


def _times(path: Path) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_ctime_ns]
