"""What disks, people and archives do to a file, by name; every draw is a function of the seed."""

import contextlib
import ctypes
import os
import random
import shutil
from pathlib import Path

GARBAGE = b"\x00\xffgarbage at the end"
BLOCK = 4096


def flip(path: Path, draw: random.Random) -> None:
    _with_byte(path, lambda size: draw.randrange(size), 1 << draw.randrange(8))


def low_bit(path: Path, draw: random.Random) -> None:
    """Of a byte near the end: in weights the least that a number can change by."""
    _with_byte(path, lambda size: size - 1 - draw.randrange(max(1, size // 4)), 1)


def cut(path: Path, draw: random.Random) -> None:
    os.truncate(path, int(path.stat().st_size * draw.choice([0.03, 0.5, 0.97])))


def cut_one_byte(path: Path, draw: random.Random) -> None:
    os.truncate(path, max(0, path.stat().st_size - 1))


def zero(path: Path, draw: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def zero_end(path: Path, draw: random.Random) -> None:
    """The last block, as after a power cut."""
    content = path.read_bytes()
    count = min(len(content), (len(content) - 1) % BLOCK + 1 if content else 0)
    path.write_bytes(content[: len(content) - count] + bytes(count))


def append(path: Path, draw: random.Random) -> None:
    with open(path, "ab") as file:
        file.write(GARBAGE)


def empty(path: Path, draw: random.Random) -> None:
    os.truncate(path, 0)


def noise(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(path.stat().st_size))


def unreadable(path: Path, draw: random.Random) -> None:
    path.chmod(0)


def folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def full_folder(path: Path, draw: random.Random) -> None:
    folder(path, draw)
    (path / "a file").write_text("in the way\n")


def delete(path: Path, draw: random.Random) -> None:
    path.unlink()


def broken_link(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def fifo(path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def swap(path: Path, draw: random.Random) -> None:
    """With another whole file of the same name elsewhere in the project; without one, with its neighbour's content."""
    top = next(parent for parent in path.parents if parent.name in ("work", "results", "toy"))
    content = path.read_bytes()
    others = [each for each in sorted(top.rglob(f"*{path.suffix}")) if each.is_file() and each.read_bytes() != content]
    alike = [each for each in others if each.name == path.name] or others
    other = draw.choice(alike)
    between = path.with_name("between")
    os.rename(path, between)
    os.rename(other, path)
    os.rename(between, other)


DAMAGES = {
    each.__name__: each
    for each in (
        flip, low_bit, cut, cut_one_byte, zero, zero_end, append, empty, noise, unreadable, folder, full_folder, delete,
        broken_link, fifo, swap,
    )
}  # fmt: skip
LIES = ("cut", "empty", "zero", "zero_end")
"""What a disk that was told to flush and did not leaves behind."""


def newest_files(root: Path, tops: tuple[str, ...] = ("work", "results", ".snakemake")) -> list[Path]:
    """Regular files that are not empty, the one that was written last first."""
    found = []
    for top in tops:
        for where, _, names in os.walk(root / top):
            for name in names:
                with contextlib.suppress(OSError):
                    status = os.lstat(os.path.join(where, name))
                    if status.st_size and os.path.isfile(os.path.join(where, name)):
                        found.append((status.st_ctime_ns, os.path.join(where, name)))
    return [Path(path) for _, path in sorted(found, reverse=True)]


def _with_byte(path: Path, place, mask: int) -> None:
    content = bytearray(path.read_bytes())
    if not content:
        return
    content[place(len(content))] ^= mask
    path.write_bytes(content)


def obey_permissions() -> None:
    """Takes from root the right to read and write what permissions forbid; for this process and its children."""
    if os.getuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
        for index in (0, 1, 2):
            data[index] &= ~(1 << capability)
    libc.capset(header, data)


def make_removable(root: Path) -> None:
    """Gives back the permissions that a case took, so that its folder can be removed."""
    for where, folders, _ in os.walk(root):
        for name in folders:
            with contextlib.suppress(OSError):
                if not os.path.islink(os.path.join(where, name)):
                    os.chmod(os.path.join(where, name), 0o755)
    shutil.rmtree(root, ignore_errors=True)
