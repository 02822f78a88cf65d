"""What the first lines of a text in columns say: where times and channels are, and their unit.

Columns are separated by a comma, a semicolon or blanks; where semicolons separate, a comma
in a number is its decimal point. Lines that begin with # are comments. A comment
``# tick_s = 1/256000000000`` or a line of names such as ``time_ns, channel`` says what the
times are; without names the first column is the time, unless only the second one grows. A
decimal fraction becomes whole ticks: a tick is the last decimal place of the first lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from protocols.errors import FormatError

__all__ = ["BYTE_ORDER_MARK", "UNITS", "TextLayout", "text_layout"]

#: Units of times in seconds.
UNITS = {
    "fs": Fraction(1, 10**15),
    "ps": Fraction(1, 10**12),
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
}
_MOST_DECIMALS = 15
#: What some programs write before any text.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TICK = re.compile(r"#\s*tick_s\s*=\s*(\d{1,200})(?:\s*/\s*(\d{1,200}))?\s*$")
_NUMBER = re.compile(r"[+-]?\d*(?:[.,](\d*))?(?:[eE]([+-]?\d{1,4}))?$")
_TIMES = ("ticks", "tick", "time", "times", "timestamp", "timestamps")
_CHANNELS = ("channel", "channels", "detector", "detectors", "line", "chan", "ch")


@dataclass(frozen=True)
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
    named : bool
        Whether a line of names says which they are.
    decimal_comma : bool
        Whether a comma is a decimal point.
    """

    unit_s: Fraction
    known: bool
    decimals: int
    columns: tuple[int, int]
    named: bool
    decimal_comma: bool

    @property
    def tick_s(self) -> Fraction:
        """Length of a tick in seconds."""
        return self.unit_s / Fraction(10) ** self.decimals


def text_layout(
    head: bytes,
    unit: str = "",
    tick: str = "",
    columns: tuple[int, int] | None = None,
) -> TextLayout:
    """Take the first lines of a text apart.

    Parameters
    ----------
    head : bytes
        The beginning; a line that is cut at its end does not count.
    unit : str
        One of `UNITS`, whatever the text says; empty to go by it.
    tick : str
        One of `UNITS`, if the first lines do not have all decimal places; else empty.
    columns : tuple of int, optional
        Places of time and channel, from 0, whatever the text says.

    Raises
    ------
    FormatError
        The lines are no times and channels.
    """
    text = head.removeprefix(BYTE_ORDER_MARK).decode("ascii", errors="replace")
    lines = text.splitlines()
    if len(lines) > 1 and not head.endswith((b"\n", b"\r")):
        lines.pop()
    lines = [line.strip() for line in lines if line.strip()]
    unit_s = UNITS[unit] if unit else None
    for line in lines:
        found = _TICK.match(line)
        if found and not unit and int(found[2] or 1):
            unit_s = Fraction(int(found[1]), int(found[2] or 1))
    lines = [line for line in lines if not line.startswith("#")]
    named = bool(lines) and any(
        re.match(r"[\"'A-Za-z_]", each) for each in _fields(lines[0], False)
    )
    if named:
        found_columns, said = _named(lines.pop(0))
        columns = columns or found_columns
        unit_s = unit_s or UNITS.get(said)
    comma = bool(lines) and ";" in lines[0] and any("," in line for line in lines)
    rows = [_fields(line, comma) for line in lines]
    columns = columns or ((1, 0) if _only_second_grows(rows) else (0, 1))
    for line, row in zip(lines, rows, strict=True):
        if len(row) <= max(columns):
            raise FormatError(f"{line[:60]!r} is no line of times and channels")
    decimals = max((_decimals(row[columns[0]]) for row in rows), default=0)
    known = unit_s is not None
    unit_s = UNITS["ps"] if unit_s is None else unit_s
    if tick:
        decimals = _powers_of_ten(unit_s, UNITS[tick])
    if not 0 <= decimals <= _MOST_DECIMALS:
        raise FormatError(f"times have more than {_MOST_DECIMALS} decimal places")
    if unit_s <= 0:
        raise FormatError("a tick of no length")
    return TextLayout(unit_s, known, decimals, columns, named, comma)


def _fields(line: str, comma: bool) -> list[str]:
    return re.split(r"\s*;\s*|\s+" if comma else r"\s*[,;]\s*|\s+", line)


def _named(line: str) -> tuple[tuple[int, int], str]:
    names = re.split(r"[,;\t]" if re.search(r"[,;\t]", line) else r"\s+", line)
    time, channel, unit = 0, 1, ""
    for place, each in enumerate(names):
        name, *more = re.findall(r"[a-z]+", each.lower()) or [""]
        if name in _TIMES:
            time, unit = place, more[0] if more else ""
        elif name in _CHANNELS:
            channel = place
    if time == channel:
        channel = 1 - time if time < 2 else 0
    return (time, channel), unit


def _decimals(number: str) -> int:
    found = _NUMBER.match(number)
    if found is None:
        return 0  # the line will be refused, with the place
    fraction, exponent = found[1] or "", found[2]
    if exponent is None:
        return len(fraction)
    return max(0, len(fraction.rstrip("0")) - int(exponent))


def _powers_of_ten(unit_s: Fraction, tick_s: Fraction) -> int:
    powers = len(str(unit_s / tick_s)) - 1
    if tick_s * 10**powers != unit_s:
        raise FormatError("the unit of the times is no power of ten of ticks")
    return powers


def _only_second_grows(rows: list[list[str]]) -> bool:
    try:
        first = [float(row[0].replace(",", ".")) for row in rows]
        second = [float(row[1].replace(",", ".")) for row in rows]
    except (ValueError, IndexError):
        return False
    return any(b < a for a, b in pairwise(first)) and all(b >= a for a, b in pairwise(second))
