"""Columns of numbers in text: which there are, and their values block by block."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from protocols.stability.statistic import Floats
from qlab.errors import UsageError, printable
from qlab.stability.blocks import beginning, blocks_of_lines
from qlab.stability.decimal import parse_lines

__all__ = ["Columns", "Head", "read_head"]

_COMMENTS = (b"#", b"%", b"!", b";", b"//", b'"')
#: What programs write where a reading is missing; in lower case.
_MISSING = frozenset(("nan", "+nan", "-nan", "1.#qnan", "-1.#ind", "inf", "+inf", "-inf", "na"))
_MISSING |= {"n/a", "null", "none", "missing", "*", "**", "***", "-", "--", "---"}
_SCPI_NOTHING = 9.9e37  # IEEE 488.2 and SCPI: 9.9E37 is infinity, 9.91E37 not a number
_LINES_OF_HEAD = 200
_MOST_HEADER_LINES = 1000
_STARTS = tuple(bytes([sign]) for sign in b"0123456789+-.")
_LONGEST_SHOWN = 1 << 12
_MOST_LINES, _FEW_LINES = 1 << 16, 16
# More fields than these in the first line are a list: if lines are alike, or are not.
_MOST_COLUMNS, _FEW_COLUMNS = 64, 8
_TAU = re.compile(rb"\btau(?:0)?\b\s*[:=]?\s*([-+.\deEdD]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Head:
    """What the first lines of a text say.

    Attributes
    ----------
    path : Path
        The file.
    separator : bytes
        Between fields; a blank stands for blanks and tabs.
    fields : int
        In the first line of data.
    header : tuple of bytes
        Comments and other lines before that.
    rows : tuple of tuple of float
        The first lines of data; NaN for a field that is no number.
    is_list : bool
        Whether the values seem to follow one another in lines.
    """

    path: Path
    separator: bytes
    fields: int
    header: tuple[bytes, ...]
    rows: tuple[tuple[float, ...], ...]
    is_list: bool

    @property
    def tau_s(self) -> float | None:
        """The sampling interval that the header names, as Stable32's do."""
        for line in self.header:
            found = _TAU.search(line)
            value = _as_float(found[1]) if found else None
            if value is not None and 0 < value < math.inf:
                return value
        return None

    @property
    def lines_to_pass(self) -> int:
        """How many lines come before the data, with those that a list is split into."""
        split = [line.count(self.separator) if self.is_list else 0 for line in self.header]
        return len(split) + sum(split)

    def is_numeric(self, number: int) -> bool:
        """Tell whether a column, from 1, has numbers in most of the first lines."""
        numbers = np.isfinite(self.column(number))
        return bool(2 * np.count_nonzero(numbers) > numbers.size)

    def column(self, number: int) -> Floats:
        """Return the first values of a column, from 1, of lines that have it."""
        return np.array([row[number - 1] for row in self.rows if len(row) >= number])


def read_head(path: Path) -> Head:
    """Look at the first lines of a text.

    Raises
    ------
    UsageError
        There is no such file, no text or no number in it.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file", remedy="name a file of readings")
    text = beginning(path)
    lines = text.split(b"\n")
    if len(lines) > 2:
        lines.pop()  # it may break off
    # A header may have numbers in it, but it does not start with one.
    places = [k for k, line in enumerate(lines[:_MOST_HEADER_LINES]) if _is_data(line)]
    if not places:
        raise UsageError(
            f"{path}: no reading in it",
            remedy="give lines with a number in each, with decimal points; # for comments",
        )
    place = next((k for k in places if lines[k].lstrip()[:1] in _STARTS), places[0])
    separator = _separator(lines[place])
    fields = _fields(lines[place], separator)
    data = [one for one in lines[place : place + _LINES_OF_HEAD] if not _is_comment(one)]
    rows = tuple(
        tuple(math.nan if (x := _as_float(one)) is None else x for one in _fields(row, separator))
        for row in (one[:_LONGEST_SHOWN] for one in data)
    )
    alike = len(data) > 1 and all(len(row) == len(rows[0]) for row in rows)
    is_list = len(fields) > (_MOST_COLUMNS if alike else _FEW_COLUMNS)
    return Head(path, separator, len(fields), tuple(lines[:place]), rows, is_list)


@dataclass
class Columns:
    """Reads one column of a text, and one of time stamps beside it.

    Attributes
    ----------
    head : Head
        Of the text.
    column, times : int
        Columns, from 1; `times` is 0 if there are none.
    notes : list of str
        What was passed over.
    """

    head: Head
    column: int
    times: int = 0
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[Floats, Floats, int]]:
        """Give values, time stamps and the number of the first line, block by block.

        Raises
        ------
        UsageError
            A line lacks the column, or has something else than a number there.
        """
        line, pass_until, most = 1, self.head.lines_to_pass + 1, _MOST_LINES
        for text in blocks_of_lines(
            self.head.path, split=self.head.separator if self.head.is_list else b""
        ):
            data = np.frombuffer(text, np.uint8)
            at = 0
            while at < len(text):
                if line < pass_until:
                    at = text.find(b"\n", at) + 1 or len(text)
                    line += 1
                    continue
                values, times, stop = parse_lines(
                    data, at, ord(self.head.separator), (self.column, self.times), most
                )
                if values.size:
                    values[np.abs(values) >= _SCPI_NOTHING] = math.nan
                    yield values, times, line
                    line += values.size
                at = stop
                if values.size == most:
                    most = min(4 * most, _MOST_LINES)
                elif at < len(text):
                    most = _FEW_LINES  # where one line is odd, the next may be
                    end = text.find(b"\n", at)
                    row = self._row(text[at:] if end < 0 else text[at:end], line, cut=end < 0)
                    if row is not None:
                        yield np.array(row[:1]), np.array(row[1:]), line
                    at = len(text) if end < 0 else end + 1
                    line += 1

    def _row(self, text: bytes, line: int, *, cut: bool) -> tuple[float, ...] | None:
        """Read a line that is not plain numbers; None if it holds no reading."""
        if _is_comment(text):
            return None
        separator = b" " if self.head.is_list else self.head.separator
        fields = _fields(text, separator)
        found = []
        for number in (self.column, self.times)[: 2 if self.times else 1]:
            one = fields[number - 1] if number <= len(fields) else None
            value = None if one is None else _as_float(one)
            if value is not None and (math.isfinite(value) or number == self.column):
                found.append(value if abs(value) < _SCPI_NOTHING else math.nan)
            elif one is not None and _is_missing(one) and number == self.column:
                found.append(math.nan)
            elif cut:
                self.notes.append(f"line {line} breaks off and is left out")
                return None
            else:
                raise self._wrong(one, number, line, len(fields))
        return tuple(found)

    def _wrong(self, one: bytes | None, number: int, line: int, fields: int) -> UsageError:
        place = f"{self.head.path}, {'value' if self.head.is_list else 'line'} {line}"
        if one is None:
            return UsageError(
                f"{place}: has {fields} of the columns, but not column {number}",
                remedy="mend the line, or name another column with --column",
            )
        shown = printable(one[:40].decode(errors="replace"))
        return UsageError(
            f"{place}, column {number}: {shown!r} is not a number",
            remedy="mend the line, start it with # if it is a comment, or write nan for a "
            "reading that is missing",
        )


def _separator(line: bytes) -> bytes:
    return next((one for one in (b";", b",") if one in line), b" ")


def _is_data(line: bytes) -> bool:
    if _is_comment(line):
        return False
    fields = _fields(line[:_LONGEST_SHOWN], _separator(line))
    return any(_as_float(one) is not None for one in fields)


def _fields(line: bytes, separator: bytes) -> list[bytes]:
    if separator == b" ":
        return line.split()
    fields = [one.strip() for one in line.split(separator)]
    return fields[:-1] if len(fields) > 1 and not fields[-1] else fields


def _is_comment(line: bytes) -> bool:
    start = line.lstrip()
    return not start or start.startswith(_COMMENTS)


def _is_missing(one: bytes) -> bool:
    return not one or one.decode("latin-1").lower() in _MISSING


def _as_float(one: bytes) -> float | None:
    if b"_" in one or len(one) > 400:
        return None
    try:
        return float(one.replace(b"d", b"e").replace(b"D", b"e") if b"n" not in one else one)
    except ValueError:
        return None
