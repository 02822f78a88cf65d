"""Deviations of a run's own readings, as its results hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from protocols.errors import ParameterError
from protocols.stability import stability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from protocols.stability.series import Quantity

__all__ = ["deviations", "draw_deviation"]


def deviations(
    readings: NDArray[np.float64], interval_s: float, names: Sequence[str], quantity: Quantity
) -> dict[str, Any]:
    """Return statistics at octaves of the interval, ready for JSON.

    Parameters
    ----------
    readings : ndarray
        Phases in seconds or fractional frequencies, nan where there is none.
    interval_s : float
        Time between them.
    names : sequence of str
        Of `protocols.stability.STATISTICS`.
    quantity : {"phase", "frequency"}
        What they are.

    Returns
    -------
    dict
        By name ``tau``, ``dev``, ``lo`` and ``hi`` as lists, None for a limit that is not
        known; None for a statistic for which the readings are too few.
    """
    found: dict[str, Any] = {}
    for name in names:
        try:
            result = stability(readings, interval_s, name, input=quantity)
        except ParameterError:
            found[name] = None
            continue
        columns = {"tau": result.tau, "dev": result.dev, "lo": result.lo, "hi": result.hi}
        found[name] = {key: _nullable(column) for key, column in columns.items()}
    return found


def _nullable(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def draw_deviation(
    axes: Axes, curve: Mapping[str, Any] | None, label: str, colour: str, scale: float = 1.0
) -> None:
    """Draw one statistic of `deviations` with its limits, log-log; nothing where it is None."""
    if curve is None:
        return
    dev, low, high = (np.array(curve[key], dtype=float) * scale for key in ("dev", "lo", "hi"))
    axes.loglog(curve["tau"], dev, "o-", color=colour, markersize=3, label=label)
    axes.fill_between(curve["tau"], low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("tau (s)")
    axes.grid(which="both", alpha=0.2)
    axes.legend(fontsize=8, frameon=False)
