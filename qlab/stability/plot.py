"""Pictures of stability against averaging time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protocols.stability import STATISTICS, Stability
from qlab.errors import printable
from qlab.pictures import COLOURS, check_picture, save_picture
from qlab.stability.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_stability"]

_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*")
_LINES = ("-", "--", ":")  # one for each round of the colours
_MOST_MARKED = 60


def draw_stability(found: Results, confidence: float, picture: Path, *, overwrite: bool) -> None:
    """Draw deviations with their confidence limits, frequencies and times apart.

    The format follows the ending: png, pdf or svg.

    Parameters
    ----------
    found : Results
        What to draw.
    confidence : float
        Of the limits.
    picture : Path
    overwrite : bool
        Whether a picture of that name is replaced.

    Raises
    ------
    UsageError
        As `check_picture`.
    QlabError
        The picture cannot be written.
    """
    from matplotlib.figure import Figure

    check_picture(picture, overwrite=overwrite)
    kinds = {
        "fractional frequency deviation": "frequency",
        "time deviation (s)": "time",
    }
    groups = {
        label: [one for one in found.statistics if STATISTICS[one.statistic].dimension == kind]
        for label, kind in kinds.items()
    }
    drawn = {label: group for label, group in groups.items() if group}
    # Not by pyplot, whose backend and figures are a script's own.
    figure = Figure(figsize=(7, 5 * len(drawn)), layout="constrained")
    panels = figure.subplots(len(drawn), 1, squeeze=False)[:, 0]
    order = {one.statistic: number for number, one in enumerate(found.statistics)}
    for axes, (label, group) in zip(panels, drawn.items(), strict=True):
        for one in group:
            _deviation(axes, one, order[one.statistic])
        if any(np.any(one.dev > 0) for one in group):  # a scale that refuses zeros
            axes.set_xscale("log")
            axes.set_yscale("log")
        axes.set_xlabel("averaging time (s)")
        axes.set_ylabel(label)
        axes.grid(visible=True, which="major", color="0.85", linewidth=0.7)
        axes.grid(visible=True, which="minor", color="0.93", linewidth=0.4)
        axes.set_axisbelow(True)
        axes.legend(fontsize=9, frameon=False)
    title = f"{printable(found.readings.path.name)}  ·  limits at {100 * confidence:.4g} %"
    figure.suptitle(title, fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)


def _deviation(axes: Axes, found: Stability, number: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    line = _LINES[number // len(COLOURS) % len(_LINES)]
    there = found.dev > 0
    tau, dev = found.tau[there], found.dev[there]
    lo, hi = found.lo[there], found.hi[there]
    known = np.isfinite(lo) & np.isfinite(hi)
    label = found.statistic.upper()
    if tau.size > _MOST_MARKED:
        axes.plot(tau, dev, line, color=colour, linewidth=1.3, label=label)
        axes.fill_between(tau, lo, hi, where=known, color=colour, alpha=0.2, linewidth=0)
        return
    mark = _MARKS[number % len(_MARKS)]
    axes.plot(tau, dev, mark, linestyle=line, color=colour, linewidth=1, markersize=4, label=label)
    if known.any():
        reach = np.stack([(dev - lo)[known], (hi - dev)[known]])
        axes.errorbar(
            tau[known], dev[known], yerr=reach, fmt="none", color=colour, capsize=2.5, linewidth=1
        )
