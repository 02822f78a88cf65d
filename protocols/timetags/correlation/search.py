"""Telling whether anything is in a histogram, or whether it is flat."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, xlogy

from protocols.timetags.correlation.g2 import Correlation

__all__ = ["Feature", "strongest"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """The window of a histogram that chance would least likely have made.

    Attributes
    ----------
    first, width : int
        Place of its first bin, and how many bins it has.
    peak : bool
        Whether it holds more than the rest of the histogram would suggest, not less.
    false_alarm_probability : float
        That chance makes a flat histogram with as many pairs show, in any of the windows
        searched, something as unlikely. An upper limit: as if no two windows overlapped.
    """

    first: int
    width: int
    peak: bool
    false_alarm_probability: float


def strongest(found: Correlation) -> Feature | None:
    """Return the most significant window, of 1, 2, 4 ... bins up to half of them; None if empty.

    If a histogram is flat and holds N pairs, the pairs in a window are binomial with the
    window's share f of what is expected by chance. No rate has to be known for that. Windows
    are ranked by Chernoff's bound, exp(−N D(k/N ‖ f)) with D the relative entropy (Arratia and
    Gordon, Bull. Math. Biol. 51, 125 (1989)); for the best one the tail is worked out, and
    multiplied by the number of all windows and by two, for peaks and dips.

    Parameters
    ----------
    found : Correlation
    """
    total = int(found.counts.sum())
    size = found.counts.size
    if total == 0 or size < 2:
        return None
    below = np.concatenate([[0], np.cumsum(found.counts)])
    chance = np.concatenate([[0.0], np.cumsum(found.expected)])
    if chance[-1] <= 0:
        return None
    windows, best = 0, (-1.0, 0, 1)
    width = 1
    while width <= max(size // 2, 1):
        held = (below[width:] - below[:-width]) / total
        share = np.clip((chance[width:] - chance[:-width]) / chance[-1], 1e-300, 1 - 1e-16)
        entropy = xlogy(held, held / share) + xlogy(1 - held, (1 - held) / (1 - share))
        first = int(np.argmax(entropy))
        best = max(best, (float(entropy[first]), first, width))
        windows += held.size
        width *= 2
    _, first, width = best
    k = int(below[first + width] - below[first])
    share = float((chance[first + width] - chance[first]) / chance[-1])
    peak = k > total * share
    tail = betainc(k, total - k + 1, share) if peak else betainc(total - k, k + 1, 1 - share)
    # Below what is computed there the bound itself is good enough.
    log_tail = math.log(tail) if tail > 1e-280 else -total * best[0]
    return Feature(first, width, peak, math.exp(min(0.0, log_tail + math.log(2 * windows))))
