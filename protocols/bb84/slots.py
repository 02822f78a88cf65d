"""From time tags to slots.

The marker's tag and a delay per detector place slot 0; slot ``k`` is centred ``k``
periods later. All arithmetic is in whole multiples of one unit of time of which tick,
period, delays and window are multiples, so nothing is rounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError

__all__ = ["Clicks", "SlotGrid", "estimate_delay", "locate_clicks", "phase_histogram"]

_LIMIT = 2**62


@dataclass(frozen=True)
class SlotGrid:
    """Where the slots lie in time; all times are exact, in seconds.

    Attributes
    ----------
    tick : Fraction
        Length of one tick of the time tags.
    period : Fraction
        From one slot to the next.
    window : Fraction
        Full width of the accepted interval, the same for both detectors; at most `period`.
    delays : two Fractions
        From the marker to the centre of slot 0, for detector 0 and detector 1: the light's
        delay and each detector's own, so that their difference is the skew.
    """

    tick: Fraction
    period: Fraction
    window: Fraction
    delays: tuple[Fraction, Fraction]

    def __post_init__(self) -> None:
        if self.tick <= 0 or self.period <= 0:
            raise ParameterError("tick and period must be positive")
        if not 0 < self.window <= self.period:
            raise ParameterError("the window must be positive and at most one period")

    @property
    def unit(self) -> Fraction:
        """Length in seconds of the unit in which all times are whole numbers."""
        times = (self.tick, self.period, self.window, *self.delays)
        return Fraction(1, math.lcm(*(time.denominator for time in times)))


@dataclass(frozen=True)
class Clicks:
    """Clicks of both detectors in order of their time after skew correction.

    Attributes
    ----------
    time : int64 array
        From the centre of slot 0, in units of `unit`; negative before it.
    unit : Fraction
        Seconds.
    slot : int64 array
        The nearest slot (the later one where two are equally near).
    detector : uint8 array of 0 or 1
    inside : bool array
        Whether the click lies in its slot's window, bounds included.
    """

    time: npt.NDArray[np.int64]
    unit: Fraction
    slot: npt.NDArray[np.int64]
    detector: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"<{self.time.size} clicks>"


def _whole(time: Fraction, unit: Fraction) -> int:
    ratio = time / unit
    return ratio.numerator // ratio.denominator


def locate_clicks(
    ticks: npt.NDArray[np.int64],
    channels: npt.NDArray[np.integer],
    marker: int,
    grid: SlotGrid,
    detector_channels: tuple[int, int],
) -> Clicks:
    """Give every click its slot; clicks on other channels are ignored.

    Parameters
    ----------
    ticks : int64 array
        Time tags, in any order.
    channels : integer array
        Channel of each tag.
    marker : int
        Tag of the block's marker, in ticks.
    grid : SlotGrid
    detector_channels : two ints
        The channels of detector 0 and detector 1.

    Raises
    ------
    ParameterError
        The arrays differ in shape, the channels coincide, or a time does not fit 62 bits.
    """
    if ticks.shape != channels.shape or ticks.ndim != 1 or ticks.dtype != np.int64:
        raise ParameterError("ticks (int64) and channels must be equally long")
    if detector_channels[0] == detector_channels[1]:
        raise ParameterError("the detectors must be on different channels")
    unit = grid.unit
    scale = _whole(grid.tick, unit)
    period = _whole(grid.period, unit)
    delays = [_whole(delay, unit) for delay in grid.delays]
    first, second = (channels == channel for channel in detector_channels)
    chosen = first | second
    kept, detector = ticks[chosen], second[chosen].astype(np.uint8)
    if kept.size:
        reach = max(abs(int(kept.min()) - marker), abs(int(kept.max()) - marker))
        if (reach * scale + max(map(abs, delays)) + period) * 2 > _LIMIT:
            raise ParameterError("a time does not fit: tick and period have no common measure")
    time = (kept - marker) * scale - np.array(delays, np.int64)[detector]
    order = np.argsort(time, kind="stable")
    time, detector = time[order], detector[order]
    slot = (2 * time + period) // (2 * period)
    inside = 2 * np.abs(time - slot * period) <= _whole(grid.window, unit)
    return Clicks(time, unit, slot, detector, inside)


def phase_histogram(
    ticks: npt.NDArray[np.int64], marker: int, tick: Fraction, period: Fraction, bins: int
) -> npt.NDArray[np.int64]:
    """Count the tags by their time since the marker modulo the period.

    Returns
    -------
    int64 array of `bins` counts
        Bin ``i`` covers phases from ``i / bins`` to ``(i + 1) / bins`` of the period.

    Raises
    ------
    ParameterError
        There is no bin, or a time does not fit 62 bits.
    """
    if bins < 1:
        raise ParameterError("a histogram has at least one bin")
    unit = Fraction(1, math.lcm(tick.denominator, period.denominator))
    scale, length = _whole(tick, unit), _whole(period, unit)
    if ticks.size:
        reach = max(abs(int(ticks.min()) - marker), abs(int(ticks.max()) - marker))
        if max(reach * scale, length * bins) > _LIMIT:
            raise ParameterError("a time does not fit: tick and period have no common measure")
    phase = ((ticks - marker) * scale) % length
    return np.bincount(phase * bins // length, minlength=bins).astype(np.int64)


def estimate_delay(histogram: npt.NDArray[np.int64], period: float) -> tuple[float, float]:
    """Find the peak of a circular histogram of arrival phases.

    The background is the median bin; the peak is the centroid, around the fullest
    bin's mean direction, of what exceeds the background within a quarter period on either
    side. Two passes, the second centred on the first's result.

    Parameters
    ----------
    histogram : array of counts
        From `phase_histogram`; at least 8 bins.
    period : float
        Seconds.

    Returns
    -------
    delay, uncertainty : float
        Seconds; the delay from 0 to below `period`, and its standard uncertainty from
        the counting statistics of peak and background.

    Raises
    ------
    ParameterError
        Too few bins, or no peak of five standard deviations above the background.
    """
    bins = histogram.size
    if bins < 8:
        raise ParameterError("a delay needs a histogram of at least 8 bins")
    counts = histogram.astype(np.float64)
    background = float(np.median(counts))
    half = bins // 4
    offsets = np.arange(-half, half + 1)
    centre = float(np.argmax(counts))
    for _ in range(2):
        nearest = round(centre)
        near = counts[(nearest + offsets) % bins]
        excess = near - background
        signal = float(excess.sum())
        if signal <= 5 * math.sqrt(max(1.0, float(near.sum()))):
            raise ParameterError("the arrival times show no peak above the background")
        shift = float((excess * offsets).sum()) / signal
        centre = nearest + shift
    spread = float((near * (offsets - shift) ** 2).sum())
    uncertainty = math.hypot(math.sqrt(spread) / signal, math.sqrt(1 / 12 / signal))
    width = period / bins
    return (centre + 0.5) % bins * width, uncertainty * width
