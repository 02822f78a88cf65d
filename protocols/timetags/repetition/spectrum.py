"""The repetition rate of a pulsed source from the spectrum of its clicks.

With ``theta`` the phase of each tag at the nominal rate, ``P(f) = |sum exp(i (theta -
2 pi f t))|^2 / n`` of tags without any rhythm is exponentially distributed with mean 1 at
every frequency (Scargle, Astrophys. J. 263, 835 (1982)), so that a peak's probability of
being an accident is known. Like Qubit4Sync (Calderaro et al., Phys. Rev. Applied 13, 054041
(2020), arXiv 1909.12050) this takes the rate from a Fourier transform of the arrivals; their
phasors are first summed into short bins of time, so that it is only as long as the time times
the range of the search asks, whatever the rate.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.timetags.repetition.errors import NoRepetitionError

__all__ = ["Line", "find_line"]

#: The search goes this much beyond the range, to tell a rate beyond it from one at its end.
_BEYOND = 1.25
#: Bins of time in one period of the farthest frequency, and points of the spectrum in one
#: width of a line.
_BINS = 8
_POINTS = 4
_LONGEST = 1 << 20
#: The first try takes so many tags, the next ones this many times more.
_FIRST, _MORE = 4096, 8
_LEAST = 16
_TRIES = 8
#: Share of the binned power that the exact sum must confirm; an alias has next to none.
_CONFIRMED = 0.8


@dataclass(frozen=True)
class Line:
    """The line of the repetition in the spectrum of the tags.

    Attributes
    ----------
    ratio_minus_1 : float
        Period of the pulses in ticks, over the nominal one, minus 1.
    phase : float
        In periods, how much after the tag in the middle of those used a pulse is centred.
    tags : int
        So many, from the beginning, were used.
    power : float
        P at the peak; `tags` for pulses without width and background.
    false_alarm_probability : float
        Upper bound of the probability that tags without rhythm show such a peak in the search.
    """

    ratio_minus_1: float
    phase: float
    tags: int
    power: float
    false_alarm_probability: float


def find_line(
    ticks: npt.NDArray[np.int64],
    period: Fraction,
    max_ppm: float,
    false_alarm: float = 1e-9,
) -> Line:
    """Find the rate of the pulses in the first tags that show it.

    Parameters
    ----------
    ticks : int64 array
        Tags in ascending order.
    period : Fraction
        Nominal period in ticks.
    max_ppm : float
        How far from it, in parts per million, the pulses' period may be.
    false_alarm : float
        Probability, below 1, with which tags without rhythm may pass.

    Raises
    ------
    NoRepetitionError
        No rate in the range stands out, or one beyond the range does.
    ParameterError
        An argument is out of its range, or a period has less than two ticks, in which the
        ticks themselves make a rhythm.
    """
    if period < 2:
        raise ParameterError("a period has at least two ticks")
    if not (0 < max_ppm <= 1e5 and 0 < false_alarm < 1):
        raise ParameterError("max_ppm is above 0 to 1e5, the false alarm between 0 and 1")
    reach = _BEYOND * max_ppm * 1e-6
    best: Line | None = None
    for count in _windows(ticks, float(period), reach):
        line = _search(ticks[:count], float(period), reach)
        if best is None or line.false_alarm_probability < best.false_alarm_probability:
            best = line
        if best.false_alarm_probability <= false_alarm:
            break
    if best is None:
        raise NoRepetitionError(f"{ticks.size} tags are too few to show any rhythm")
    if best.false_alarm_probability > false_alarm:
        raise NoRepetitionError(
            f"no repetition rate within {max_ppm:g} ppm stands out of {best.tags} tags: the "
            f"highest peak comes by chance with probability {best.false_alarm_probability:.1g}"
        )
    if abs(best.ratio_minus_1) > max_ppm * 1e-6:
        raise NoRepetitionError(
            f"the pulses' period is {1e6 * best.ratio_minus_1:+.4g} ppm off, more than the "
            f"{max_ppm:g} ppm that were allowed"
        )
    return best


def _windows(ticks: npt.NDArray[np.int64], period: float, reach: float) -> Iterator[int]:
    """Give how many of the first tags to try, growing, as far as a spectrum may reach."""
    if not ticks.size:
        return
    longest = int(ticks[0]) + int(_LONGEST * period / (_BINS * reach))
    most = int(np.searchsorted(ticks, longest, side="right"))
    count = _FIRST
    while count < most:
        yield count
        count *= _MORE
    if most >= _LEAST:
        yield most


def _search(ticks: npt.NDArray[np.int64], period: float, reach: float) -> Line:
    """Return the highest line whose period is within the relative `reach` of `period`."""
    time = (ticks - ticks[0]).astype(np.float64)
    width = period / (_BINS * reach)
    bins = int(time[-1] / width) + 1
    place = (time / width).astype(np.int64)
    angle = 2.0 * math.pi * ((time / period) % 1.0)
    sums = np.bincount(place, np.cos(angle), bins) + 1j * np.bincount(place, np.sin(angle), bins)
    points = 1 << max(_POINTS * bins - 1, 1).bit_length()
    power = np.abs(np.fft.fft(sums, points)) ** 2 / ticks.size
    edge = min(points // _BINS + 1, points // 2 - 1)
    near = np.concatenate((power[-edge:], power[: edge + 1]))
    shift = (int(np.argmax(near)) - edge) / (points * width)
    shift, phase, exact = _climb(time, period, shift)
    trials = _TRIES * near.size
    if exact < _CONFIRMED * float(near.max()) or abs(shift) * period > 2.0 * reach:
        exact, shift = 0.0, 0.0  # an alias of a rate far away
    phase = (phase - float(time[time.size // 2]) * (1.0 / period - shift)) % 1.0
    chance = min(1.0, trials * math.exp(-min(exact, 700.0)))
    return Line(shift * period / (1.0 - shift * period), phase, ticks.size, exact, chance)


def _climb(
    time: npt.NDArray[np.float64], period: float, shift: float
) -> tuple[float, float, float]:
    """Return frequency shift, phase and power of the summit near a frequency shift.

    Gauss and Newton's method for the phases of the tags; a few steps reach the summit of
    the line, half of whose width the spectrum's points leave open at most.
    """
    middle = time - 0.5 * float(time[-1])
    spread = float(middle @ middle)
    cycles, phase, power = time / period % 1.0, 0.0, 0.0
    for _ in range(5):
        phasors = np.exp(2j * math.pi * (cycles - shift * time))
        total = complex(phasors.sum())
        power = abs(total) ** 2 / time.size
        phase = cmath.phase(total) / (2.0 * math.pi)
        if not abs(total) or not spread:
            break
        turned = phasors * (total.conjugate() / abs(total))
        slope = float(turned.imag @ middle) / (2.0 * math.pi * spread)
        step = slope * time.size / abs(total)
        shift += max(-0.25, min(0.25, step * float(time[-1]))) / float(time[-1])
    return shift, phase, power
