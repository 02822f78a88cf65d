"""The one small interface through which a driver reaches its instrument.

What is read is a byte stream with end marks. A message-based carrier (USBTMC,
GPIB, VXI-11, HiSLIP) marks the end of each message; a plain stream (serial,
socket) never does. Nothing else about the carrier shows through.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Transport"]


@runtime_checkable
class Transport(Protocol):
    """Bytes to and from one session of one instrument.

    All calls raise `drivers.core.errors.CommunicationError` or a subclass:
    `ResponseTimeoutError` (with the partial bytes) when a read is not complete within
    `timeout_s`, `ConnectionLostError` when the session broke.
    """

    address: str
    timeout_s: float

    def write(self, data: bytes) -> None:
        """Send all of `data` as one message."""

    def read_until(self, end: bytes) -> bytes:
        r"""Read up to and including `end` (such as ``b"\n"``).

        A message-based carrier also ends the read at the end mark of the
        message, whether or not the bytes end in `end`.
        """

    def read_exactly(self, count: int) -> bytes:
        """Read exactly `count` bytes, whatever they are, across end marks if need be."""

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Read what has arrived; wait at most `wait_s` for the first byte; may be empty."""

    def status_byte(self) -> int:
        """Return the IEEE 488.1 status byte by serial poll, without a query."""

    def clear(self) -> None:
        """Clear the device: drop pending input and output (on a stream: drop input)."""

    def trigger(self) -> None:
        """Send the group execute trigger."""

    def close(self) -> None:
        """Close the session; a second close does nothing."""
