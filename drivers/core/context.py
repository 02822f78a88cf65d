"""What a run lends to drivers and calibrations: time, entropy and a record.

These are the only doors to the outside besides the transports, so that
whatever a run depends on can be recorded and given back on replay.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

__all__ = ["Clock", "Entropy", "Kind", "Recorder", "Status"]


class Kind(IntEnum):
    """What a journal record is about. The numbers are part of the file format."""

    OPEN = 1
    CLOSE = 2
    WRITE = 3
    READ = 4
    STATUS = 5
    CLEAR = 6
    TRIGGER = 7
    ATTRIBUTE = 8
    CLOCK = 9
    ENTROPY = 10
    MESSAGE = 11
    CONFIG = 12  # reserved; nothing writes it yet
    LOG = 13
    ABORT = 14


class Status(IntEnum):
    """How an exchange ended. The numbers are part of the file format."""

    OK = 0
    END = 1  # complete, and the carrier marked the end of the message
    TIMEOUT = 2  # the data are what arrived before the time-out
    LOST = 3  # the session broke
    REFUSED = 4  # nothing answered at the address
    ERROR = 5  # any other failure; the data are its text
    AVAILABLE = 6  # the answer to read_available: complete as it stands, maybe empty


class Clock(Protocol):
    """The run's time. Virtual on the in-process bench, real elsewhere."""

    def now_ns(self) -> int:
        """Return nanoseconds since the start of the run; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; may be ended early by an abort."""


class Entropy(Protocol):
    """Named streams of random bytes, each with one consumer."""

    def take(self, stream: str, count: int) -> bytes:
        """Return the next `count` bytes of the stream called `stream`."""


class Recorder(Protocol):
    """Takes one record of something that happened, in order."""

    def record(
        self,
        source: str,
        kind: Kind,
        data: bytes | bytearray | memoryview = b"",
        *,
        session: int = 0,
        requested: int = 0,
        status: Status = Status.OK,
    ) -> None:
        """Append a record.

        `source` names the instrument (as in the station file), or ``clock``,
        ``entropy:STREAM``, ``run``; `session` counts its opens from 0, those of
        foreign drivers from 65536; `requested` is the byte count or terminator asked
        for, where there is one.
        """
