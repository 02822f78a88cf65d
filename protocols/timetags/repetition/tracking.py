"""The course of the pulses' phase along all tags.

Readings of the phase, piece by piece, are smoothed; mean rate and drift come from them.

Phases are whole multiples of 1/1024 tick and their sums are integers, all else is + - * /
and square root in a fixed order: from the same line the same slots follow on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.timetags.repetition.errors import NoRepetitionError
from protocols.timetags.repetition.pieces import Start, cut, read_pieces
from protocols.timetags.repetition.pulse import FINE, Pulse, pulse_of
from protocols.timetags.repetition.smoothing import Reading, smoothed
from protocols.timetags.repetition.spectrum import Line

__all__ = ["Track", "follow"]

_FEWEST = 3
#: The line's frequency is trusted to so many of its standard deviations.
_UNSURE = 4.0
#: So many tags are enough to see how wide the pulses are.
_MEASURED = 1 << 20


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
        near += np.floor(late / self.period + 0.5).astype(np.int64)
        late = time - near * self.period - self._phase_at(near)
        return near, late

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
    step, bias = cut(ticks, grid, pulse, span)
    slope = _UNSURE * pulse.spread * step * math.sqrt(12.0 / pulse.signal) * grid / max(span, 1)
    readings = read_pieces(ticks - origin, Start(grid, pulse, step, phase, slope, bias))
    if len(readings) < _FEWEST:
        raise NoRepetitionError(f"only {len(readings)} pieces of the tags show the pulses")
    return _track(origin, grid, nominal, pulse, step, readings, bias)


def _rounded(period: float, span: int) -> float:
    """Round a period so that over a span it makes less than 1/1024 tick.

    What depends on the platform in the last digits goes no further than here.
    """
    scale = float(1 << max(span, 1).bit_length()) * FINE
    return math.floor(period * scale + 0.5) / scale


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
