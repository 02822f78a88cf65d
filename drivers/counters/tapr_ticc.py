"""TAPR TICC two-channel timestamping counter.

Source: the firmware, ``TICC/TICC.ino`` and ``TICC/config.cpp`` of TAPR/TICC.

The unit talks by itself and is asked nothing. Opening its port resets it; then it
prints what it is and how it is set up, all in lines that begin with ``#``, and some
seconds later a line for every result. It is set up by its own menu, on a terminal;
this driver changes nothing. The mode ``Timestamp``, its default, serves best: in
``Interval`` the firmware goes on pairing the wrong pulses after one is missing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from drivers.core import (
    DriverError,
    Instrument,
    InstrumentFaultError,
    LineSettings,
    Link,
    MisuseError,
    ResponseTimeoutError,
    ValueOutOfRangeError,
)
from drivers.core.reporting import ErrorReporting

__all__ = ["TAPRTICC", "Mode", "Reading", "parse_reading"]

Mode = Literal["timestamp", "interval", "period", "timelab", ""]

#: How the last line before the results begins, in each mode (TICC.ino).
_HEADERS: dict[str, Mode] = {
    "# timestamp chA": "timelab",
    "# timestamp (": "timestamp",
    "# time interval": "interval",
    "# period": "period",
}
_FAULTS = ("# 10 MHZ Reference lost", "# No COARSE_CLOCK")
_LINE = re.compile(
    r"(?P<sign>-?)(?P<whole>[0-9]{1,12})\.(?P<part>[0-9]{0,12})"
    r" (?:ch(?P<channel>\S)(?: \(int\(B\) \+ \(B - A\)\))?|TI\(A->B\))"
)
#: Longest silence at start: sleeps of the firmware add up to some six seconds.
_START_S = 12.0
_LINES_AT_START = 200
#: So many results and no word of a start: the unit was not reset and goes on.
_READINGS_WITHOUT_RESET = 5
_HALF_SECOND_PS = 500_000_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of results.

    Attributes
    ----------
    channel : str
        Name of the channel, as A or B; empty for an interval from A to B.
    picoseconds : int
        Time stamp since the start, period or interval.
    """

    channel: str
    picoseconds: int


def parse_reading(line: str) -> Reading:
    """Read a line of results.

    Raises
    ------
    ValueError
        If it is none.
    """
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise ValueError(line)
    size = int(found["whole"]) * 10**12 + int(found["part"].ljust(12, "0"))
    return Reading(found["channel"] or "", -size if found["sign"] else size)


class _Unasked:
    """The unit is told nothing; what it has said is not to be dropped, nor cut."""

    def forget(self, link: Link) -> None:
        """Keep everything."""

    def send(self, link: Link, command: str) -> None:
        """Send what nobody checks."""
        link.write(command.encode("ascii"))


class TAPRTICC(Instrument):
    """A timestamping counter. Satisfies `drivers.roles.IntervalCounter`.

    Attributes
    ----------
    mode : str
        What the unit said it prints: ``timestamp``, ``interval``, ``period`` or
        ``timelab``; empty if the port was opened without a reset.
    names : tuple of two str
        Names of its channels.
    """

    line: ClassVar[LineSettings] = LineSettings(
        write_end=b"", read_end=b"\r\n", timeout_s=2.5, baud_rate=115200
    )
    reporting: ErrorReporting = _Unasked()
    identity_query: ClassVar[str] = ""
    identity_pattern: ClassVar[str] = r"TAPR TICC.*"

    mode: Mode = ""
    names: tuple[str, str] = ("A", "B")
    _pending: bytes = b""
    _within_s = 2.5
    _sign = 1

    def identify(self) -> str:
        """Listen to the unit's start, and return its firmware version.

        Raises
        ------
        ResponseTimeoutError
            If it says nothing.
        """
        identity, self._pending, self.mode = "", b"", ""
        readings = 0  # some may still come from before the reset
        for _ in range(_LINES_AT_START):
            line = self._next_line(_START_S)
            if line is None and readings:
                break
            if line is None:
                raise ResponseTimeoutError(
                    "it says nothing",
                    instrument=self.name,
                    address=self.address,
                    remedy="check its cable, 10 MHz and that it is no client waiting for sync",
                )
            if "TAPR TICC" in line:
                identity = "TAPR TICC"
            elif line.startswith("# Software Version:"):
                identity = f"TAPR TICC {line.partition(':')[2].strip()}"
            elif line.startswith("# Channel Names:"):
                first, _, second = line.partition(":")[2].strip().partition("/")
                self.names = (first, second)
            elif mode := next((m for start, m in _HEADERS.items() if line.startswith(start)), None):
                self.mode = mode
                break
            elif _is_reading(line):
                identity, readings = identity or "TAPR TICC", readings + 1
                if readings == _READINGS_WITHOUT_RESET:
                    break
            self._look_for_faults(line)
        return identity

    def take_readings(self) -> list[Reading]:
        """Return the results that have come since the last call, oldest first.

        Lines that are none, such as one that was cut off, are dropped.

        Raises
        ------
        InstrumentFaultError
            If the unit has lost its 10 MHz.
        """
        *lines, self._pending = (self._pending + self.link.read_available()).split(b"\n")
        found = []
        for raw in lines:
            line = raw.decode("ascii", "replace").strip()
            self._look_for_faults(line)
            if _is_reading(line):
                found.append(parse_reading(line))
        return found

    def prepare_intervals(self, start: int = 1, stop: int = 2, within_s: float = 2.5) -> None:
        """Set up for intervals between channels A (1) and B (2).

        Raises
        ------
        MisuseError
            If the unit prints neither time stamps nor intervals.
        """
        if {start, stop} != {1, 2}:
            raise ValueOutOfRangeError(
                f"no interval from channel {start} to {stop}",
                instrument=self.name,
                remedy="choose 1 to 2 or 2 to 1",
            )
        if self.mode not in ("timestamp", "timelab", "interval"):
            raise MisuseError(
                f"it prints {self.mode or 'nobody knows what'}",
                instrument=self.name,
                address=self.address,
                remedy="set it to Timestamp in its menu, or press its reset button and reopen",
            )
        self._sign = 1 if start == 1 else -1
        self._within_s = within_s

    def begin_interval(self) -> None:
        """Forget what has come, so that the next pulses count.

        Raises
        ------
        InstrumentFaultError
            If the unit has lost its 10 MHz.
        """
        self.take_readings()

    def interval_s(self) -> float:
        """Return the next interval in seconds, nan if it does not come in time.

        Of time stamps it is that of two pulses less than half a second apart.

        Raises
        ------
        InstrumentFaultError
            If the unit has lost its 10 MHz.
        """
        latest: dict[str, int] = {}
        while True:
            line = self._next_line(self._within_s)
            if line is None:
                return math.nan
            self._look_for_faults(line)
            if not _is_reading(line):
                continue
            reading = parse_reading(line)
            if self.mode == "interval":
                if not reading.channel:
                    return self._sign * reading.picoseconds * 1e-12
                continue
            latest[reading.channel] = reading.picoseconds
            if all(name in latest for name in self.names):
                apart = latest[self.names[1]] - latest[self.names[0]]
                if abs(apart) < _HALF_SECOND_PS:
                    return self._sign * apart * 1e-12

    def _next_line(self, wait_s: float) -> str | None:
        """Return the next line; None if it does not come within `wait_s`."""
        line, end, rest = self._pending.partition(b"\n")
        self._pending = rest
        if not end:
            try:
                with self.link.patience(wait_s - self.line.timeout_s):
                    line += self.link.transport.read_until(b"\n")
            except ResponseTimeoutError as error:
                self._pending = line + error.partial
                return None
            except DriverError as error:
                raise error.located(self.name, self.address) from None
        return line.decode("ascii", "replace").strip()

    def _look_for_faults(self, line: str) -> None:
        if line.startswith(_FAULTS):
            raise InstrumentFaultError(
                f"said {line!r}",
                reply=line,
                instrument=self.name,
                address=self.address,
                remedy="bring its 10 MHz back and reopen it",
            )


def _is_reading(line: str) -> bool:
    return _LINE.fullmatch(line) is not None
