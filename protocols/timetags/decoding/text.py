"""Text in columns: times and channels, exactly as they are written; see `text_layout`."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Bytes, kernel
from protocols.timetags.decoding.text_layout import BYTE_ORDER_MARK, TextLayout
from protocols.timetags.tags import Tags

__all__ = ["TextDecoder"]

_LONGEST_LINE = 10_000
#: Ten times more still fits 64 bits.
_MOST = 900_000_000_000_000_000
#: So many digits always fit 64 bits.
_PLAIN = 18
_MOST_CHANNEL = 2_147_483_647


@kernel
def _behind_blanks(text: npt.NDArray[np.uint8], at: int) -> int:
    while at < text.size and (text[at] == 32 or text[at] == 9):
        at += 1
    return at


@kernel
def _ends_field(c: int, comma: bool) -> bool:
    return c == 32 or c == 9 or c == 10 or c == 13 or c == 59 or (c == 44 and not comma)


@kernel
def _scaled(value: int, power: int) -> int:
    """Return a number times a power of ten, or -1 if it does not fit or is no whole number."""
    if value == 0:
        return 0
    if power < 0:
        return -1
    for _ in range(power):
        if value > _MOST:
            return -1
        value *= 10
    return value


@kernel
def _exponent(text: npt.NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Return the exponent at a place, and where it ends; -1 if there is none."""
    down = at < text.size and text[at] == 45
    if down or (at < text.size and text[at] == 43):
        at += 1
    begin, exponent = at, 0
    while at < text.size and 48 <= text[at] <= 57 and exponent < 1000:
        exponent = exponent * 10 + int(text[at]) - 48
        at += 1
    return -exponent if down else exponent, at if at > begin else -1


@kernel
def _digits(text: npt.NDArray[np.uint8], at: int, comma: bool) -> tuple[int, int, int]:
    """Return digits as a number, the power of ten behind it, and where they end, -1 if wrong.

    Zeros at the end go into the power: ``1.500000000000000000e-09`` has more digits than fit.
    """
    value, digits, places, zeros = 0, 0, 0, 0
    behind_point = False
    while at < text.size:
        c = int(text[at])
        if 48 <= c <= 57:
            digits += 1
            places += behind_point
            zeros += 1
            if c != 48:
                value = _scaled(value, zeros)
                if value < 0:
                    return 0, 0, -1
                value += c - 48
                zeros = 0
        elif (c == 46 or (c == 44 and comma)) and not behind_point:
            behind_point = True
        else:
            break
        at += 1
    return value, zeros - places, at if digits else -1


@kernel
def _number(text: npt.NDArray[np.uint8], at: int, decimals: int, comma: bool) -> tuple[int, int]:
    """Return a number in units of its last decimal place, and where it ends; -1 if it is none."""
    sign = 1
    if at < text.size and (text[at] == 43 or text[at] == 45):
        sign = 44 - int(text[at])
        at += 1
    begin, value, point = at, 0, -1
    while at < text.size and at - begin < _PLAIN:  # the usual number
        c = int(text[at])
        if 48 <= c <= 57:
            value = value * 10 + c - 48
        elif (c == 46 or (c == 44 and comma)) and point < 0:
            point = at
        else:
            break
        at += 1
    power = point + 1 - at if point >= 0 else 0
    plain = at - begin > (point >= 0) and power + decimals >= 0
    if not plain or (at < text.size and not _ends_field(text[at], comma)):
        value, power, at = _digits(text, begin, comma)
        if at < 0:
            return 0, -1
        if at < text.size and (text[at] == 69 or text[at] == 101):
            exponent, at = _exponent(text, at + 1)
            power += exponent
        if at < 0 or (at < text.size and not _ends_field(text[at], comma)):
            return 0, -1
    value = _scaled(value, power + decimals)
    return sign * value, at if value >= 0 else -1


@kernel
def _lines(
    text: npt.NDArray[np.uint8],
    time_column: int,
    channel_column: int,
    decimals: int,
    comma: bool,
    ticks: npt.NDArray[np.int64],
    channels: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Fill in the tags of whole lines; return how many, and where a wrong line begins, or -1."""
    count, at, size = 0, 0, text.size
    while at < size:
        begin = at
        at = _behind_blanks(text, at)
        if at < size and text[at] == 35:
            while at < size and text[at] != 10 and text[at] != 13:
                at += 1
        column, tick, channel = 0, 0, 0
        while at < size and text[at] != 10 and text[at] != 13:
            if column == time_column:
                tick, at = _number(text, at, decimals, comma)
            elif column == channel_column:
                channel, at = _number(text, at, 0, comma)
                if abs(channel) > _MOST_CHANNEL:
                    return count, begin
            else:
                while at < size and not _ends_field(text[at], comma):
                    at += 1
            if at < 0:
                return count, begin
            at = _behind_blanks(text, at)
            if at < size and (text[at] == 59 or (text[at] == 44 and not comma)):
                at = _behind_blanks(text, at + 1)
            column += 1
        at += 1
        if column == 0:
            continue
        if column <= max(time_column, channel_column):
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
        self._begun = False
        self._names_to_come = layout.named

    @property
    def leftover(self) -> int:
        """Bytes of a line that has not been completed."""
        return len(self._rest)

    def decode(self, data: Bytes) -> Tags:
        """Return the tags in the lines that these bytes complete; see `decoder.Decoder`."""
        text = self._rest + bytes(data)
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        self._rest = text[end:]
        if len(self._rest) > _LONGEST_LINE:
            raise FormatError("a line is longer than 10,000 bytes")
        return self._whole(text[:end])

    def finish(self) -> Tags:
        """Return the tag of a last line without an end."""
        text, self._rest = self._rest, b""
        return self._whole(text)

    def _whole(self, text: bytes) -> Tags:
        if not self._begun:
            text = text.removeprefix(BYTE_ORDER_MARK)
            self._begun = bool(text)
        most = text.count(b"\n") + text.count(b"\r") + 1
        ticks, channels = np.empty(most, np.int64), np.empty(most, np.int32)
        count, wrong = self._parse(text, ticks, channels)
        if wrong >= 0 and self._names_to_come and not count and not self.records:
            self._names_to_come = False
            text = text[wrong:].lstrip(b"\r\n")
            names = re.match(rb"[^\r\n]*", text)
            text = text[names.end() if names else 0 :]
            count, wrong = self._parse(text, ticks, channels)
        if wrong >= 0:
            shown = text[wrong : wrong + 60].splitlines()[0].decode("ascii", errors="replace")
            raise FormatError(
                f"{shown!r} is no line of a time, in whole ticks of {self.tick_s} s, and a channel"
            )
        self.records += count
        return Tags(ticks[:count], channels[:count])

    def _parse(
        self, text: bytes, ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32]
    ) -> tuple[int, int]:
        layout = self._layout
        found: tuple[int, int] = _lines(
            np.frombuffer(text, np.uint8) if text else _NONE,
            *layout.columns,
            layout.decimals,
            layout.decimal_comma,
            ticks,
            channels,
        )
        return found


_NONE = np.empty(0, np.uint8)
