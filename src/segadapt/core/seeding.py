"""Random numbers as a pure function of what they are for.

Nothing in segadapt draws from a global or a running generator, so nothing about randomness has to
be saved, and a run that was killed continues with the very samples it would have seen.
"""

import hashlib

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """A fresh counter-based generator for a key such as ``(seed, "source", "augment", 17)``."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def torch_seed(*key: int | str) -> int:
    """A 63-bit seed for ``torch.Generator.manual_seed`` from the same kind of key."""
    return int(generator(*key, "torch").integers(0, 2**63 - 1))
