"""The mark by which a folder is known as the built-in renderer's, and what it was asked to hold."""

from pathlib import Path

from segadapt.core.artifacts import read_json
from segadapt.core.chosen import Chosen

BUILT_IN = Chosen("domain", "segadapt.data.streets.dataset", {"digits": "segadapt.data.digits.dataset"})
"""Who draws a domain: ``render(root, config, processes, progress)``, and ``check(config)``, which draws nothing."""
DESCRIPTION_NAME, DIGITS_NAME = "streets.json", "digits.json"


def is_rendered(root: Path) -> bool:
    """Whether the folder is the built-in renderer's."""
    return _mark(root) is not None


def rendered_counts(root: Path) -> dict[str, int]:
    """Pictures asked for by split; empty if the description is of an age when it did not say."""
    mark = _mark(root)
    asked = read_json(mark) if mark is not None else None
    return dict(asked.get("splits", {})) if isinstance(asked, dict) else {}


def _mark(root: Path) -> Path | None:
    return next((root / name for name in (DESCRIPTION_NAME, DIGITS_NAME) if (root / name).is_file()), None)
