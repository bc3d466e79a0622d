"""What a run logs as event files for TensorBoard, beside its history: ``run.tensorboard`` of a preset asks for them.

They are for people who look: nothing reads them, no job is judged by them, and tensorboardX, which writes them, is
imported only then.
"""

import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path

from segadapt.core.errors import UserError

_WRITER = "tensorboardX"


def require_writer(preset: str) -> None:
    """UserError unless the package is installed that a preset with ``run.tensorboard`` needs."""
    if importlib.util.find_spec(_WRITER) is None:
        raise UserError(
            f"presets/{preset}.yaml: run.tensorboard is true and {_WRITER} is not installed; "
            f"pip install --constraint constraints.txt {_WRITER}, or set it to false"
        )


class EventFile:
    """The event file in a folder of a run's own; one of the same run before it was interrupted goes away.

    What was logged before is in the history that the run goes on with, and is written again.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer, self._written = EventsWriter(str(folder / "events")), 0
        # A TensorBoard that is open forgets what it has read of the old file.
        self._writer.write_event(Event(wall_time=time.time(), session_log=SessionLog(status=SessionLog.START)))

    def write(self, columns: Sequence[str], rows: Sequence[Sequence[float | int | None]]) -> None:
        """Writes those of the rows, all that there are so far, that it has not written; the first column is the step.

        ``loss_source`` becomes ``loss/source``, so that TensorBoard shows the losses together.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        for step, *values in rows[self._written :]:
            for name, value in zip(columns[1:], values, strict=True):
                if value is not None:
                    summary = scalar(name.replace("loss_", "loss/", 1), value)
                    self._writer.write_event(Event(wall_time=time.time(), step=int(step), summary=summary))
        self._written = len(rows)
        self._writer.flush()
