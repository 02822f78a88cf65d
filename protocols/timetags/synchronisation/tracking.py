"""Following two clocks along the tags, once their offset is known somewhere.

Step by step the pairs near the predicted lag give one reading of the phase, by maximum
likelihood, if chance does not explain them; a Kalman filter of phase, frequency and drift
leads the prediction along. While there are no pairs it coasts, and looks in an ever wider
gate. Afterwards the readings are smoothed (`protocols.timetags.synchronisation.smoothing`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.timetags.synchronisation.chance import FALSE_ALARM, log_tail
from protocols.timetags.synchronisation.mixture import Bell, fit_bell, fit_shift
from protocols.timetags.synchronisation.smoothing import advance
from protocols.timetags.synchronisation.zoom import Line, Sight, near

__all__ = ["Reading", "Tracker", "refined"]

Ticks = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Pairs for a reading, and how long a reading may be.
_PER_READING, _SHORTEST_S, _LONGEST_S = 64.0, 0.02, 1.0
#: The gate: so many deviations of the pairs, and of the prediction.
_WIDE, _UNSURE = 8.0, 6.0
_WIDEST_S = 2e-6
#: Frequency noise for which prediction is prepared: a simple crystal's random walk, per root
#: second.
_WALK = 3e-10
_DRIFT = 1e-8


@dataclass(frozen=True, slots=True)
class Reading:
    """The phase at one instant.

    Attributes
    ----------
    seconds : float
        Since the tracker's origin, on A's clock.
    phase : float
        Ticks by which the lag exceeds that of the tracker's line.
    variance : float
        Ticks squared.
    pairs : float
        Pairs above the floor that gave it.
    squares : float
        Sum of their squared distances from it.
    """

    seconds: float
    phase: float
    variance: float
    pairs: float
    squares: float


def refined(a: Ticks, b: Ticks, sight: Sight, least: float) -> tuple[Line, Bell]:
    """Return a line that was acquired, fitted to its pairs.

    Parameters
    ----------
    a, b : int64 array
        Sorted, in common ticks.
    sight : Sight
    least : float
        Scatter that the resolution of the tags leaves in any case.
    """
    line, sigma = sight.line, max(sight.width / 4, least)
    for _ in range(2):
        reach = max(3.0 * sight.width, 8.0 * sigma)
        times, distances = near(a, b, line, sight.begin, sight.end, reach)
        bell = fit_bell(times, distances, reach, sigma, least)
        line, sigma = line.moved(bell.shift, bell.turn), bell.sigma
    return line, bell


class Tracker:
    """Reads the phase along two streams, forwards or backwards.

    Parameters
    ----------
    line : Line
        The relation at the start; readings are relative to it.
    bell : Bell
        Of the pairs there.
    length : float
        Of the stretch that `bell` was fitted to, in ticks.
    tick_s : float

    Attributes
    ----------
    readings : list of Reading
    """

    def __init__(self, line: Line, bell: Bell, length: float, tick_s: float) -> None:
        self.line = line
        self.readings: list[Reading] = []
        self._sigma = bell.sigma
        self._tick_s = tick_s
        second = 1 / tick_s
        step_s = _PER_READING * length * tick_s / bell.pairs
        self._step = round(min(max(step_s, _SHORTEST_S), _LONGEST_S) * second)
        self._walk = (_WALK * second) ** 2
        phase, cross, rate = bell.covariance[0, 0], bell.covariance[0, 1], bell.covariance[1, 1]
        self._start = (
            np.zeros(3),
            np.array(
                [
                    [phase, cross * second, 0.0],
                    [cross * second, rate * second**2, 0.0],
                    [0.0, 0.0, (_DRIFT * second) ** 2],
                ]
            ),
        )
        self._state, self._at = self._start, 0.0
        self._held: tuple[Ticks, Ticks] = (np.empty(0, np.int64), np.empty(0, np.int64))
        self._next = line.middle

    def back(self, a: Ticks, b: Ticks) -> None:
        """Read from the line's middle back to the first tags; to be called first."""
        end = self.line.middle
        while a.size and end > a[0]:
            latest = int(a[np.searchsorted(a, end) - 1])
            end -= (end - 1 - latest) // self._step * self._step  # a silence, in whole steps
            self._read(a, b, end - self._step, end)
            end -= self._step
        self.readings.sort(key=lambda reading: reading.seconds)
        self._state, self._at = self._start, 0.0

    def push(self, a: Ticks, b: Ticks, until: int) -> None:
        """Take the next tags of both stations and read as far as they go.

        Parameters
        ----------
        a, b : int64 array
            Following those of the last call.
        until : int
            A's time up to which both streams are complete. B's tags up to its lag later must
            have been there.
        """
        held_a, held_b = (np.concatenate(both) for both in zip(self._held, (a, b), strict=True))
        while self._next + self._step <= until:
            # Where A is silent there is nothing to read, however long that lasts.
            place = int(np.searchsorted(held_a, self._next))
            following = int(held_a[place]) if place < held_a.size else until
            if following >= self._next + self._step:
                self._next += (min(following, until) - self._next) // self._step * self._step
                continue
            self._read(held_a, held_b, self._next, self._next + self._step)
            self._next += self._step
        low = self._next + self.complete - 2 * self._margin
        self._held = (
            held_a[np.searchsorted(held_a, self._next) :].copy(),
            held_b[np.searchsorted(held_b, low) :].copy(),
        )

    def finish(self) -> None:
        """Read what is left, shorter than a step."""
        a, b = self._held
        if a.size:
            self.push(a[:0], b[:0], int(a[-1]) + self._step + 1)

    @property
    def complete(self) -> int:
        """How much later than A's time B's tags must be there, in ticks."""
        return self.line.at(self._next).lag + round(float(self._state[0][0])) + self._margin

    @property
    def _margin(self) -> int:
        return 4 * round(_WIDEST_S / self._tick_s)

    def _read(self, a: Ticks, b: Ticks, begin: int, end: int) -> None:
        middle = (begin + end) // 2
        seconds = (middle - self.line.middle) * self._tick_s
        x, p = advance(*self._state, seconds - self._at, 0.0, self._walk)
        widest = _WIDEST_S / self._tick_s
        gate = _WIDE * self._sigma + min(_UNSURE * math.sqrt(p[0, 0]), widest)
        rate = self.line.rate + float(x[1]) * self._tick_s
        aim = Line(middle, self.line.at(middle).lag + round(float(x[0])), rate)
        base = round(float(x[0])) - float(x[0])
        _, distances = near(a, b, aim, begin, end, gate)
        found = self._reading(distances + base, gate)
        if found is None:
            return
        shift, variance, pairs, squares = found
        self.readings.append(Reading(seconds, float(x[0]) + shift, variance, pairs, squares))
        gain = p[:, 0] / (p[0, 0] + variance)
        self._state, self._at = (x + gain * shift, p - np.outer(gain, p[0])), seconds

    def _reading(self, distances: Floats, gate: float) -> tuple[float, float, float, float] | None:
        """Return shift, variance, pairs and squares if it is no accident."""
        if not distances.size:
            return None
        width = 3.0 * self._sigma
        order = np.sort(distances)
        held = np.searchsorted(order, order + width, side="right") - np.arange(order.size)
        best = int(np.argmax(held))
        count = int(held[best])
        chance = (distances.size - count) * width / max(2 * gate - width, width)
        trials = distances.size + 2 * gate / width
        if float(log_tail(count, max(chance, 1e-3))) + math.log(trials) > math.log(FALSE_ALARM):
            return None
        centre = float(order[best]) + width / 2
        reach = _WIDE * self._sigma
        close = distances[np.abs(distances - centre) <= reach] - centre
        shift, variance, pairs, squares = fit_shift(close, reach, self._sigma)
        return centre + shift, variance, pairs, squares
