"""Asked to stop, by SIGINT or SIGTERM: work ends where its state is saved, and says how far it came.

Whoever saves as it goes wraps its loop in :func:`at_saved_steps` and asks, just after it could save, whether to end.
All other work ends at once, for nothing but time is lost. The same signal a second time ends everything at once: a
terminal sends SIGINT to the engine and its jobs alike, and the engine passes it on as SIGTERM, so that two *different*
signals are one request.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from segadapt.core.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GOES_ON = "the same command goes on from there"

_patient = False
_heard: list[int] = []


@contextmanager
def listening() -> Iterator[None]:
    """In the block either signal is heard and ends it by :class:`Stopped`; handlers are put back after it."""
    before = {number: signal.signal(number, _hear) for number in SIGNALS}
    _heard.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def at_saved_steps() -> Iterator[Callable[[], bool]]:
    """In the block a first request waits; the function tells whether there is one.

    Who finds that there is one saves and raises :func:`stopped_after`.
    """
    global _patient
    _patient = True
    try:
        yield lambda: bool(_heard)
    finally:
        _patient = False


def stopped_after(finished: str) -> Stopped:
    """What to raise once the state is saved; ``finished`` says how far it goes: ``step 600 of 1000``."""
    return Stopped(f"stopped after {finished}; {GOES_ON}", _status(_heard[0]))


def _hear(number: int, frame: object) -> None:
    repeated = number in _heard
    _heard.append(number)
    if not _patient or repeated:
        raise Stopped(f"stopped; what is saved is kept and {GOES_ON}", _status(number))
    if len(_heard) == 1:
        # Not print: the signal may have come in the middle of one.
        with suppress(OSError):
            os.write(2, b"segadapt: stopping at the next step that is saved; once more stops now\n")


def _status(number: int) -> int:
    """As a shell gives it for a program that the signal ended."""
    return 128 + number
