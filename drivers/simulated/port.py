"""Where a carrier plugs into a simulated device.

A device has one or more ports (GPIB, USB, LAN, RS-232). A carrier opens a
session on a port and moves bytes; it never learns what the device is. Output
is timed: each piece of a reply has the bench time at which it is ready, so a
carrier knows how long to wait and a virtual bench how far to jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Connector", "Port", "PortSession", "Reading", "SessionLost"]

Connector = Literal["gpib", "usb", "lan", "serial"]


class SessionLost(Exception):  # noqa: N818 - an event on the line, not an error of the caller
    """The device hung up: its fault switch, a reset, or the far end closed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes that a session has ready now.

    `end` marks the end of a message on message-based connectors; serial ports
    never set it.
    """

    data: bytes
    end: bool


class PortSession(Protocol):
    """One open session on a port. Calls never block; time belongs to the carrier."""

    def write(self, data: bytes, end: bool) -> int:
        """Take bytes from the host; `end` closes the message.

        Returns the bench time in ns at which the device has taken them in (a
        real unit stalls the bus while it digests a waveform).
        """

    def ready_at(self) -> int | None:
        """Return the bench time at which the next byte is ready; None if none is coming."""

    def read(self, count: int) -> Reading:
        """Take at most `count` bytes that are ready now, never past an end mark."""

    def status_byte(self) -> int:
        """Return the status byte of a serial poll (GPIB, USBTMC, VXI-11)."""

    def clear(self) -> None:
        """Device clear: input and output buffers of this session are emptied."""

    def trigger(self) -> None:
        """Group execute trigger."""

    def close(self) -> None:
        """End the session."""


class Port(Protocol):
    """A connector of a device."""

    connector: Connector

    def open(self) -> PortSession:
        """Open one more session with buffers of its own."""
