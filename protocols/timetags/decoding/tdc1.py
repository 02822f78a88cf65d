"""The S-Fifteen TDC1's stream of 32-bit words, and its text export.

Bits 31 to 5 of a word are the time in 2 ns, which rolls over every 2**28 ns; bit 4 marks a
dummy, sent so that a roll-over without events is not missed; bits 3 to 0 are the levels of
lines 4 to 1 at a leading edge of any of them (pyS15, ``usb_counter_fpga.py``; wiki "TDC1
Documentation"; Timestamp_TDC). A line that is high from an earlier edge shows too: it has
risen if it was low in the word before, or if that word is longer ago than a pulse lasts.

The text export has a line for each event: the time in ns, and the four levels as binary
digits, line 4 first, as pyS15's ``get_timestamps`` returns them.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Bytes, RecordDecoder, kernel, too_long
from protocols.timetags.tags import Tags

__all__ = ["TICK_S", "Tdc1Decoder", "Tdc1TextDecoder"]

TICK_S = Fraction(1, 500_000_000)
_WRAP = 1 << 27
_DUMMY = 16
#: A step back by more than this is a roll-over (pyS15 puts the border at 2**25 ns).
_BACK = 1 << 24
#: Tags may be this much out of order.
_LOOSE = 500
#: Dummies come 7920 ns behind the roll-over (Timestamp_TDC).
_MARK = 7920 // 2
_MOST_ROLL_OVERS = 1 << 34
_NEVER = -(1 << 62)

# Places in the state of the kernels.
_TIME, _WAS_DUMMY, _WRAPS, _SINCE_MARK, _MARK_TIME, _EVENT, _LEVELS = range(7)


@kernel
def _rises(
    ticks: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
    width: int,
    state: npt.NDArray[np.int64],
    out_ticks: npt.NDArray[np.int64],
    out_channels: npt.NDArray[np.int32],
) -> int:
    """Fill in an event for each line that has risen; return how many there are."""
    event, before = state[_EVENT], state[_LEVELS]
    count = 0
    for i in range(ticks.size):
        now = np.int64(levels[i])
        risen = now
        if ticks[i] - event <= width and now & (now - 1):
            risen = now & ~before
        event, before = ticks[i], now
        for line in range(4):
            if risen >> line & 1:
                out_ticks[count] = ticks[i]
                out_channels[count] = line + 1
                count += 1
    state[_EVENT], state[_LEVELS] = event, before
    return count


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
        dummy = flags & _DUMMY
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


def _start() -> npt.NDArray[np.int64]:
    state = np.zeros(7, np.int64)
    state[_MARK_TIME] = _BACK  # the first dummy stands for the first roll-over
    state[_EVENT] = _NEVER
    return state


def _events(
    ticks: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
    width: int,
    state: npt.NDArray[np.int64],
) -> Tags:
    most = int(np.bincount(levels, minlength=16) @ _BITS)
    out, channels = np.empty(most, np.int64), np.empty(most, np.int32)
    count = _rises(ticks, levels, width, state, out, channels)
    return Tags(out[:count], channels[:count])


_BITS = np.array([n.bit_count() for n in range(16)])


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
        self._width = int(np.ceil(pulse_s / float(TICK_S)))
        self._state = _start()

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        words = whole.view("<u4").astype(np.uint32, copy=False)
        ticks, levels = np.empty(words.size, np.int64), np.empty(words.size, np.uint8)
        count = _unwrapped(words, self._state, ticks, levels)
        if self._state[_WRAPS] > _MOST_ROLL_OVERS:
            raise too_long()
        return _events(ticks[:count], levels[:count], self._width, self._state)


class Tdc1TextDecoder:
    """Decodes the text export; see `decoder.Decoder`.

    Parameters
    ----------
    pulse_s : float
        No pulse on any line is longer than this, in seconds.
    """

    tick_s = TICK_S

    def __init__(self, pulse_s: float = 20e-9) -> None:
        self._width = int(np.ceil(pulse_s / float(TICK_S)))
        self._state = _start()
        self._rest = b""
        self.records = 0

    @property
    def leftover(self) -> int:
        """Bytes of a line that has not been completed."""
        return len(self._rest)

    def decode(self, data: Bytes) -> Tags:
        """Return the tags in the lines that these bytes complete; see `decoder.Decoder`."""
        text = self._rest + bytes(data)
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if len(self._rest) > _LONGEST_LINE:
            raise FormatError("a line is too long: it is no text export of a TDC1")
        return self._lines(text[:end])

    def finish(self) -> Tags:
        """Return the tag of a last line without an end."""
        if len(self._rest.split()) != 2 or len(self._rest.split()[1]) != 4:
            return Tags.none()
        text, self._rest = self._rest, b""
        return self._lines(text)

    def _lines(self, text: bytes) -> Tags:
        fields = [line.split() for line in text.splitlines()]
        fields = [pair for pair in fields if pair and not pair[0].startswith(b"#")]
        ticks, levels = [], []
        for pair in fields:
            if len(pair) != 2 or len(pair[1]) != 4 or pair[1].strip(b"01"):
                raise FormatError("a line is no time in ns with four levels of 0 or 1")
            ticks.append(_ticks(pair[0]))
            levels.append(int(pair[1], 2))
        self.records += len(ticks)
        return _events(
            np.array(ticks, np.int64), np.array(levels, np.uint8), self._width, self._state
        )


_LONGEST_LINE = 1000


def _ticks(text: bytes) -> int:
    try:
        ticks = Fraction(text.decode("ascii")) / 2
    except (ValueError, ZeroDivisionError):
        raise FormatError(f"{text[:40]!r} is no time in ns") from None
    if ticks.denominator != 1 or not -(1 << 62) < ticks < 1 << 62:
        raise FormatError(f"{text[:40]!r} ns is no whole number of 2 ns")
    return int(ticks)
