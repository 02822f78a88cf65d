"""Follow the pulses' phase along the tags, piece by piece.

Each piece gives one reading of the phase: from its prediction, one step of an M-estimate
with Tukey's biweight, which a uniform background does not shift. A Kalman filter of phase
and frequency leads the prediction along; afterwards the readings are smoothed with the
frequency's random walk that predicts them best
(`protocols.timetags.repetition.smoothing`).

Phases are whole multiples of 1/1024 tick and their sums are integers, all else is + - * /
and square root in a fixed order: from the same line the same slots follow on every machine.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.timetags.repetition.errors import NoRepetitionError
from protocols.timetags.repetition.pulse import FINE, Pulse, pulls, pulse_of
from protocols.timetags.repetition.smoothing import Reading, smoothed
from protocols.timetags.repetition.spectrum import Line

__all__ = ["Track", "follow"]

#: Signal tags of one piece, where there are so many, and pieces at most.
_PER_PIECE = 64
_PIECES = 1 << 16
#: A reading takes at least so many tags above the background, and standard deviations of it.
_LEAST, _ABOVE = 3.0, 4.0
_FEWEST = 3
#: Tags without pulses where they were due are kept for so many pieces; a rhythm of this power
#: among them (a chance of 2e-9) means that the phase has jumped.
_KEPT, _RHYTHM = 32, 20.0
#: So many tags are enough to see how wide the pulses are.
_MEASURED = 1 << 20
#: The line's frequency is trusted to so many of its standard deviations.
_UNSURE = 4.0


@dataclass(frozen=True, eq=False)
class Track:
    """Where the pulses are in time: slot ``k`` is centred at ``centre(k)``.

    Slot 0 is near the tag in the middle of those in which the line was found.

    Attributes
    ----------
    origin : int
        Tick from which all times here count.
    period : float
        Of the grid that phases refer to, in ticks.
    slots : int64 array
        Slots of the nodes, equally far apart.
    phase : float64 array
        Ticks by which the pulses at the nodes are later than the grid; between nodes it
        goes in straight lines, outside it goes on.
    phase_std : float
        Standard uncertainty of a node's phase, root mean square, in ticks.
    ratio_minus_1, ratio_std : float
        Mean period over the nominal one, minus 1: the least-squares slope of the readings,
        with its standard uncertainty from their counts, widened by what they scatter more and
        by what whole ticks may hide.
    drift_per_slot : float
        Change of the period, relative, from slot to slot: twice the square's coefficient.
    pulse : Pulse
        Width of the pulses and background.
    residual_rms : float
        Of the readings from the smoothed phase, in ticks.
    readings : int
        How many there are.
    """

    origin: int
    period: float
    slots: npt.NDArray[np.int64]
    phase: npt.NDArray[np.float64]
    phase_std: float
    ratio_minus_1: float
    ratio_std: float
    drift_per_slot: float
    pulse: Pulse
    residual_rms: float
    readings: int

    def centre(self, slot: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the centres of slots, in ticks since `origin`."""
        centre: npt.NDArray[np.float64] = slot * self.period + self._phase_at(slot)
        return centre

    def place(
        self, ticks: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the slot of each tag, and how much after its centre the tag is, in ticks."""
        time = (ticks - self.origin).astype(np.float64)
        near = np.floor(time / self.period + 0.5).astype(np.int64)
        late: npt.NDArray[np.float64] = time - near * self.period - self._phase_at(near)
        moved = np.floor(late / self.period + 0.5)
        return near + moved.astype(np.int64), late - moved * self.period

    def _phase_at(self, slot: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        if self.slots.size == 1:
            return np.full(slot.shape, self.phase[0])
        step = int(self.slots[1]) - int(self.slots[0])
        node = np.clip((slot - self.slots[0]) // step, 0, self.slots.size - 2)
        slope = (self.phase[1:] - self.phase[:-1]) / step
        phase: npt.NDArray[np.float64] = self.phase[node] + slope[node] * (slot - self.slots[node])
        return phase


def follow(ticks: npt.NDArray[np.int64], period: float, line: Line) -> Track:
    """Follow the pulses from the tags in which their line was found to the last one.

    Parameters
    ----------
    ticks : int64 array
        Tags in ascending order, of one detector or corrected for the detectors' skew.
    period : float
        Nominal period in ticks.
    line : Line
        From `protocols.timetags.repetition.spectrum.find_line` of the same tags.

    Raises
    ------
    NoRepetitionError
        The pulses are lost on the way: their phase jumps, or they are missing for so long
        that it is not known how many there were.
    ParameterError
        There are no tags.
    """
    if not ticks.size:
        raise ParameterError("there is nothing to follow")
    used = ticks[: line.tags]
    origin = int(used[used.size // 2])
    grid = _rounded(period * (1.0 + line.ratio_minus_1), int(ticks[-1]) - int(ticks[0]))
    late = (used - origin).astype(np.float64) / grid - line.phase
    late = (late - np.floor(late + 0.5)) * grid
    phase = math.floor(line.phase * grid * FINE + 0.5) / FINE
    first = _passed(ticks, origin, grid, period, phase, used, late)
    # along the whole of the tags the pulses are seen as narrow as they are
    used = ticks[:_MEASURED]
    _, late = first.place(used)
    zero = first.centre(np.zeros(1, np.int64))
    again = _rounded(period * (1.0 + first.ratio_minus_1), int(ticks[-1]) - int(ticks[0]))
    return _passed(ticks, origin, again, period, float(zero[0]), used, late)


def _passed(
    ticks: npt.NDArray[np.int64],
    origin: int,
    grid: float,
    nominal: float,
    phase: float,
    used: npt.NDArray[np.int64],
    late: npt.NDArray[np.float64],
) -> Track:
    """Follow all tags once: from `origin`, where `phase` is known, with the pulses of `used`.

    `late` is how much later than the pulses' centres those are.
    """
    # twice the middle half of the tags: a few from before the light do not count
    span = 2 * (int(used[3 * used.size // 4]) - int(used[used.size // 4]))
    pulse = pulse_of(late, grid)
    step, bias = _piece(ticks, grid, pulse, span)
    slope = _UNSURE * pulse.spread * step * math.sqrt(12.0 / pulse.signal) * grid / max(span, 1)
    readings = _readings(ticks - origin, _Start(grid, pulse, step, phase, slope, bias))
    if len(readings) < _FEWEST:
        raise NoRepetitionError(f"only {len(readings)} pieces of the tags show the pulses")
    return _track(origin, grid, nominal, pulse, step, readings, bias)


def _rounded(period: float, span: int) -> float:
    """Round a period so that over a span it makes less than 1/1024 tick.

    What depends on the platform in the last digits goes no further than here.
    """
    scale = float(1 << max(span, 1).bit_length()) * FINE
    return math.floor(period * scale + 0.5) / scale


def _piece(
    ticks: npt.NDArray[np.int64], period: float, pulse: Pulse, span: int
) -> tuple[int, float]:
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
        return int(cycle * math.ceil(min(wanted, longest - cycle) / cycle)), 0.0
    return int(min(wanted, max(longest, 1.0))), 0.0


@dataclass(frozen=True)
class _Start:
    """What is known at time 0: phase in ticks, how well its change per piece, and `_piece`."""

    period: float
    pulse: Pulse
    step: int
    phase: float
    slope_std: float
    bias: float


def _readings(time: npt.NDArray[np.int64], start: _Start) -> list[Reading]:
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
    return back[::-1] + forth


class _Follower:
    """Leads the prediction of phase and frequency from piece to piece, forth or back."""

    def __init__(self, start: _Start, way: int) -> None:
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


def _track(
    origin: int,
    grid: float,
    nominal: float,
    pulse: Pulse,
    step: int,
    readings: list[Reading],
    bias: float,
) -> Track:
    """Smooth the readings and take mean rate and drift from them."""
    nodes, variance = smoothed(readings, step)
    first = readings[0].slot
    slots = first + step * np.arange(len(nodes), dtype=np.int64)
    phase = np.floor(np.array(nodes) * FINE + 0.5) / FINE
    slope, slope_variance, excess = _line(readings)
    slope_variance *= max(1.0, excess)
    slope_variance += 12.0 * bias * bias / max(readings[-1].slot - first, 1) ** 2
    misses = [r.phase - nodes[(r.slot - first) // step] for r in readings]
    ratio = (grid + slope) / nominal - 1.0
    return Track(
        origin,
        grid,
        slots,
        phase,
        math.sqrt(variance + bias * bias),
        ratio,
        math.sqrt(slope_variance) / nominal,
        _curvature(readings) / nominal,
        pulse,
        math.sqrt(sum(m * m for m in misses) / len(misses)),
        len(readings),
    )


def _line(readings: list[Reading]) -> tuple[float, float, float]:
    """Return slope, its variance, and chi-square per degree of freedom of a line."""
    weight = sum(1.0 / r.variance for r in readings)
    slot = sum(r.slot / r.variance for r in readings) / weight
    phase = sum(r.phase / r.variance for r in readings) / weight
    spread = sum((r.slot - slot) ** 2 / r.variance for r in readings)
    if spread <= 0.0:
        return 0.0, math.inf, 1.0
    slope = sum((r.slot - slot) * (r.phase - phase) / r.variance for r in readings) / spread
    misses = ((r.phase - phase - slope * (r.slot - slot)) ** 2 / r.variance for r in readings)
    return slope, 1.0 / spread, sum(misses) / max(len(readings) - 2, 1)


def _curvature(readings: list[Reading]) -> float:
    """Return the second derivative of the readings' phase, in ticks per slot squared."""
    third = len(readings) // 3
    if third < 1:
        return 0.0
    (a, early), (b, late) = (
        (sum(r.slot for r in part) / len(part), _line(part)[0])
        for part in (readings[: third + 1], readings[-third - 1 :])
    )
    return (late - early) / (b - a) if b > a and third > 1 else 0.0
