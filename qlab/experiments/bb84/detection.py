"""From the time stamps of one pattern to detections in its slots."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.bb84.sifting import Detections, detections
from protocols.bb84.slots import SlotGrid, estimate_delay, locate_clicks, phase_histogram
from protocols.errors import ParameterError
from qlab.errors import ExitCode, QlabError
from qlab.experiments.bb84.options import Bb84Options

__all__ = ["Block", "NoSignalError", "detect"]

#: Bins of a slot in the search for the detectors' delays.
_DELAY_BINS = 50


@dataclass(frozen=True)
class Block:
    """What Bob detected of one pattern.

    Attributes
    ----------
    slots : int
        Pulses that were sent.
    detections : Detections
        In the slots that are not public.
    basis : uint8 array
        Bob's basis of each of these slots; it means nothing where there is no detection.
    events : int
        Time stamps on all lines.
    facts : dict
        How the slots were found.
    """

    slots: int
    detections: Detections
    basis: NDArray[np.uint8]
    events: int
    facts: dict[str, Any]


def detect(
    options: Bb84Options,
    tick: Fraction,
    index: int,
    slots: int,
    basis: NDArray[np.uint8],
    ticks: NDArray[np.int64],
    lines: NDArray[np.uint8],
) -> Block:
    """Place the events of one block in slots, with each detector's delay found in the data.

    The data give the delays from the marker within one slot; `slot_offset` gives the whole
    slots, and the second detector is taken within half a slot of the first.

    Parameters
    ----------
    tick : Fraction
        Length of the tagger's tick in seconds.
    index, slots : int
        Number and slots of the pattern.
    basis : uint8 array
        Bob's basis of each slot.
    ticks, lines : arrays
        The events' times in ticks, and their lines.

    Raises
    ------
    NoSignalError
        If there is not one marker, or the clicks do not follow the pulses.
    """
    if not ticks.size:
        raise NoSignalError(
            f"the tagger gave no time stamp of block {index}",
            remedy="check that it is idle before the run, its cable and its lines",
        )
    markers = ticks[lines == options.marker_line]
    if markers.size != 1:
        raise NoSignalError(
            f"block {index}: {markers.size} markers on the tagger's line "
            f"{options.marker_line} instead of one",
            remedy="check the sync output of Alice's generator and its cable",
        )
    marker = int(markers[0])
    period = 1 / Fraction(options.slot_rate_hz)
    first, second = (
        _delay(ticks[lines == line], marker, tick, period, line) for line in options.detector_lines
    )
    second += period * round((first - second) / period)
    whole = options.slot_offset * period
    window = Fraction(round(options.window_s * 1e12), 10**12)
    grid = SlotGrid(tick, period, window, (first + whole, second + whole))
    channels = (options.detector_lines[0], options.detector_lines[1])
    clicks = locate_clicks(ticks, lines, marker, grid, channels)
    dead_time = Fraction(round(options.dead_time_s * 1e12), 10**12)
    found = detections(clicks, slots, dead_time)
    delay_s = float((first + second) / 2 + whole)
    return Block(slots, found, basis, int(ticks.size), {"delay_s": delay_s})


def _delay(
    ticks: NDArray[np.int64], marker: int, tick: Fraction, period: Fraction, line: int
) -> Fraction:
    """Return the delay from the marker, less than one slot, in whole picoseconds."""
    histogram = phase_histogram(ticks, marker, tick, period, _DELAY_BINS)
    try:
        delay_s, _ = estimate_delay(histogram, float(period))
    except ParameterError as error:
        raise NoSignalError(
            f"detector on line {line}: {error}",
            remedy="check bias, attenuation, delays and that the detectors are on",
        ) from None
    return Fraction(round(delay_s * 1e12), 10**12)


class NoSignalError(QlabError):
    """The detections do not follow the pulses."""

    exit_code = ExitCode.INSTRUMENT
