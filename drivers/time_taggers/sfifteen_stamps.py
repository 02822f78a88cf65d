"""The words of the S-Fifteen TDC1's stream of time stamps, and the events in them.

Little-endian 32-bit words without any frame: bits 31 to 5 are the time in 2 ns,
which rolls over every 2**28 ns; bit 4 marks a dummy, which is sent so that a
roll-over without events is not missed; bits 3 to 0 are the levels of lines 4 to
1 at a leading edge of any of them (pyS15 `read_timestamps_bin`, wiki,
Timestamp_TDC; see `drivers.time_taggers.sfifteen_tdc1` for these sources).

Blocks of events are promised in order, so a step back in time that is no roll-over
is refused: in a live stream it means that bytes were lost. The decoder of files
(`tdc1` among the decoders of time tags) takes events up to 1 us out of order, and
leaves it to its reader to sort them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.core import UnexpectedReplyError
from drivers.roles import StampBlock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TICKS_PER_S", "StampDecoder"]

TICKS_PER_S = 500_000_000
_WRAP = 1 << 27
#: Two events further back than this are a roll-over, nearer ones an error: pyS15
#: (`read_timestamps_bin2`) puts the border at 2**25 ns.
_BACK = 1 << 24
_DUMMY = 0x10
#: Dummies come 7920 ns behind the roll-over (Timestamp_TDC).
_MARK = 7920 // 2
_LINES = 4


class StampDecoder:
    """Turns the bytes of a stream, in whatever pieces, into events.

    A word shows the levels of all lines, so a line that is high from an earlier
    edge shows too. A line has risen if it was low in the word before, or if that
    word is longer ago than a pulse lasts. That is exact as long as a line's
    pulses are no longer than `pulse_widths_s` and rise no closer than twice
    that. A word that can only be one line's is always taken as its event.

    Parameters
    ----------
    pulse_widths_s : sequence of float
        Upper bound of the pulses' lengths on lines 1 to 4 in seconds.
    """

    def __init__(self, pulse_widths_s: tuple[float, float, float, float]) -> None:
        import numpy as np

        self._widths = np.ceil(np.array(pulse_widths_s) * TICKS_PER_S).astype(np.int64)
        self._rest = b""
        self._wraps = 0
        self._word = 0
        self._mark_tick = _BACK
        self._wraps_since_mark = 0
        self._event_tick = -(1 << 62)
        self._levels = 0

    def decode(self, data: bytes) -> StampBlock:
        """Return the events in the next bytes of the stream.

        Raises
        ------
        UnexpectedReplyError
            If the time runs backwards, other than by a roll-over.
        """
        import numpy as np

        data = self._rest + data if self._rest else data
        whole = len(data) // 4
        self._rest = data[4 * whole :]
        words = np.frombuffer(data, "<u4", whole)
        ticks = self._unwrapped(words)
        if (words & _DUMMY).any():
            real = (words & _DUMMY) == 0
            words, ticks = words[real], ticks[real]
        return self._rises(ticks, (words & 0xF).astype(np.uint8))

    @property
    def unfinished(self) -> int:
        """How many bytes of a word that is not complete are held."""
        return len(self._rest)

    def _unwrapped(self, words: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the ticks since the start, roll-overs counted."""
        import numpy as np

        if not words.size:
            return np.zeros(0, np.int64)
        both = np.concatenate((np.array([self._word], np.uint32), words))
        ticks = (both >> 5).astype(np.int64)
        steps = np.diff(ticks)
        wraps = steps < -_BACK
        # So is a step back to before the place of the dummies from behind it: any other
        # would have a dummy in between.
        wraps |= (steps < 0) & (ticks[1:] <= _MARK) & (ticks[:-1] > _MARK)
        # Beside a dummy any step back is a roll-over: the lines may have been quiet for
        # nearly a whole period.
        dummies = (both & _DUMMY) != 0
        if dummies.any():
            wraps |= (dummies[1:] | dummies[:-1]) & (steps < 0)
            self._mark_roll_overs(wraps, np.flatnonzero(dummies[1:]), ticks[1:])
        else:
            self._wraps_since_mark += int(np.count_nonzero(wraps))
        backwards = (steps < 0) & ~wraps
        if backwards.any():
            place = int(np.argmax(backwards))
            raise UnexpectedReplyError(
                f"the time stamps run back by {-int(steps[place]) * 2} ns",
                remedy="bytes were lost: lower the count rate or free the USB bus",
            )
        unwrapped = ticks[1:]
        if self._wraps or wraps.any():
            unwrapped = unwrapped + _WRAP * (self._wraps + np.cumsum(wraps))
            self._wraps += int(np.count_nonzero(wraps))
        self._word = int(words[-1])
        return unwrapped

    def _mark_roll_overs(
        self, wraps: NDArray[np.bool_], marks: NDArray[np.intp], ticks: NDArray[np.int64]
    ) -> None:
        """Add the roll-overs that only the dummies, at the places `marks`, show.

        A dummy that is not later in its period than the one before is in another
        period; the first one stands for the first roll-over. (Events between that
        roll-over and its dummy look like events at the start, unless the first
        period had some later in it.)
        """
        import numpy as np

        count = np.cumsum(wraps)
        if marks.size:
            counts = np.concatenate(([-self._wraps_since_mark], count[marks]))
            times = np.concatenate(([self._mark_tick], ticks[marks]))
            missed = (np.diff(counts) == 0) & (np.diff(times) <= 0)
            self._wraps_since_mark = int(count[-1] - count[marks[-1]])
            self._mark_tick = int(times[-1])
            wraps[marks[missed]] = True
        elif count.size:
            self._wraps_since_mark += int(count[-1])

    def _rises(self, ticks: NDArray[np.int64], levels: NDArray[np.uint8]) -> StampBlock:
        """Return one event for each line that has risen."""
        import numpy as np

        if not ticks.size:
            return StampBlock(ticks, levels)
        before = np.concatenate((np.array([self._levels], np.uint8), levels[:-1]))
        gaps = np.diff(ticks, prepend=np.int64(self._event_tick))
        self._levels = int(levels[-1])
        self._event_tick = int(ticks[-1])
        risen = levels.copy()
        close = np.flatnonzero(gaps <= self._widths.max())
        if close.size:
            held = np.zeros(close.size, np.uint8)
            for line, width in enumerate(self._widths):
                held |= (gaps[close] <= width).astype(np.uint8) << np.uint8(line)
            new = levels[close] & ~(before[close] & held)
            lone = (levels[close] & (levels[close] - np.uint8(1))) == 0
            risen[close] = np.where(lone, levels[close], new)
        return _expanded(ticks, risen)


def _expanded(ticks: NDArray[np.int64], risen: NDArray[np.uint8]) -> StampBlock:
    """Return one event for each bit that is set."""
    import numpy as np

    lines = _lines_alone()[risen]
    others = np.flatnonzero(lines == 0)
    if not others.size:  # one line each, as nearly always
        return StampBlock(ticks, lines)
    bits = np.unpackbits(risen[others, None], axis=1, bitorder="little", count=_LINES)
    counts = np.ones(risen.size, np.intp)
    counts[others] = bits.sum(axis=1)
    lines = np.repeat(lines, counts)
    lines[lines == 0] = np.nonzero(bits)[1] + 1
    return StampBlock(np.repeat(ticks, counts), lines)


def _lines_alone() -> NDArray[np.uint8]:
    """Return a table from a pattern to its line, 0 where it is not one line alone."""
    import numpy as np

    table = np.zeros(16, np.uint8)
    table[[1, 2, 4, 8]] = [1, 2, 3, 4]
    return table
