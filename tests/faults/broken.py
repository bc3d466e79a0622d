"""Checks taken away on purpose: negative controls, which show that the suite can fail."""

from collections.abc import Callable

from .case import Case
from .world import SEGMENTATION, WIDE


def _inputs() -> None:
    """Jobs believe their inputs."""
    from segadapt.data.packed import cache
    from segadapt.stages import runner

    runner._refuse_other_inputs = lambda job, hashes: None
    cache.PackedCache._verified = lambda self, index: self.records[index]["offset"]


def _outputs() -> None:
    """Whatever stands there is what its record says."""
    from segadapt.core import seen

    def believe(self, path: str) -> str | None:
        import json
        from pathlib import Path

        records = [Path(path).with_name("provenance.json"), *Path(path).parent.glob("*.provenance.json")]
        for record in (each for each in records if each.is_file()):
            for output in json.loads(record.read_text())["outputs"].values():
                if output["path"] == path:
                    return output["sha256"]
        return None

    seen.Memo.sha256 = believe


def _state() -> None:
    """A saved state is taken for that of the step after it."""
    from segadapt.training import state

    restore = state.StateStore.restore
    state.StateStore.restore = lambda self, *them: min(restore(self, *them) + 1, 5)


def _pictures() -> None:
    """Every label is read one class too high."""
    from segadapt.data.shipped import reading

    read = reading.read_ids
    reading.read_ids = lambda path, how: read(path, how).point([(value + 1) % 11 for value in range(256)])


CONTROLS: dict[str, tuple[Callable[[], None], Case]] = {
    "inputs": (_inputs, Case("in-use", "flip", "pack", world=WIDE)),
    "outputs": (_outputs, Case("at-rest", "flip", "metrics", world=WIDE)),
    "state": (_state, Case("kills", "job-KILL", "adapt/maxsquare/seed1", 800, world=SEGMENTATION)),
    "pictures": (_pictures, Case("hostile-pictures", "label-L", "label")),
}
"""What is taken away, and a case that must then not end well."""
