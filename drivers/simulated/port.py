"""Where a carrier plugs into a simulated device.

A device has one or more ports (GPIB, USB, LAN, RS-232). A carrier opens a
session on a port and moves bytes; it never learns what the device is. Output
is timed: each piece of a reply has the bench time at which it is ready, so a
carrier knows how long to wait and a virtual bench how far to jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["MESSAGE_BASED", "Connector", "Port", "PortSession", "Reading", "SessionLost"]

#: ``lan`` is VXI-11 or HiSLIP, ``socket`` a raw TCP port of the same unit.
Connector = Literal["gpib", "usb", "lan", "socket", "serial"]

#: The connectors that mark the end of a message and know a status byte.
MESSAGE_BASED: frozenset[Connector] = frozenset({"gpib", "usb", "lan"})


class SessionLost(Exception):  # noqa: N818 - an event on the line, not an error of the caller
    """The device hung up: its fault switch, a reset, or the far end closed."""


@dataclass(slots=True)
class Reading:
    """Bytes that a session has ready now.

    `end` marks the end of a message on message-based connectors; raw sockets
    and serial ports never set it.
    """

    data: bytes
    end: bool


class PortSession(Protocol):
    """One open session on a port.

    Calls never block; time belongs to the carrier, which holds the bench's lock
    (`drivers.simulated.time.BenchTime.lock`) during each call. All raise
    `SessionLost` once the device has hung up, except `close`.
    """

    def write(self, data: bytes, end: bool) -> int:
        """Take bytes from the host; `end` closes the message.

        Returns the bench time in ns at which the device has taken them in (a
        real unit stalls the bus while it digests a waveform).
        """

    def ready_at(self, count: int = 1, stop: bytes = b"") -> int | None:
        """Return the bench time at which it is worth reading `count` bytes.

        That is when `count` bytes, an end mark or the byte `stop` will be there,
        or when a source that cannot be foreseen will next have something. None
        if nothing is coming.
        """

    def read(self, count: int, stop: bytes = b"") -> Reading:
        """Take at most `count` bytes that are ready now.

        Never goes past an end mark, nor past the first byte `stop` if one is
        given. With nothing to say the device takes this as being addressed to
        talk, which an IEEE 488.2 unit reports as an error.
        """

    def waiting(self) -> int:
        """Return how many bytes are ready now."""

    def backlog(self) -> int:
        """Return how many bytes are ready or on their way, as far as they are known."""

    def status_byte(self) -> int:
        """Return the status byte of a serial poll (GPIB, USBTMC, VXI-11)."""

    def service_request_at(self) -> int | None:
        """Return the bench time at which the device requests service.

        Not after the present if it does so now, None if no request is in sight.
        """

    def configure(self, baud: int) -> None:
        """Set the host's baud rate on a serial port; at a wrong one nothing gets through."""

    def clear(self) -> None:
        """Device clear: input and output buffers of this session are emptied."""

    def trigger(self) -> None:
        """Group execute trigger."""

    def close(self) -> None:
        """End the session; a second close does nothing."""


class Port(Protocol):
    """A connector of a device."""

    @property
    def connector(self) -> Connector:
        """What kind of connector it is."""

    def open(self) -> PortSession:
        """Open one more session with buffers of its own.

        Raises `SessionLost` if the device is gone.
        """
