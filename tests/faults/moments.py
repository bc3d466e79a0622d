"""Moments of a process that can be named again: its n-th file operation in the project's folder."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_OPERATIONS = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.link",
    "os.symlink",
    "os.utime",
}


class Watch:
    """Counts the file operations of this process in a folder, and acts once, just before one of them.

    An audit hook stays for good: only for processes that end with what is watched.
    """

    def __init__(self, folder: Path, moment: int | None, act: Callable[[], None]) -> None:
        self.count, self._folder, self._moment, self._act = 0, f"{folder}{os.sep}", moment, act
        self._acting = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if event not in _OPERATIONS or self._acting or not arguments or isinstance(arguments[0], int):
            return
        path = os.fsdecode(arguments[0])
        if os.path.isabs(path) and not path.startswith(self._folder):
            return
        self.count += 1
        if self.count == self._moment:
            self._acting = True
            self._act()
            self._acting = False


@dataclass(frozen=True)
class Disturbance:
    """What happens at the n-th file operation of ``where`` (a job, or the session).

    ``signal_name`` goes to the process itself (``job``), its whole group or the engine alone; ``lie`` is called before.
    """

    where: str
    moment: int | None
    signal_name: str
    whom: str = "job"
    lie: Callable[[], None] | None = None

    def arm(self, engine: int) -> Watch:
        """Takes effect in this very process."""

        def act() -> None:
            if self.lie is not None:
                self.lie()
            number = getattr(signal, f"SIG{self.signal_name}")
            if self.whom == "group":
                os.killpg(engine, number)
            else:
                os.kill(engine if self.whom == "engine" else os.getpid(), number)

        return Watch(Path.cwd(), self.moment, act)
