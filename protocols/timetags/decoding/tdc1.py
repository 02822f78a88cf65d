"""The S-Fifteen TDC1's stream of 32-bit words.

Bits 31 to 5 of a word are the time in 2 ns, which rolls over every 2**28 ns; bit 4 marks a
dummy, sent so that a roll-over without events is not missed; bits 3 to 0 are the levels of
lines 4 to 1 at a leading edge of any of them (pyS15, ``usb_counter_fpga.py``; wiki "TDC1
Documentation"; Timestamp_TDC); see `levels.RisingLines`.

Recorded streams are slightly out of order: tags up to 1 us late are given as they stand, to be
sorted by the reader. The driver of the unit, whose blocks are in order, refuses them instead,
since a step back in a live stream tells of lost bytes.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.timetags.decoding.decoder import RecordDecoder, kernel, too_long
from protocols.timetags.decoding.levels import DUMMY, RisingLines
from protocols.timetags.tags import Tags

__all__ = ["TICK_S", "Tdc1Decoder"]

TICK_S = Fraction(1, 500_000_000)
_WRAP = 1 << 27
#: A step back by more than this is a roll-over (pyS15 puts the border at 2**25 ns).
_BACK = 1 << 24
#: Tags may be this much out of order.
_LOOSE = 500
#: Dummies come 7920 ns behind the roll-over (Timestamp_TDC).
_MARK = 7920 // 2
_MOST_ROLL_OVERS = 1 << 34

# Places in the state of the kernel.
_TIME, _WAS_DUMMY, _WRAPS, _SINCE_MARK, _MARK_TIME = range(5)


@kernel
def _unwrapped(
    words: npt.NDArray[np.uint32],
    state: npt.NDArray[np.int64],
    ticks: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
) -> int:
    """Fill in times and levels of the words that are no dummies; return how many."""
    last, was_dummy, wraps = state[_TIME], state[_WAS_DUMMY], state[_WRAPS]
    since, mark = state[_SINCE_MARK], state[_MARK_TIME]
    count = 0
    for i in range(words.size):
        time = np.int64(words[i] >> np.uint32(5))
        flags = np.int64(words[i] & np.uint32(31))
        dummy = flags & DUMMY
        step = time - last
        turn = wraps
        if step < 0:
            late = step >= -_LOOSE and not dummy and not was_dummy
            over = step < -_BACK or dummy or was_dummy or (time <= _MARK < last)
            if over and not late:
                wraps += 1
                since += 1
                turn, last = wraps, time
            # Otherwise it is out of order, and later times go by the one before.
        elif step > _WRAP - _LOOSE and since > 0 and not dummy:
            turn -= 1  # out of order, from before a roll-over
        else:
            last = time
        if dummy:
            # A dummy not later in its period than the one before is in another period.
            if since == 0 and time <= mark:
                wraps += 1
            since, mark = 0, time
            last = time
        else:
            ticks[count] = time + turn * _WRAP
            levels[count] = flags
            count += 1
        was_dummy = dummy
    state[_TIME], state[_WAS_DUMMY], state[_WRAPS] = last, was_dummy, wraps
    state[_SINCE_MARK], state[_MARK_TIME] = since, mark
    return count


class Tdc1Decoder(RecordDecoder):
    """Decodes the stream, little-endian and without a header; see `decoder.Decoder`.

    Parameters
    ----------
    pulse_s : float
        No pulse on any line is longer than this, in seconds.
    """

    tick_s = TICK_S

    def __init__(self, pulse_s: float = 20e-9) -> None:
        super().__init__(4)
        self._rising = RisingLines(pulse_s, TICK_S)
        self._state = np.zeros(5, np.int64)
        self._state[_MARK_TIME] = _BACK  # the first dummy stands for the first roll-over

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        words = whole.view("<u4").astype(np.uint32, copy=False)
        ticks, levels = np.empty(words.size, np.int64), np.empty(words.size, np.uint8)
        count = _unwrapped(words, self._state, ticks, levels)
        if self._state[_WRAPS] > _MOST_ROLL_OVERS:
            raise too_long()
        return self._rising.tags(ticks[:count], levels[:count])
