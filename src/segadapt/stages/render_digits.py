"""Draws the built-in digits: scikit-learn's handwritten ones in three looks, each a domain in Office-31's layout."""

from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.core.progress import progress
from segadapt.data.digits import render_digits
from segadapt.stages.runner import main


def render(job: Job, scratch: Path) -> None:
    """A killed drawing goes on where it stopped."""
    config, manifest = job.config, Path(job.outputs["manifest"])
    digits_NHW, labels_N = _handwritten()
    digest = render_digits(
        manifest.parent,
        digits_NHW,
        labels_N,
        splits=config["splits"],
        size=width_height(config["size"]),
        seed=config["seed"],
        progress=lambda items, total: progress(items, f"render {manifest.parent.name}", total, "image"),
    )
    note = "the digits of scikit-learn (UCI, Alpaydin and Kaynak 1998) drawn anew by segadapt; not Office-31"
    write_json(manifest, {"built_in": True, "note": note, **config, "pictures_sha256": digest})


def _handwritten() -> tuple:
    """1,797 digits, 8x8 greys in [0, 1], and what they are: of UCI's "Optical Recognition of Handwritten Digits"."""
    try:
        from sklearn.datasets import load_digits  # here, for it takes a while and nothing else needs it
    except ImportError as error:
        raise UserError(
            "the built-in digits come with scikit-learn, which is missing; install what requirements.txt lists"
        ) from error
    bundled = load_digits()
    return bundled.images / 16, bundled.target


if __name__ == "__main__":
    main(render)
