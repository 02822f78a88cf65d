"""Follow the pulses' phase along the tags, piece by piece.

Each piece gives one reading of the phase: from its prediction, one step of an M-estimate
with Tukey's biweight, which a uniform background does not shift. A Kalman filter of phase
and frequency leads the prediction along, forth and back from where the phase is known.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.timetags.repetition.errors import NoRepetitionError
from protocols.timetags.repetition.pulse import FINE, Pulse, pulls
from protocols.timetags.repetition.smoothing import Reading

__all__ = ["Start", "cut", "read_pieces"]

#: Signal tags of one piece, where there are so many, and pieces at most.
_PER_PIECE = 256
_PIECES = 1 << 16
#: A reading takes at least so many tags above the background, and standard deviations of it.
_LEAST, _ABOVE = 3.0, 4.0
#: Tags without pulses where they were due are kept for so many pieces; a rhythm of this power
#: among them (a chance of 2e-9) means that the phase has jumped.
_KEPT, _RHYTHM = 32, 20.0
#: Over a piece so many standard deviations of what the tags tell of the period stay within the
#: width of the pulses.
_UNSURE = 4.0
#: A stray reading has less than this share of the usual tags, and none within so many pieces.
_STRAY, _ALONE = 0.25, 4


def cut(ticks: npt.NDArray[np.int64], period: float, pulse: Pulse, span: int) -> tuple[int, float]:
    """Return how many slots make a piece, and the error of whole ticks that stays in each.

    Where pulses are at nearly the same phase between two ticks for a while, a piece is as long
    as they take to pass all phases, if there is time for that: then no error stays.
    """
    slots = span / period
    whole = (int(ticks[-1]) - int(ticks[0])) / period
    wanted = min(_PER_PIECE * slots / pulse.signal, whole / 16.0)
    wanted = max(wanted, whole / _PIECES, 1.0)
    # over a piece the line's frequency tells the phase well within the pulse's width
    longest = min(whole / 16.0, slots * math.sqrt(pulse.signal / 12.0) / _UNSURE)
    for every in range(1, 5):
        aside = abs(every * period - math.floor(every * period + 0.5))
        if aside >= 0.125:
            continue
        bias = pulse.tick_bias(every)
        if aside * longest < every:
            return int(min(wanted, max(longest, 1.0))), bias
        cycle = every / aside
        cycles = math.ceil(min(wanted, longest - cycle) / cycle)
        return int(cycle * max(cycles, 1)), 0.0
    return int(min(wanted, max(longest, 1.0))), 0.0


@dataclass(frozen=True)
class Start:
    """What is known at time 0: phase in ticks, how well its change per piece, and `cut`."""

    period: float
    pulse: Pulse
    step: int
    phase: float
    slope_std: float
    bias: float


def read_pieces(time: npt.NDArray[np.int64], start: Start) -> list[Reading]:
    """Read the phase in all pieces that show it, forth and back from time 0."""
    length = start.step * start.period
    first = math.floor(int(time[0]) / length + 0.5)
    last = math.floor(int(time[-1]) / length + 0.5)
    cuts = np.searchsorted(time, (np.arange(first, last + 2) - 0.5) * length)
    some = {
        piece: time[cuts[piece - first] : cuts[piece - first + 1]]
        for piece in range(first, last + 1)
    }
    forth = _Follower(start, 1).read_all((p, some[p]) for p in range(last + 1))
    back = _Follower(start, -1).read_all((p, some[p]) for p in range(-1, first - 1, -1))
    found = back[::-1] + forth
    usual = sorted(reading.signal for reading in found)[len(found) // 2] if found else 0.0
    found = _without_stray(found, start.step, usual)
    return _without_stray(found[::-1], start.step, usual)[::-1]


def _without_stray(found: list[Reading], step: int, usual: float) -> list[Reading]:
    """Leave out first readings that stand alone, of few tags: background, before the light."""
    first = 0
    while (
        first + 1 < len(found)
        and found[first].signal < _STRAY * usual
        and abs(found[first + 1].slot - found[first].slot) > _ALONE * step
    ):
        first += 1
    return found[first:]


class _Follower:
    """Leads the prediction of phase and frequency from piece to piece, forth or back."""

    def __init__(self, start: Start, way: int) -> None:
        self._period, self._pulse, self._step = start.period, start.pulse, start.step
        self._way = way
        self._bias = start.bias * start.bias
        self._piece = 0
        self._phase, self._slope = start.phase, 0.0  # ticks, and ticks a piece
        noise = start.pulse.spread * start.pulse.spread
        self._p00, self._p01, self._p11 = noise, 0.0, start.slope_std * start.slope_std
        # of the slope from piece to piece: quick enough for any oscillator of a laboratory
        self._walk = noise / _PER_PIECE / 64.0

    def read_all(self, pieces: Iterable[tuple[int, npt.NDArray[np.int64]]]) -> list[Reading]:
        """Return the readings of pieces one next to the other, from number 0 or beside it."""
        found: list[Reading] = []
        astray: deque[npt.NDArray[np.float64]] = deque(maxlen=_KEPT)
        for piece, time in pieces:
            if piece != self._piece:
                self._predict()
                self._piece = piece
            middle = piece * self._step
            late = self._late(time, middle)
            counted = self._p00 < (0.25 * self._period) ** 2
            reading = self._read(late, middle) if counted else None
            if reading is not None:
                self._update(reading)
                found.append(reading)
                astray.clear()
            elif late.size:
                astray.append(late / self._period)
                if _power(np.concatenate(astray)) > _RHYTHM:
                    what = "phase jumps" if counted else "number is lost in a gap"
                    raise NoRepetitionError(
                        f"the pulses' {what} near tick {round(middle * self._period)}"
                    )
        return found

    def _predict(self) -> None:
        self._phase += self._slope
        self._p00 += 2.0 * self._p01 + self._p11 + self._walk / 3.0
        self._p01 += self._p11 + self._walk / 2.0
        self._p11 += self._walk

    def _late(self, time: npt.NDArray[np.int64], middle: int) -> npt.NDArray[np.float64]:
        """Return how much after the prediction of the nearest pulse each tag is."""
        late = time.astype(np.float64) - middle * self._period
        slots = np.floor((late - self._phase) / self._period + 0.5)
        late -= slots * self._period + self._phase + slots * (self._way * self._slope / self._step)
        return late

    def _read(self, late: npt.NDArray[np.float64], middle: int) -> Reading | None:
        """Return the reading of one piece, if it has tags of the pulses."""
        period, pulse = self._period, self._pulse
        unsure = 3.0 * math.sqrt(self._p00)
        gate = min(pulse.gate + unsure, 0.5 * period)
        near = np.rint(late[np.abs(late) <= gate] * FINE).astype(np.int64)
        outside = period - 2.0 * gate
        dark = (late.size - near.size) / outside if outside > 0.2 * period else 0.0
        background = min(2.0 * gate * dark, float(near.size))
        signal = near.size - background
        if signal < max(_LEAST, _ABOVE * math.sqrt(background)):
            return None
        moved = int(near.sum()) / FINE / signal if unsure > pulse.spread else 0.0
        pull = int(pulls(late - moved, pulse.gate).sum()) / FINE / (signal * pulse.pull)
        variance = pulse.variance(signal, dark) + self._bias
        return Reading(middle, self._phase + moved + pull, variance, signal)

    def _update(self, reading: Reading) -> None:
        total = self._p00 + reading.variance
        gain, turn = self._p00 / total, self._p01 / total
        miss = reading.phase - self._phase
        self._phase += gain * miss
        self._slope += turn * miss
        self._p11 -= turn * self._p01
        self._p01 -= gain * self._p01
        self._p00 -= gain * self._p00


def _power(cycles: npt.NDArray[np.float64]) -> float:
    """Return |sum exp(i phase)|^2 / n, which is about 1 without any rhythm."""
    return float(abs(np.exp(2j * math.pi * cycles).sum()) ** 2 / cycles.size)
