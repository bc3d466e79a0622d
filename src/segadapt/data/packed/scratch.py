"""Packs on a disk of this machine's own, where a cluster keeps the project on a shared one: ``SEGADAPT_SCRATCH``."""

import os
import shutil
from pathlib import Path

from segadapt.core.artifacts import atomic_path, sha256_file
from segadapt.core.locking import exclusive

SCRATCH = "SEGADAPT_SCRATCH"
"""The environment's name for a folder on such a disk."""


def nearest(pack: Path, manifest: Path, length: int) -> Path:
    """The pack itself, or its copy in the folder that ``SEGADAPT_SCRATCH`` names, which the first who asks makes.

    A copy has the name of its manifest's hash, so that another cache has another; its records are checked like any
    others when they are read. UserError, as of ``atomic_path``, where it cannot be written.
    """
    if not os.environ.get(SCRATCH):
        return pack
    copy = Path(os.environ[SCRATCH]) / f"segadapt-{sha256_file(manifest)[:32]}.bin"
    with exclusive(copy.with_suffix(".lock")):
        if not copy.is_file() or copy.stat().st_size != length:
            with atomic_path(copy, lasting=False) as temporary:
                shutil.copyfile(pack, temporary)
    return copy
