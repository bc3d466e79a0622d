"""Which image comes when: a pure function of (seed, domain, position), with nothing to save.

Every epoch is a fresh permutation, as the released code shuffles anew; source and target are
shuffled independently of each other.
"""

from functools import lru_cache

import numpy as np

from segadapt.core.seeding import generator


@lru_cache(maxsize=4)
def _permutation(seed: int, domain: str, epoch: int, count: int) -> np.ndarray:
    return generator(seed, domain, "order", epoch).permutation(count)


def sample_index(seed: int, domain: str, position: int, count: int) -> int:
    """Index, in [0, count), of the ``position``-th sample that a run with this seed draws."""
    epoch, offset = divmod(position, count)
    return int(_permutation(seed, domain, epoch, count)[offset])
