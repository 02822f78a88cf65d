"""Pictures of correlations."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from protocols.timetags.correlation.intervals import IntervalCounter, Recovery
from protocols.timetags.correlation.peak import model
from qlab.errors import printable
from qlab.pictures import BLUE, GREY, ORANGE, check_picture, save_picture
from qlab.tags.correlating import Correlated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_correlation", "draw_recovery"]

_UNITS = ((1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))


def draw_correlation(
    found: Correlated, tick_s: Fraction, title: str, picture: Path, *, overwrite: bool
) -> None:
    """Draw g2 against lag, and the peak with its fit where there is one.

    Parameters
    ----------
    found : Correlated
    tick_s : Fraction
    title : str
    picture : Path
        Its ending says the format.
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
    panels = 1 if found.peak is None else 2
    # Not by pyplot, whose backend and figures are a script's own.
    figure = Figure(figsize=(7.5, 3.6 * panels), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False)[:, 0]
    _whole(axes[0], found, float(tick_s))
    if found.peak is not None:
        _peak(axes[1], found, float(tick_s))
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)


def draw_recovery(
    counted: IntervalCounter,
    found: Recovery,
    tick_s: Fraction,
    title: str,
    picture: Path,
    *,
    overwrite: bool,
) -> None:
    """Draw the rate of a channel after each of its tags.

    Parameters
    ----------
    counted : IntervalCounter
    found : Recovery
    tick_s : Fraction
    title : str
    picture : Path
        Its ending says the format.
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
    edges = np.maximum(counted.bins.edges, 0) * float(tick_s)
    unit, name = _unit(float(edges[-1]))
    scale = float(tick_s) / unit
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.stairs(found.relative, edges / unit, baseline=None, color=BLUE, linewidth=1)
    axes.axhline(1, color=GREY, linewidth=0.8, linestyle="--", label="level of chance")
    after = found.afterpulses
    axes.axvspan(
        after.begin * scale, after.end * scale, color=GREY, alpha=0.2, linewidth=0, zorder=0,
        label=f"afterpulses {after.probability:.2%} ± {after.std:.2%}",
    )  # fmt: skip
    if found.dead_time is not None:
        dead = found.dead_time.time
        short, its = _unit(dead * float(tick_s))
        label = f"dead time {dead * float(tick_s) / short:.4g} {its}"
        axes.axvline(dead * scale, color=ORANGE, linewidth=1.2, label=label)
    axes.set_xlabel(f"time since the last tag ({name})")
    axes.set_ylabel("rate / rate at long times")
    axes.set_ylim(bottom=0)
    _finish(axes)
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)


def _unit(longest_s: float) -> tuple[float, str]:
    """Return the unit in which a time is a number below 1000."""
    return next(((size, name) for size, name in _UNITS if longest_s >= 2 * size), _UNITS[-1])


def _whole(axes: Axes, found: Correlated, tick_s: float) -> None:
    correlation = found.correlation
    edges = correlation.bins.edges * tick_s
    unit, name = _unit(float(np.abs(edges).max()))
    axes.stairs(correlation.g2, edges / unit, baseline=None, color=BLUE, linewidth=1)
    axes.axhline(1, color=GREY, linewidth=0.8, linestyle="--", label="independent streams")
    axes.set_xlabel(f"lag = stop − start ({name})")
    axes.set_ylabel("g²")
    axes.set_ylim(bottom=0)
    mean = float(correlation.expected.mean())
    if mean > 0:
        axes.secondary_yaxis("right", _scaled(mean)).set_ylabel("pairs per bin")
    _finish(axes)


def _scaled(factor: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return how an axis goes over into one with numbers larger by a factor, and back."""
    return (lambda value: value * factor), (lambda value: value / factor)


def _peak(axes: Axes, found: Correlated, tick_s: float) -> None:
    """Draw the bins around the peak, their Poisson errors, the fit and the window."""
    correlation, peak, window = found.correlation, found.peak, found.contrast
    if peak is None or window is None:
        return
    bins = correlation.bins
    sigma = float(bins.width) if np.isnan(peak.sigma) else peak.sigma
    near = np.flatnonzero(np.abs(bins.middles - peak.position) <= 8 * sigma + 3 * float(bins.width))
    first, last = int(near[0]), int(near[-1])
    edges = bins.edges[first : last + 2]
    counts = correlation.counts[first : last + 1]
    unit, name = _unit(float(np.abs(edges).max()) * tick_s)
    scale = tick_s / unit
    axes.stairs(counts, edges * scale, color=BLUE, linewidth=1, label="pairs per bin")
    middles = bins.middles[first : last + 1] * scale
    axes.errorbar(middles, counts, yerr=np.sqrt(counts), fmt="none", color=BLUE, linewidth=0.8)
    if not np.isnan(peak.sigma):
        fit = model(peak, correlation)[first : last + 1]
        axes.plot(middles, fit, color=ORANGE, linewidth=1.5, label="fit")
    begin, end = (edge * scale for edge in window.window)
    axes.axvspan(begin, end, color=GREY, alpha=0.2, linewidth=0, zorder=0, label="window")
    axes.set_xlabel(f"lag = stop − start ({name})")
    axes.set_ylabel("pairs per bin")
    axes.set_ylim(bottom=0)
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=9, frameon=False)
