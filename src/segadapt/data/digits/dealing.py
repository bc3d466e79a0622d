"""Which digit goes to which domain: each to one at most, classes as even as can be, the same for the same seed."""

from collections.abc import Mapping

import numpy as np

from segadapt.core.errors import UserError
from segadapt.core.seeding import generator
from segadapt.labels import DIGITS10


def check_counts(counts: Mapping[str, int], available: int) -> None:
    """UserError if more digits are asked for than there are, or fewer than one of each class in a domain."""
    classes = len(DIGITS10)
    if sum(counts.values()) > available:
        raise UserError(
            f"{' + '.join(map(str, counts.values()))} built-in digits are asked for but there are {available}, each "
            "for one domain; lower the numbers under render.splits"
        )
    for domain, count in counts.items():
        if count < classes:
            raise UserError(f"domain '{domain}' asks for {count} digits: use {classes} or more, one of each class")


def deal(labels_N: np.ndarray, counts: dict[str, int], seed: int) -> dict[str, list[int]]:
    """For each domain the indices of its digits, in ascending order.

    Args:
        labels_N: the digits, 0 to 9.
        counts: how many each domain gets.
        seed: of the order in which they are dealt.

    Raises:
        UserError: more digits asked for than there are, or fewer than one of each class in a domain.
    """
    check_counts(counts, len(labels_N))
    classes = len(DIGITS10)
    dealt: dict[str, list[int]] = {domain: [] for domain in counts}
    held = {domain: [0] * classes for domain in counts}
    for index in _rounds(labels_N, seed):
        label = int(labels_N[index])
        wanting = [domain for domain in sorted(counts) if len(dealt[domain]) < counts[domain]]
        if not wanting:
            break
        # To whom has, for its size, the fewest of this class; among equals, the fewest of all.
        taker = min(wanting, key=lambda each: (held[each][label] / counts[each], len(dealt[each]) / counts[each]))
        dealt[taker].append(index)
        held[taker][label] += 1
    return {domain: sorted(indices) for domain, indices in dealt.items()}


def _rounds(labels_N: np.ndarray, seed: int) -> list[int]:
    """All indices, shuffled, one of each class after another for as long as there are."""
    shuffled = generator(seed, "digits", "order").permutation(len(labels_N))
    by_class = [[int(index) for index in shuffled if labels_N[index] == label] for label in range(len(DIGITS10))]
    longest = max(map(len, by_class))
    return [indices[turn] for turn in range(longest) for indices in by_class if turn < len(indices)]
