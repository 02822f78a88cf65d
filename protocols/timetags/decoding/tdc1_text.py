"""The text export of an S-Fifteen TDC1.

A line for each word: the time in ns, and the four levels as binary digits, line 4 first, as
pyS15's ``get_timestamps`` returns them; see `tdc1`. Lines that begin with # are comments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Bytes, kernel
from protocols.timetags.decoding.levels import RisingLines
from protocols.timetags.decoding.tdc1 import TICK_S
from protocols.timetags.tags import Tags

__all__ = ["Tdc1TextDecoder"]

_LONGEST_LINE = 1000
_MOST_NS = 400_000_000_000_000_000
_LEVELS = 4


@kernel
def _parse(
    text: npt.NDArray[np.uint8], ticks: npt.NDArray[np.int64], levels: npt.NDArray[np.uint8]
) -> tuple[int, int]:
    """Fill in times and levels; return how many, and where a wrong line begins, or -1."""
    count, at, size = 0, 0, text.size
    while at < size:
        begin = at
        while at < size and (text[at] == 32 or text[at] == 9):
            at += 1
        if at == size or text[at] == 10 or text[at] == 13:
            at += 1
            continue
        if text[at] == 35:  # a comment
            while at < size and text[at] != 10:
                at += 1
            continue
        first, time = at, 0
        while at < size and 48 <= text[at] <= 57 and time <= _MOST_NS:
            time = time * 10 + (text[at] - 48)
            at += 1
        if at == first or time > _MOST_NS or time & 1:
            return count, begin
        if at < size and text[at] == 46:  # nothing but zeros behind the point
            at += 1
            while at < size and text[at] == 48:
                at += 1
        blank = at
        while at < size and (text[at] == 32 or text[at] == 9):
            at += 1
        digits, level = at, 0
        while at < size and 48 <= text[at] <= 49 and at - digits < _LEVELS:
            level = level << 1 | (text[at] - 48)
            at += 1
        if digits == blank or at - digits < _LEVELS:
            return count, begin
        while at < size and (text[at] == 32 or text[at] == 9 or text[at] == 13):
            at += 1
        if at < size and text[at] != 10:
            return count, begin
        ticks[count], levels[count] = time >> 1, level
        count += 1
    return count, -1


class Tdc1TextDecoder:
    """Decodes the text export; see `decoder.Decoder`.

    Parameters
    ----------
    pulse_s : float
        No pulse on any line is longer than this, in seconds.
    """

    tick_s = TICK_S

    def __init__(self, pulse_s: float = 20e-9) -> None:
        self._rising = RisingLines(pulse_s, TICK_S)
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
        """Return the tag of a last line without an end, if it has all levels."""
        fields = self._rest.split()
        if len(fields) != 2 or len(fields[1]) != _LEVELS:
            return Tags.none()
        text, self._rest = self._rest, b""
        return self._lines(text)

    def _lines(self, text: bytes) -> Tags:
        most = text.count(b"\n") + text.count(b"\r") + 1
        ticks, levels = np.empty(most, np.int64), np.empty(most, np.uint8)
        count, wrong = _parse(np.frombuffer(text, np.uint8), ticks, levels)
        if wrong >= 0:
            line = text[wrong : wrong + 60].split(b"\n")[0].decode("ascii", errors="replace")
            raise FormatError(f"{line!r} is no time in whole 2 ns with four levels of 0 or 1")
        self.records += count
        return self._rising.tags(ticks[:count], levels[:count])
