"""A transport over a raw TCP socket: ``TCPIP0::HOST::PORT::SOCKET`` or ``socket://HOST:PORT``.

Neither pyvisa-py nor pyserial is one to rely on here: the first opens sockets
that were refused without a word and waits for ever on one whose far end has
closed, the second then leaves it open.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from typing import NoReturn

from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.link import LineSettings

__all__ = ["SocketTransport", "is_socket_address", "socket_connector"]

_ADDRESS = re.compile(
    r"TCPIP\d*::(?P<host>.+)::(?P<port>\d+)::SOCKET|socket://(?P<host2>.+):(?P<port2>\d+)/?",
    re.IGNORECASE,
)
_CHUNK = 1 << 16
#: A unit that digests a waveform takes its time before it reads on.
_WRITE_S = 10.0
#: What `read_available` returns at most; a unit that talks without end is cut short.
_MOST = 1 << 24


def is_socket_address(address: str) -> bool:
    """Whether `address` is a raw TCP socket."""
    return _ADDRESS.fullmatch(address) is not None


def socket_connector(address: str, line: LineSettings) -> SocketTransport:
    """Open a raw TCP socket; a `drivers.core.link.Connect`."""
    return SocketTransport(address, line)


class SocketTransport:
    """One TCP connection; see `drivers.core.transport.Transport`.

    Raises
    ------
    NoConnectionError
        If nobody answers at the address, or it is none.
    """

    def __init__(self, address: str, line: LineSettings) -> None:
        self.address = address
        self.timeout_s = line.timeout_s
        self._held = bytearray()
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise NoConnectionError("not the address of a raw socket", address=address)
        host = (match["host"] or match["host2"]).strip("[]")
        try:
            self._socket = socket.create_connection(
                (host, int(match["port"] or match["port2"])), timeout=line.timeout_s
            )
        except (OSError, OverflowError) as error:
            raise NoConnectionError(
                f"nothing can be opened there: {error}",
                address=address,
                remedy="check the address, that the instrument is on, and the network",
            ) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._socket.settimeout(max(_WRITE_S, self.timeout_s))
            self._socket.sendall(data)
        except TimeoutError:
            raise ResponseTimeoutError("the instrument does not take data") from None
        except OSError as error:
            self._lost(error)

    def read_until(self, end: bytes) -> bytes:
        """Read up to and including `end`."""
        deadline = time.monotonic() + self.timeout_s
        looked_at = 0
        while True:
            at = self._held.find(end, looked_at)
            if at >= 0:
                return self._take(at + len(end))
            looked_at = max(0, len(self._held) - len(end) + 1)
            self._receive(deadline)

    def read_exactly(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        deadline = time.monotonic() + self.timeout_s
        while len(self._held) < count:
            self._receive(deadline)
        return self._take(count)

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Read what has arrived; wait at most `wait_s` for the first byte."""
        deadline = time.monotonic() + (0.0 if self._held else wait_s)
        while len(self._held) < _MOST and self._arrives(deadline):
            deadline = 0.0
        return self._take(len(self._held))

    def status_byte(self) -> int:
        """Refuse: a raw socket has no serial poll."""
        raise CommunicationError("a raw socket has no status byte", address=self.address)

    def clear(self) -> None:
        """Drop the input."""
        self.read_available()

    def trigger(self) -> None:
        """Refuse: a raw socket has no trigger."""
        raise CommunicationError("a raw socket has no trigger message", address=self.address)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):  # the far end may have closed it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _take(self, count: int) -> bytes:
        data = bytes(self._held[:count])
        del self._held[:count]
        return data

    def _receive(self, deadline: float) -> None:
        """Hold some more bytes, or raise with those that are held."""
        if not self._arrives(deadline):
            raise ResponseTimeoutError(
                f"nothing complete within {self.timeout_s:g} s",
                partial=self._take(len(self._held)),
            )

    def _arrives(self, deadline: float) -> bool:
        """Hold what arrives before `deadline`, and return whether anything did."""
        try:
            self._socket.settimeout(max(0.0, deadline - time.monotonic()))
            data = self._socket.recv(_CHUNK)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            self._lost(error)
        if not data:
            self._lost("the far end has closed")
        self._held += data
        return True

    def _lost(self, error: object) -> NoReturn:
        raise ConnectionLostError(f"the connection broke: {error}") from None
