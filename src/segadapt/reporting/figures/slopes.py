"""Figure 1 of the paper: how hard each target loss pulls at a pixel of two classes, by what it says already.

The numbers are the gradients of ``segadapt.losses`` themselves. In the closed forms that the paper draws, for a
probability p of one class and 1 - p of the other,

    |H'| = |ln p - ln(1 - p)|,    |MS'| = |4 p - 2|  (of -p^2 - (1 - p)^2, without the 1/2 of Eq. 6),
    scaled |H'| = (1 - 2 gamma) |ln q - ln(1 - q)|,  q = (1 - 2 gamma) p + gamma.

A network is trained through its logits, in which every slope is p (1 - p) times as large; there all of them vanish
where p is near one. The paper lacks that panel.
"""

from collections.abc import Callable

import numpy
import pandas
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segadapt.core.job import Job
from segadapt.losses import entropy, max_squares, scaled_entropy
from segadapt.reporting.figures import style

ENTROPY, SCALED, SQUARES = "entropy", "scaled entropy", "maximum squares"
RATIO = f"{ENTROPY} / {SQUARES}"
PROBABILITIES = numpy.arange(1, 1000) / 1000
_LOOKS = {ENTROPY: 2, SCALED: 4, SQUARES: 3}
"""Colours of ``reporting.style``: those of MinEnt and MaxSquare in the figures of the shipped ``params.yaml``."""
MARKED = (0.8, 0.9, 0.95, 0.99)
"""Where the third panel writes the ratio down."""


def draw(job: Job) -> dict[str, bytes]:
    """From the losses alone to ``results/figures/figure1.*``."""
    gamma = job.config["gamma"]
    frame = slopes(gamma)
    return style.files(slopes_figure(frame, gamma), slopes_csv(frame))


def logit_slope(loss: Callable[..., torch.Tensor], probability_N: numpy.ndarray) -> numpy.ndarray:
    """|d loss / d logit|, float64 (N,), of single pixels of two classes whose first has these probabilities in (0, 1).

    ``loss`` is one of ``segadapt.losses``, taken a pixel (``normalisation="paper"``).
    """
    p_N = torch.from_numpy(numpy.asarray(probability_N, numpy.float64))
    logits_BCHW = torch.stack([p_N.logit(), torch.zeros_like(p_N)])[None, :, None].requires_grad_()
    loss(logits_BCHW, normalisation="paper").backward()
    # The loss is the mean over N pixels, each of which pulls at its own logit only.
    return (logits_BCHW.grad[0, 0, 0] * len(p_N)).abs().numpy()


def slopes(gamma: float) -> pandas.DataFrame:
    """Absolute slopes of the three losses at every p of ``PROBABILITIES``.

    Columns: ``p``; ``<loss>`` in p; ``<loss>, logit`` in the logit; and the ratio of entropy to maximum squares, which
    is the same in both (NaN at p = 1/2, where both are 0). ``gamma`` is in [0, 0.5).
    """
    losses = {
        ENTROPY: entropy,
        SCALED: lambda logits, **rest: scaled_entropy(logits, gamma=gamma, **rest),
        SQUARES: lambda logits, **rest: max_squares(logits, half=False, **rest),
    }
    p_N = PROBABILITIES
    in_logit = {name: logit_slope(loss, p_N) for name, loss in losses.items()}
    frame = pandas.DataFrame({"p": p_N})
    for name, slope_N in in_logit.items():
        frame[name] = slope_N / (p_N * (1 - p_N))
    for name, slope_N in in_logit.items():
        frame[f"{name}, logit"] = slope_N
    known = in_logit[SQUARES] > 1e-12
    frame[RATIO] = numpy.divide(in_logit[ENTROPY], in_logit[SQUARES], out=numpy.full(len(p_N), numpy.nan), where=known)
    return frame


def peak(frame: pandas.DataFrame, name: str) -> tuple[float, float]:
    """(p, slope) where a loss pulls hardest at the logit, p >= 1/2 on the grid of ``PROBABILITIES``."""
    upper = frame[frame["p"] >= 0.5]
    best = upper[f"{name}, logit"].idxmax()
    return float(frame["p"][best]), float(frame[f"{name}, logit"][best])


def slopes_csv(frame: pandas.DataFrame) -> bytes:
    """The curves' points; an undefined ratio is empty."""
    return frame.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode()


def slopes_figure(frame: pandas.DataFrame, gamma: float) -> Figure:
    """Slopes in p (the paper's Figure 1), slopes in the logit with their peaks, and the ratio of the two losses."""
    figure = Figure(figsize=(13, 4.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    titles = {ENTROPY: "entropy (MinEnt)", SCALED: f"scaled entropy, γ = {gamma:g}", SQUARES: "maximum squares, no ½"}
    beside = {ENTROPY: (-20, 7), SQUARES: (-12, -42)}
    for name, title in titles.items():
        look = _LOOKS[name]
        left.plot(frame["p"], frame[name], label=title, **style.line(look))
        middle.plot(frame["p"], frame[f"{name}, logit"], **style.line(look))
        if name in beside:
            p, slope = peak(frame, name)
            middle.plot(p, slope, "o", color=style.colour(look), markersize=5)
            words = {"color": style.colour(look), "fontsize": 8, "textcoords": "offset points"}
            middle.annotate(f"p = {p:.3f}", (p, slope), beside[name], **words)
    style.quiet(left, "Slope in p, as in the paper's Figure 1", xlabel="p", ylabel="|d loss / d p|")
    style.quiet(middle, "Slope in the logit: what a network is trained by", xlabel="p", ylabel="|d loss / d logit|")
    middle.set_ylim(top=1.12 * frame[f"{ENTROPY}, logit"].max())
    _ratio(right, frame)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(
        "Two classes with probabilities p and 1 − p; computed from the losses", fontsize=9, color=style.GREY
    )
    return figure


def _ratio(axis: Axes, frame: pandas.DataFrame) -> None:
    upper = frame[frame["p"] > 0.5]
    axis.plot(upper["p"], upper[RATIO], color=style.GREY, linewidth=1.3)
    for p in MARKED:
        (value,) = upper[RATIO][numpy.isclose(upper["p"], p)]
        axis.plot(p, value, "o", color=style.GREY, markersize=4)
        axis.annotate(f"{value:.2f} at {p:g}", (p, value), (-60, 4), textcoords="offset points", fontsize=8)
    style.quiet(axis, "Entropy / maximum squares, of either slope", xlabel="p", ylabel="ratio of the slopes")
