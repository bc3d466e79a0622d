"""Ctrl-C, or SIGINT to the engine alone: its jobs are asked to stop at their next saved step.

Snakemake waits for its running jobs when it is interrupted, and sends them nothing: from a terminal they hear of it by
themselves, from ``kill -INT`` they do not, and it waits for their end.
"""

import signal
from contextlib import suppress


def pass_on_interrupts() -> None:
    """From now on SIGINT to this process asks its jobs to stop, and is then what it was: a KeyboardInterrupt."""

    def interrupt(number: int, frame: object) -> None:
        stop_jobs()
        raise KeyboardInterrupt

    # Only a main thread may; an engine that runs in another has no Ctrl-C either.
    with suppress(ValueError):
        signal.signal(signal.SIGINT, interrupt)


def stop_jobs() -> None:
    """Sends SIGTERM to every stage that runs below this process, but not to the shells between."""
    import psutil  # Snakemake needs it, and nothing else here does.

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(word.startswith("segadapt.stages.") for word in process.cmdline()):
                # The shell that starts it has the same words, but in one.
                process.send_signal(signal.SIGTERM)
