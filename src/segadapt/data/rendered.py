"""The mark by which a folder is known as the built-in renderer's, and what it was asked to hold."""

from pathlib import Path

from segadapt.core.artifacts import read_json

DESCRIPTION_NAME = "streets.json"


def is_rendered(root: Path) -> bool:
    """Whether the folder is the built-in renderer's."""
    return (root / DESCRIPTION_NAME).is_file()


def rendered_counts(root: Path) -> dict[str, int]:
    """Pictures asked for by split; empty if the description is of an age when it did not say."""
    asked = read_json(root / DESCRIPTION_NAME)
    return dict(asked.get("splits", {})) if isinstance(asked, dict) else {}
