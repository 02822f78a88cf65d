"""Logs of a TAPR TICC: time stamps by channel, or time intervals.

Lines of data are ``123.45678901234 chA``, ``0.00000000123 TI(A->B)`` or, of three channels for
TimeLab, ``… chA``, ``… chB``, ``… chC (int(B) + (B - A))``; all others begin with ``#``
(TAPR/TICC, TICC.ino and config.cpp).

A pulse that comes early has the smaller time stamp, and its phase is the larger: of one
channel the phase is the due time less the time stamp, against the TICC's own 10 MHz; of two
it is that of A against B, B's time stamp less A's, like TI(A->B). Time stamps are whole
numbers of 10^-12 s here, since a float loses the picoseconds within a day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise, repeat
from pathlib import Path

import numpy as np

from protocols.stability.statistic import Floats
from qlab.errors import UsageError, printable
from qlab.stability.blocks import beginning, blocks_of_lines
from qlab.stability.readings import Readings, Wanted

__all__ = ["is_ticc", "ticc_readings"]

_DATA = re.compile(rb"\s*([-+]?)(\d{1,12})\.(\d{1,12})\s+(ch(\S+)|TI\(\S*\))(?:\s.*)?")
_TICKS = 10**12
_PART = 4096
_FIRST = 64
_MOST_MISSING = 100_000_000
_LOST = re.compile(rb"# (10 MHZ Reference lost|No COARSE_CLOCK)", re.IGNORECASE)


def is_ticc(path: Path) -> bool:
    """Tell whether a text is the log of a TICC, by its first line of data."""
    lines = beginning(path).split(b"\n")
    first = next((line for line in lines if line.strip() and not line.startswith(b"#")), b"")
    return _DATA.fullmatch(first) is not None


def ticc_readings(path: Path, wanted: Wanted) -> Readings:
    """Open the log of a TICC. Column 1 or 2 is channel A or B alone.

    Raises
    ------
    UsageError
        The log is wrong, or does not hold what is wanted.
    """
    notes: list[str] = []
    first = list(islice(_stamps(path, notes), 4 * _FIRST))
    notes.clear()
    names = sorted({name for _, name, _ in first})
    if wanted.quantity == "frequency":
        raise UsageError(f"{path}: a TICC logs phase, not frequency", remedy="leave out --input")
    if names[0].startswith("TI("):
        interval_s = 1.0 if wanted.rate_hz is None else 1.0 / wanted.rate_hz
        if wanted.rate_hz is None:
            notes.append("one interval a second is assumed; --rate tells otherwise")
        parts = _in_parts(ticks / _TICKS for ticks, _, _ in _stamps(path, notes))
        origin = "given" if wanted.rate_hz else "assumed"
        return Readings(path, "TICC intervals", "phase", interval_s, origin, parts, notes=notes)
    channels = [name for name in names if name != "C"][:2]
    if wanted.column is not None:
        if wanted.column > len(channels):
            raise UsageError(
                f"{path}: there is no channel {wanted.column}, only {', '.join(channels)}",
                remedy="give --column 1 or 2 for one of them alone",
            )
        channels = channels[wanted.column - 1 : wanted.column]
    of_first = [ticks for ticks, name, _ in first if name == channels[0]]
    period = _period(path, of_first, wanted.rate_hz)
    origin = "given" if wanted.rate_hz else "time stamps"
    kind = f"TICC time stamps of {' against '.join(channels)}"
    parts = _in_parts(_phase(path, channels, period, notes))
    return Readings(path, kind, "phase", period / _TICKS, origin, parts, notes=notes)


def _stamps(path: Path, notes: list[str]) -> Iterator[tuple[int, str, int]]:
    """Give time stamps in 10^-12 s, with their channels and lines."""
    number = 0
    for block in blocks_of_lines(path):
        for line in block.splitlines():
            number += 1
            if not line.strip():
                continue
            if line.startswith(b"#"):
                if _LOST.match(line):
                    notes.append(f"line {number}: {printable(line[2:60].decode(errors='replace'))}")
                continue
            found = _DATA.fullmatch(line)
            if found is None:
                if not block.endswith(b"\n") and block.endswith(line):
                    notes.append(f"line {number} breaks off and is left out")
                    return
                shown = printable(line[:40].decode(errors="replace"))
                raise UsageError(
                    f"{path}, line {number}: {shown!r} is not a line of a TICC",
                    remedy="mend the line, or start it with #",
                )
            sign, whole, digits, label, channel = found.groups()
            ticks = int(whole) * _TICKS + int(digits.ljust(12, b"0"))
            name = (channel or label).decode(errors="replace")
            yield -ticks if sign == b"-" else ticks, name, number


def _period(path: Path, ticks: list[int], rate_hz: float | None) -> int:
    """Return the ticks between pulses: given, or seen to one part in a thousand."""
    steps = sorted(b - a for a, b in pairwise(ticks) if b > a)
    if not steps:
        raise UsageError(
            f"{path}: the time stamps do not ascend", remedy="log at least two pulses of a channel"
        )
    seen = steps[(len(steps) - 1) // 2]
    period = round(_TICKS / rate_hz) if rate_hz else round(float(f"{seen:.4g}"))
    if abs(seen - period) > 0.01 * period:
        raise UsageError(
            f"{path}: the time stamps are {seen / _TICKS:.6g} s apart, not {period / _TICKS:.6g} s",
            remedy=f"leave out --rate, or give --rate {_TICKS / seen:.6g}",
        )
    return period


@dataclass
class _Grid:
    """Counts the pulses of a channel, with those that are missing."""

    period: int
    first: int | None = None
    last: int = 0
    place: int = 0

    def count(self, ticks: int) -> None:
        if self.first is None:
            self.first = ticks
        else:
            self.place += max(1, (2 * (ticks - self.last) + self.period) // (2 * self.period))
        self.last = ticks

    @property
    def early(self) -> int:
        """By how much the last pulse is before its time."""
        return (self.first or 0) + self.place * self.period - self.last


def _phase(path: Path, channels: list[str], period: int, notes: list[str]) -> Iterator[float]:
    """Give the phase of the first channel, pulse by pulse, NaN where one is missing."""
    grids = {name: _Grid(period) for name in channels}
    local, reference = grids[channels[0]], grids[channels[-1]]
    next_place: int | None = None
    missing = 0
    for ticks, name, line in _stamps(path, notes):
        grid = grids.get(name)
        if grid is None:
            continue
        if grid.first is not None and ticks <= grid.last:
            raise UsageError(
                f"{path}, line {line}: the time stamp is not after the one before it",
                remedy="was the TICC started again? Cut the log there",
            )
        grid.count(ticks)
        difference = local.early if local is reference else reference.last - local.last
        paired = None not in (local.first, reference.first) and 2 * abs(difference) < period
        if local is not reference and not paired:
            continue
        gap = 0 if next_place is None else local.place - next_place
        if gap < 0:  # the place has its phase
            continue
        missing += gap
        if missing > _MOST_MISSING:
            raise UsageError(
                f"{path}, line {line}: {missing} pulses are missing", remedy="is --rate right?"
            )
        yield from repeat(math.nan, gap)
        yield difference / _TICKS
        next_place = local.place + 1


def _in_parts(values: Iterator[float]) -> Iterator[Floats]:
    while part := list(islice(values, _PART)):
        yield np.array(part)
