"""The ZeroMQ sockets under a line: one that is served, one that dials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import zmq
from zmq.utils.monitor import recv_monitor_message

from qlab.errors import QlabError, UsageError
from qlab.link.frames import LARGEST_PIECE

__all__ = ["QUEUE", "Dialled", "Private", "Served"]

Part = bytes | memoryview
#: More parts than any envelope has; the rest of a longer message is dropped.
_MOST_PARTS = 4
_LINGER_MS = 1000
#: ZeroMQ's own signs of life, which go on while a party computes.
_HEARTBEAT_MS, _SILENCE_MS = 2_000, 15_000
#: A new connection is ours to begin. With -1, which forbids ZeroMQ to, it drops what came
#: before the old one ended and was not read yet.
_NEVER_MS = 1 << 30
#: More than CURVE adds to a part: a name, flags, a nonce and a tag.
_ENCRYPTION_BYTES = 64
#: Messages that wait in a connection's queue.
QUEUE = 8


@dataclass(frozen=True)
class Private:
    """The key of a listener that only those know who may call (ZeroMQ's CURVE).

    It keeps other users of the machine out and lets nobody read. Between two machines it
    would prove nothing, and is not used.
    """

    public: bytes
    secret: bytes = field(default=b"", repr=False)

    @classmethod
    def drawn(cls) -> Private:
        """Draw a new one.

        Raises
        ------
        QlabError
            If this ZeroMQ was built without it.
        """
        if not zmq.has("curve"):
            raise QlabError(
                "this ZeroMQ cannot encrypt", remedy="install pyzmq with its own libzmq: pip"
            )
        return cls(*zmq.curve_keypair())


class _Socket:
    """What both kinds share."""

    def __init__(self, endpoint: str, private: Private | None) -> None:
        self._endpoint = endpoint
        self._private = private
        self._context = zmq.Context(1)
        self._context.set(zmq.BLOCKY, 0)
        self.closed = False

    def _new(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.MAXMSGSIZE, LARGEST_PIECE + _ENCRYPTION_BYTES),
            (zmq.SNDHWM, 0),  # a line has its own window
            (zmq.RCVHWM, QUEUE),
            (zmq.HEARTBEAT_IVL, _HEARTBEAT_MS),
            (zmq.HEARTBEAT_TIMEOUT, _SILENCE_MS),
            (zmq.IPV6, int("[" in self._endpoint)),
        ):
            socket.setsockopt(option, value)
        return socket


class Served(_Socket):
    """A ROUTER that listens, and remembers with whom it talks.

    Attributes
    ----------
    peer : bytes
        The connection of the other party; empty before there is one.
    """

    def __init__(self, endpoint: str, private: Private | None) -> None:
        super().__init__(endpoint, private)
        self.peer = b""
        self._socket = self._new(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        if private is not None:
            self._socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, private.secret)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close(at_once=True)
            raise UsageError(
                f"cannot listen at {endpoint.removeprefix('tcp://')}: {error.strerror}",
                remedy="choose a free port, and an address of this machine",
            ) from None

    @property
    def port(self) -> int:
        """The port that was taken."""
        endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        return int(endpoint.rpartition(":")[2])

    def receive(self, seconds: float, most: int) -> list[tuple[bytes, list[bytes]]]:
        """Wait for messages; return those that are there, at `most` so many, with their callers."""
        found = []
        if self._socket.poll(round(seconds * 1000)):
            for _ in range(most):
                parts = _message(self._socket)
                if not parts:
                    break
                if len(parts) > 1:
                    found.append((parts[0], parts[1:]))
        return found

    def send(self, parts: Sequence[Part]) -> bool:
        """Send to the other party; False if its connection is gone."""
        return self.send_to(self.peer, *parts)

    def send_to(self, caller: bytes, *parts: Part) -> bool:
        """Send to a caller; False if its connection is gone."""
        try:
            self._socket.send_multipart([caller, *parts], zmq.NOBLOCK, copy=_is_small(parts))
        except zmq.ZMQError:  # EHOSTUNREACH: the connection is gone
            return False
        return True

    def close(self, *, at_once: bool = False) -> None:
        """Close after a moment in which what was sent can leave."""
        if not self.closed:
            self.closed = True
            self._socket.close(linger=_LINGER_MS if self.peer and not at_once else 0)
            self._context.term()


class Dialled(_Socket):
    """A DEALER that connects, anew for each connection."""

    def __init__(self, endpoint: str, private: Private | None) -> None:
        super().__init__(endpoint, private)
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None

    @property
    def port(self) -> int:
        """The port that is connected to."""
        return int(self._endpoint.rpartition(":")[2])

    def dial(self) -> None:
        """Drop the connection, with all that is still in it, and begin another."""
        self._hang_up(0)
        socket = self._new(zmq.DEALER)
        if self._private is not None:
            public, secret = zmq.curve_keypair()
            socket.setsockopt(zmq.CURVE_SERVERKEY, self._private.public)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        socket.setsockopt(zmq.RECONNECT_IVL, _NEVER_MS)
        self._monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
        socket.connect(self._endpoint)
        self._socket = socket

    def receive(self, seconds: float, most: int) -> tuple[list[list[bytes]], bool]:
        """Wait for messages; return at `most` so many, and whether there is no connection.

        If there is none, all that it left behind is returned.
        """
        if self._socket is None or self._monitor is None:
            return [], False
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        ready = dict(poller.poll(round(seconds * 1000)))
        broken = False
        while self._monitor in ready and self._monitor.poll(0):
            recv_monitor_message(self._monitor)
            broken = True
        found: list[list[bytes]] = []
        while (len(found) < most or broken) and (parts := _message(self._socket)):
            found.append(parts)
        return found, broken

    def send(self, parts: Sequence[Part]) -> bool:
        """Send; False if the connection is gone."""
        assert self._socket is not None
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK, copy=_is_small(parts))
        except zmq.Again:
            return False
        return True

    def close(self, *, at_once: bool = False) -> None:
        """Close after a moment in which what was sent can leave."""
        if not self.closed:
            self.closed = True
            self._hang_up(0 if at_once else _LINGER_MS)
            self._context.term()

    def _hang_up(self, linger_ms: int) -> None:
        if self._socket is not None and self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close(linger=linger_ms)
            self._socket = self._monitor = None


def _is_small(parts: Sequence[Part]) -> bool:
    return sum(map(len, parts)) < 1 << 16


def _message(socket: zmq.Socket[bytes]) -> list[bytes]:
    """Return the parts of the next message, few enough; empty if there is none."""
    parts: list[bytes] = []
    try:
        parts.append(socket.recv(zmq.NOBLOCK))
    except zmq.Again:
        return parts
    while socket.getsockopt(zmq.RCVMORE):
        part = socket.recv()
        if len(parts) < _MOST_PARTS:
            parts.append(part)
    return parts
