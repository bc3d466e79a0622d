"""The one look of all figures: colours, lines, quiet axes, and files that are equal for equal drawings."""

import io
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's colours, told apart by colour-blind eyes too, and a brown in place of their pale yellow."""
LINES = ("-", "--", ":", "-.")
HATCHES = ("", "////", "....", "xxxx")
"""Lines and filled shapes change their texture where the colours have all been used."""
GREY = "#555555"


def colour(look: int) -> str:
    """The colour of the look with this number."""
    return COLOURS[look % len(COLOURS)]


def line(look: int) -> dict[str, Any]:
    """How a line with this look is drawn: keywords of ``Axes.plot``."""
    return {"color": colour(look), "linestyle": LINES[look // len(COLOURS) % len(LINES)], "linewidth": 1.3}


def shape(look: int) -> dict[str, Any]:
    """How a filled shape with this look is drawn: keywords of ``Axes.bar``."""
    return {"facecolor": colour(look), "hatch": HATCHES[look // len(COLOURS) % len(HATCHES)], "edgecolor": "white"}


def quiet(axis: Axes, title: str, **labels: Any) -> None:
    """Title, labels (and limits, as ``Axes.set`` takes them) and a pale grid, without the frame's upper right."""
    axis.set(**labels)
    axis.set_title(title, fontsize=10)
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def png(figure: Figure) -> bytes:
    """The figure as PNG; equal drawings give equal bytes, for no version of the drawing library is in the file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG; equal drawings give equal bytes: no date, no version, ids that are no random ones."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "segadapt"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def files(figure: Figure, data: bytes) -> dict[str, bytes]:
    """A figure's files by role: the points behind it, ``vector`` (SVG) and ``picture`` (PNG)."""
    return {"data": data, "vector": svg(figure), "picture": png(figure)}
