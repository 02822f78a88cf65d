r"""Time stamps of S-Fifteen and of the qcrypto programs: 64 bits, of 1/256 ns.

Time in bits 63 to 10, which rolls over every 19.5 hours; bit 4 marks a dummy event, sent
so that a roll-over of the instrument is not missed; bits 3 to 0 are the channels 4 to 1,
several of which may be set in one word (s-fifteen-instruments/fpfind, documentation of
``parse_timestamps``; qcrypto, ``readevents``). How the words are written has names: ``a1``
little-endian, ``a1`` of the older kind with the high half first, each half little-endian;
``a0`` text with two lines of eight hexadecimal digits a word, the low half first; ``a2``
text with a line of sixteen.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Bytes, RecordDecoder, kernel, too_long
from protocols.timetags.decoding.levels import ALONE, DUMMY, number_of_events
from protocols.timetags.tags import Tags

__all__ = ["TICK_S", "HexDecoder", "WordDecoder"]

TICK_S = Fraction(1, 256_000_000_000)
_PERIOD = 1 << 54
_MOST_ROLL_OVERS = 400


@kernel
def _fill(
    words: npt.NDArray[np.uint64],
    state: npt.NDArray[np.int64],
    ticks: npt.NDArray[np.int64],
    channels: npt.NDArray[np.int32],
) -> None:
    """Fill in the events of words.

    `state` is the last time within its period, or -1, and the number of roll-overs. A step
    of more than half a period is one; tags slightly out of order may lie on either side.
    """
    period, half = np.int64(_PERIOD), np.int64(_PERIOD >> 1)
    last, wraps = state[0], state[1]
    count = 0
    for i in range(words.size):
        time = np.int64(words[i] >> np.uint64(10))
        step = time - last
        turn = wraps
        if step < -half:
            wraps += 1
            turn, last = wraps, time
        elif step > half and wraps > 0:
            turn -= 1
        else:
            last = time
        flags = np.int64(words[i] & np.uint64(31))
        line = ALONE[flags]
        if line:  # as nearly always
            ticks[count] = time + turn * period
            channels[count] = line
            count += 1
        elif flags < DUMMY:
            for line in range(4):
                if flags >> line & 1:
                    ticks[count] = time + turn * period
                    channels[count] = line + 1
                    count += 1
    state[0], state[1] = last, wraps


class WordDecoder(RecordDecoder):
    """Decodes the binary forms; see `decoder.Decoder`.

    Parameters
    ----------
    high_first : bool
        The older order, with the high half of a word before the low one.
    """

    tick_s = TICK_S

    def __init__(self, *, high_first: bool = False) -> None:
        super().__init__(8)
        self._high_first = high_first
        self._state = np.array([-1, 0], np.int64)

    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        words = whole.view("<u8").astype(np.uint64, copy=False)
        if self._high_first:
            words = words >> np.uint64(32) | words << np.uint64(32)
        return self._of_words(words)

    def _of_words(self, words: npt.NDArray[np.uint64]) -> Tags:
        number = number_of_events(words)
        ticks, channels = np.empty(number, np.int64), np.empty(number, np.int32)
        _fill(words, self._state, ticks, channels)
        if self._state[1] > _MOST_ROLL_OVERS:
            raise too_long()
        return Tags(ticks, channels)


@kernel
def _hexadecimal(
    text: npt.NDArray[np.uint8], digits: int, state: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
) -> int:  # fmt: skip
    """Fill in the numbers of lines and return how many there are; negative if one is wrong.

    `state` is the number so far and its digits, kept from call to call.
    """
    value, have = np.uint64(state[0]), state[1]
    count = 0
    for i in range(text.size):
        c = text[i]
        if 48 <= c <= 57:
            digit = c - 48
        elif 97 <= c <= 102:
            digit = c - 87
        elif 65 <= c <= 70:
            digit = c - 55
        elif c == 10 or c == 13 or c == 32 or c == 9:
            if have == 0:
                continue
            if have != digits:
                return -1
            words[count] = value
            count += 1
            value, have = np.uint64(0), 0
            continue
        else:
            return -1
        if have == digits:
            return -1
        value = value << np.uint64(4) | np.uint64(digit)
        have += 1
    state[0], state[1] = np.int64(value), have
    return count


class HexDecoder:
    """Decodes the forms in text; see `decoder.Decoder`.

    Parameters
    ----------
    digits : int
        Digits of a line: 8 of ``a0``, 16 of ``a2``.
    """

    tick_s = TICK_S

    def __init__(self, digits: int) -> None:
        self._digits = digits
        self._text = np.zeros(2, np.int64)
        self._words = WordDecoder()
        self._half = np.empty(0, np.uint64)

    @property
    def records(self) -> int:
        """Words seen so far."""
        return self._words.records

    @property
    def leftover(self) -> int:
        """Digits of a word that has not been completed."""
        return int(self._text[1]) + 8 * self._half.size

    def decode(self, data: Bytes) -> Tags:
        """Return the tags in the lines that these bytes complete; see `decoder.Decoder`."""
        text = np.frombuffer(data, np.uint8)
        words = np.empty(text.size // self._digits + 2, np.uint64)
        count = _hexadecimal(text, self._digits, self._text, words)
        if count < 0:
            raise FormatError(f"a line is no hexadecimal number of {self._digits} digits")
        return self._tags(words[:count])

    def finish(self) -> Tags:
        """Return the tag of a last line without an end."""
        if self._text[1] != self._digits:
            return Tags.none()
        last = self._text[:1].view(np.uint64).copy()
        self._text[:] = 0
        return self._tags(last)

    def _tags(self, words: npt.NDArray[np.uint64]) -> Tags:
        if self._digits == 8:
            halves = np.concatenate([self._half, words])
            pairs = halves[: halves.size // 2 * 2].reshape(-1, 2)
            self._half = halves[pairs.size :].copy()
            words = pairs[:, 0] | pairs[:, 1] << np.uint64(32)
        return self._words.decode(words.astype("<u8").view(np.uint8)) if words.size else Tags.none()
