"""What a track along two streams says of their clocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.timetags.synchronisation.smoothing import Noise, smooth
from protocols.timetags.synchronisation.tracking import Reading
from protocols.timetags.synchronisation.zoom import Line

__all__ = ["CommonTime", "settle"]

Floats = npt.NDArray[np.float64]

#: Pairs within so many standard deviations are coincidences.
_WITHIN = 3.0
#: Between readings further apart than this the track has nodes of its own.
_GAP_S, _MOST_BETWEEN = 0.5, 1 << 16


@dataclass(frozen=True, eq=False)
class CommonTime:
    """Two clocks' relation along the tags; times in ticks common to both.

    Attributes
    ----------
    offset : Fraction
        t_B − t_A at A's first tag.
    offset_std : float
    rate : float
        Frequency difference, the mean over the track: t_B − t_A per t_A.
    rate_std : float
    drift_per_s : float
        Its change per second, the mean over the track.
    noise : Noise
        How the clocks wander, as far as the readings tell.
    pairs : int
        True pairs, without accidentals.
    window : float
        Full width of the coincidence window around the track that holds 99.7 % of them.
    residual : float
        Their root mean square distance from the track.
    seconds, lags, stds : arrays
        The track: time since A's first tag, t_B − t_A less `offset` in ticks, and its
        standard uncertainty.
    readings : int
    """

    offset: Fraction
    offset_std: float
    rate: float
    rate_std: float
    drift_per_s: float
    noise: Noise
    pairs: int
    window: float
    residual: float
    seconds: Floats
    lags: Floats
    stds: Floats
    readings: int


def settle(line: Line, readings: Sequence[Reading], first: int, tick_s: float) -> CommonTime:
    """Return what readings along a line say of the two clocks.

    Parameters
    ----------
    line : Line
        What the readings are relative to.
    readings : sequence of Reading
        In order, one at least.
    first : int
        A's first tag.
    tick_s : float
    """
    if not readings:
        raise ParameterError("without readings nothing is known of the clocks")
    start = (first - line.middle) * tick_s
    read = np.array([reading.seconds for reading in readings])
    between = _between(np.append(start, read))
    times = np.concatenate([[start], between, read])
    nothing = np.full(between.size + 1, math.inf)
    phases = np.concatenate([np.zeros(nothing.size), [r.phase for r in readings]])
    variances = np.concatenate([nothing, [r.variance for r in readings]])
    order = np.argsort(times, kind="stable")
    times, phases, variances = times[order], phases[order], variances[order]
    course = smooth(times, phases, variances)
    # Readings that scatter more than their statistics make everything less certain.
    wider = math.sqrt(max(1.0, course.misfit))
    states, spreads = course.states, course.covariances
    stds = wider * np.sqrt(np.maximum(spreads[:, 0, 0], 0.0))
    at_first = line.at(first)
    begin = Fraction(at_first.lag) + Fraction(float(states[0, 0]))
    seconds = times - start
    still = course.noise == Noise(0.0, 0.0, False)
    if still or seconds[-1] <= 0:
        rate, rate_std = float(states[0, 1]), wider * math.sqrt(spreads[0, 1, 1])
    else:
        rate = float(states[-1, 0] - states[0, 0]) / seconds[-1]
        rate_std = math.hypot(stds[0], stds[-1]) / seconds[-1]
    pairs = sum(reading.pairs for reading in readings)
    square = sum(reading.squares for reading in readings)
    # each reading's middle was fitted to its own pairs
    freedom = max(pairs - len(readings), 0.5 * pairs)
    residual = math.sqrt(square / freedom)
    drift = (float(states[-1, 1] - states[0, 1]) / seconds[-1]) if not still else 0.0
    lags = line.rate * seconds / tick_s + states[:, 0] - states[0, 0]
    return CommonTime(
        offset=begin,
        offset_std=float(stds[0]),
        rate=line.rate + rate * tick_s,
        rate_std=rate_std * tick_s,
        drift_per_s=drift * tick_s,
        noise=course.noise,
        pairs=round(pairs),
        window=2 * _WITHIN * residual,
        residual=residual,
        seconds=seconds,
        lags=lags,
        stds=stds,
        readings=len(readings),
    )


def _between(seconds: Floats) -> Floats:
    """Return instants in the gaps between others."""
    gaps = np.diff(seconds)
    step = max(_GAP_S, float(gaps.sum()) / _MOST_BETWEEN)
    filled = [
        np.linspace(seconds[k], seconds[k + 1], int(gaps[k] / step) + 2)[1:-1]
        for k in np.flatnonzero(gaps > step).tolist()
    ]
    return np.concatenate([np.empty(0), *filled])
