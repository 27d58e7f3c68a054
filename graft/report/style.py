"""One look for every plot: colours that colour-blind readers tell apart, quiet axes, the same bytes each time."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette ("Color Universal Design", 2008)
TRANSFER, SCRATCH, GREEN, RED, GOLD = "#0072b2", "#d98200", "#00805e", "#c2410c", "#946200"
INK, MUTED, RULE, BAND = "#1c2530", "#5b6672", "#d5dae0", "#e9edf1"
VERDICT = {"helps": GREEN, "neutral": MUTED, "hurts": RED, "cannot-tell": GOLD}

SETTINGS: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "grid.color": BAND,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "svg.hashsalt": "graft",  # the same picture gives the same bytes
    "svg.fonttype": "path",
}


@contextmanager
def canvas(width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure of that size in inches, in the common look; no global state is touched for long."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        yield Figure(figsize=(width, height), layout="constrained")


def svg(figure: Figure) -> str:
    """Return a figure as a data URI of an SVG image."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(stream.getvalue()).decode()}"


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG image, sharp on dense screens."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
    return stream.getvalue()


def bare(axes: Axes, *sides: str) -> None:
    """Take away sides of the frame, and the tick marks that stood on them."""
    for side in sides:
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
