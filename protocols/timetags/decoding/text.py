"""Text in columns: times and channels, exactly as they are written.

Columns are separated by commas, semicolons or blanks; lines that begin with # are comments.
A comment ``# tick_s = 1/256000000000`` or a line of names such as ``time_ns, channel`` says
what the times are. A decimal fraction becomes whole ticks: a tick is the last decimal place
that the first lines have.
"""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Bytes, kernel
from protocols.timetags.tags import Tags

__all__ = ["UNITS", "TextDecoder", "TextLayout", "text_layout"]

#: Units of times in seconds.
UNITS = {
    "ps": Fraction(1, 10**12),
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
}
_MOST_DECIMALS = 15
_LONGEST_LINE = 10_000
_TICK = re.compile(r"#\s*tick_s\s*=\s*(\d+)(?:\s*/\s*(\d+))?\s*$")
_SEPARATORS = re.compile(r"[,;\s]+")
_TIMES = {"ticks": "", "tick": "", "time": "", "timestamp": "", "timestamps": ""}
_CHANNELS = ("channel", "channels", "detector", "detectors", "line", "chan", "ch")


class TextLayout:
    """What the first lines of a text say.

    Attributes
    ----------
    unit_s : Fraction
        Of the times, in seconds.
    known : bool
        Whether the text says so; else they are taken for picoseconds.
    decimals : int
        Decimal places of the times.
    columns : tuple of int
        Places of time and channel, from 0.
    """

    def __init__(self, unit_s: Fraction | None, decimals: int, columns: tuple[int, int]) -> None:
        self.known = unit_s is not None
        self.unit_s = UNITS["ps"] if unit_s is None else unit_s
        self.decimals = decimals
        self.columns = columns

    @property
    def tick_s(self) -> Fraction:
        """Length of a tick in seconds."""
        return self.unit_s / Fraction(10) ** self.decimals


def text_layout(head: bytes, unit: str = "") -> TextLayout:
    """Take the first lines of a text apart.

    Parameters
    ----------
    head : bytes
        The beginning; a line that is cut at its end does not count.
    unit : str
        One of `UNITS`, whatever the text says; empty to go by it.

    Raises
    ------
    FormatError
        The lines are no times and channels.
    """
    lines = head.decode("ascii", errors="replace").splitlines()
    if len(lines) > 1 and not head.endswith(b"\n"):
        lines.pop()
    unit_s = UNITS[unit] if unit else None
    columns, decimals, named = (0, 1), 0, False
    for line in (each.strip() for each in lines):
        if not line:
            continue
        if line.startswith("#"):
            found = _TICK.match(line)
            if found and not unit and int(found[2] or 1):
                unit_s = Fraction(int(found[1]), int(found[2] or 1))
            continue
        fields = [field for field in _SEPARATORS.split(line) if field]
        if not named and any(re.match(r"[\"'A-Za-z_]", field) for field in fields):
            named = True
            names = re.split(r"[,;\t]", line) if re.search(r"[,;\t]", line) else fields
            columns, said = _named([name.strip() for name in names])
            unit_s = unit_s or (UNITS[said] if said else None)
            continue
        if len(fields) <= max(columns):
            raise FormatError(f"{line[:60]!r} is no line of times and channels")
        _, _, fraction = fields[columns[0]].partition(".")
        decimals = max(decimals, len(fraction))
    if decimals > _MOST_DECIMALS:
        raise FormatError(f"times have more than {_MOST_DECIMALS} decimal places")
    if unit_s is not None and unit_s <= 0:
        raise FormatError("a tick of no length")
    return TextLayout(unit_s, decimals, columns)


def _named(fields: list[str]) -> tuple[tuple[int, int], str]:
    time, channel, unit = 0, 1, ""
    for place, field in enumerate(fields):
        name, *more = re.findall(r"[a-z]+", field.lower()) or [""]
        of = more[0] if more else ""
        if name in _TIMES:
            time, unit = place, of if of in UNITS else ""
        elif name in _CHANNELS:
            channel = place
    if time == channel:
        channel = 1 - time
    return (time, channel), unit


@kernel
def _lines(
    text: npt.NDArray[np.uint8],
    time_column: int,
    channel_column: int,
    decimals: int,
    ticks: npt.NDArray[np.int64],
    channels: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Fill in the tags of whole lines; return how many, and where a wrong line begins, or -1."""
    count, at, size = 0, 0, text.size
    while at < size:
        begin = at
        column, in_field, comment, blank = -1, False, False, True
        value, digits, places, sign = np.int64(0), 0, -1, 1
        tick, channel, seen = np.int64(0), np.int64(0), 0
        while True:
            c = text[at] if at < size else np.uint8(10)
            at += 1
            end = c == 10 or c == 13
            if comment:
                if end:
                    break
                continue
            if end or c == 44 or c == 59 or c == 32 or c == 9:
                if in_field:
                    if column in (time_column, channel_column):
                        if digits == 0:
                            return count, begin
                        if column == time_column:
                            for _ in range(max(places, 0), decimals):
                                if abs(value) > 900_000_000_000_000_000:
                                    return count, begin
                                value *= 10
                            tick = sign * value
                        else:
                            if places > 0 or value > 2_147_483_647:
                                return count, begin
                            channel = sign * value
                        seen += 1
                    in_field = False
                if end:
                    break
                continue
            if not in_field:
                if blank and c == 35:
                    comment = True
                    continue
                in_field, blank = True, False
                column += 1
                value, digits, places, sign = np.int64(0), 0, -1, 1
            if column != time_column and column != channel_column:
                continue
            if 48 <= c <= 57:
                if places >= decimals and column == time_column and places >= 0:
                    if c != 48:
                        return count, begin  # finer than a tick
                    continue
                if value > 900_000_000_000_000_000:
                    return count, begin
                value = value * 10 + (c - 48)
                digits += 1
                if places >= 0:
                    places += 1
            elif c == 46 and places < 0:
                places = 0
            elif (c == 45 or c == 43) and digits == 0 and places < 0:
                sign = -1 if c == 45 else 1
            else:
                return count, begin
        if comment or blank:
            continue
        if seen < 2:
            return count, begin
        ticks[count], channels[count] = tick, channel
        count += 1
    return count, -1


class TextDecoder:
    """Decodes text in columns; see `decoder.Decoder`.

    Parameters
    ----------
    layout : TextLayout
        From the beginning of the same text.
    """

    def __init__(self, layout: TextLayout) -> None:
        self.tick_s = layout.tick_s
        self.records = 0
        self._layout = layout
        self._rest = b""
        self._named = False

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
            raise FormatError("a line is longer than 10,000 bytes")
        return self._whole(text[:end])

    def finish(self) -> Tags:
        """Return the tag of a last line without an end."""
        text, self._rest = self._rest, b""
        return self._whole(text)

    def _whole(self, text: bytes) -> Tags:
        most = text.count(b"\n") + text.count(b"\r") + 1
        ticks, channels = np.empty(most, np.int64), np.empty(most, np.int32)
        begin, count = 0, 0
        while True:
            piece = np.frombuffer(text, np.uint8, offset=begin) if begin < len(text) else _NONE
            more, wrong = _lines(
                piece, *self._layout.columns, self._layout.decimals, ticks[count:], channels[count:]
            )
            count += more
            if wrong < 0:
                break
            line = text[begin + wrong :].split(b"\n", 1)[0].strip()
            if self._named or count or self.records or not re.search(rb"[A-Za-z_]", line):
                shown = line[:60].decode("ascii", errors="replace")
                raise FormatError(
                    f"{shown!r} is no line of a time, with {self._layout.decimals} decimal "
                    "places at most, and a channel"
                )
            self._named = True  # the names of the columns
            begin += wrong + len(text[begin + wrong :].split(b"\n", 1)[0]) + 1
        self.records += count
        return Tags(ticks[:count], channels[:count])


_NONE = np.empty(0, np.uint8)
