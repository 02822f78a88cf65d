"""The levels of four lines, a bit for each, as S-Fifteen's instruments send them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.timetags.decoding.decoder import kernel
from protocols.timetags.tags import Tags

__all__ = ["ALONE", "DUMMY", "RisingLines", "number_of_events"]

#: The bit above those of the lines marks a dummy, which is no event.
DUMMY = 16
#: By the low five bits of a word: the line, 1 to 4, if it is one alone; else 0.
ALONE = np.zeros(2 * DUMMY, np.int32)
ALONE[[1, 2, 4, 8]] = [1, 2, 3, 4]
# By the same bits: how many lines.
_LINES = np.array([n.bit_count() for n in range(DUMMY)] + [0] * DUMMY)
_NEVER = -(1 << 62)


@kernel
def number_of_events(words: npt.NDArray[np.unsignedinteger]) -> int:
    """Return how many lines are set in all words that are no dummies."""
    number = 0
    for i in range(words.size):
        number += _LINES[words[i] & words.dtype.type(31)]
    return number


class RisingLines:
    """Tells which lines have risen where the levels of all four are known at every rise of one.

    A line that is high from an earlier edge shows too. It has risen if it was low before, or
    if that is longer ago than a pulse lasts. Levels that can only be one line's are always its
    event.

    Parameters
    ----------
    pulse_s : float
        No pulse on any line is longer than this, in seconds.
    tick_s : Fraction
        Tick of the times in seconds.
    """

    def __init__(self, pulse_s: float, tick_s: Fraction) -> None:
        self._width = math.ceil(pulse_s / float(tick_s))
        self._state = np.array([_NEVER, 0], np.int64)

    def tags(self, ticks: npt.NDArray[np.int64], levels: npt.NDArray[np.uint8]) -> Tags:
        """Return an event for each line that has risen."""
        most = number_of_events(levels)
        out, channels = np.empty(most, np.int64), np.empty(most, np.int32)
        count = _rises(ticks, levels, self._width, self._state, out, channels)
        return Tags(out[:count], channels[:count])


@kernel
def _rises(
    ticks: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
    width: int,
    state: npt.NDArray[np.int64],
    out_ticks: npt.NDArray[np.int64],
    out_channels: npt.NDArray[np.int32],
) -> int:
    """Fill in the events and return how many there are; `state` is the last time and levels."""
    last, before = state[0], state[1]
    count = 0
    for i in range(ticks.size):
        now = np.int64(levels[i])
        risen = now
        if ticks[i] - last <= width and now & (now - 1):
            risen = now & ~before
        last, before = ticks[i], now
        line = ALONE[risen]
        if line:  # as nearly always
            out_ticks[count] = ticks[i]
            out_channels[count] = line
            count += 1
            continue
        for line in range(4):
            if risen >> line & 1:
                out_ticks[count] = ticks[i]
                out_channels[count] = line + 1
                count += 1
    state[0], state[1] = last, before
    return count
