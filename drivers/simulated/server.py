"""A simulated bench in real time behind sockets and pseudo-terminals.

One thread moves all bytes and touches the devices; each connection has a
session of its own on its port. Nothing is buffered without bound: a host that
does not read stops the device's output, a device that still digests stops the
host's.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from drivers.core.errors import MisuseError
from drivers.simulated.port import MESSAGE_BASED, Port, PortSession, SessionLost
from drivers.simulated.time import RealTime

__all__ = ["Server", "Wire"]

_CHUNK = 1 << 16
_OUTPUT_LIMIT = 1 << 20
_CONNECTION_LIMIT = 64
_PATIENCE_S = 0.5


class Wire(Protocol):
    """A connection to one host; not blocking."""

    def fileno(self) -> int:
        """Return what to wait on."""

    def receive(self, count: int) -> bytes:
        """Return what has come; empty if the host has gone."""

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send what can be sent now and return how much that was."""

    def close(self) -> None:
        """Close the connection."""


class Server:
    """Serves ports of simulated devices until it is closed; a context manager.

    `drivers.simulated.tcp.serve_tcp` and `drivers.simulated.pty.serve_pty` add
    what it serves.
    """

    def __init__(self, time: RealTime) -> None:
        self.time = time
        self._selector = selectors.DefaultSelector()
        self._connections: list[_Connection] = []
        self._listeners: list[socket.socket] = []
        self._wake_here, self._wake_there = socket.socketpair()
        self._wake_here.setblocking(False)
        self._selector.register(self._wake_here, selectors.EVENT_READ, None)
        self._orders: list[Callable[[], None]] = []
        self._orders_lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="simulated-bench", daemon=True)
        self._thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def listen(
        self, listener: socket.socket, port: Port, wire: Callable[[socket.socket], Wire]
    ) -> None:
        """Accept connections on a listening socket; each gets a session on `port`."""
        require_stream(port)
        listener.setblocking(False)

        def accept() -> None:
            with contextlib.suppress(OSError):  # the host may have gone again
                accepted, _ = listener.accept()
                if len(self._connections) >= _CONNECTION_LIMIT:
                    accepted.close()
                else:
                    self._connect(wire(accepted), port)

        def begin() -> None:
            self._listeners.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, accept)

        self._order(begin)

    def attach(self, wire: Wire, port: Port) -> None:
        """Join one connection that exists already to a session on `port`."""
        require_stream(port)
        self._order(lambda: self._connect(wire, port))

    def close(self) -> None:
        """Close all connections and stop; a second call does nothing."""
        if self._closing:
            return
        self._closing = True
        self._wake()
        self._thread.join()
        self._wake_here.close()
        self._wake_there.close()

    # ---- on the server's thread ------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, _ in self._selector.select(self._rest_s()):
                    if key.data is not None:
                        key.data()
                    else:
                        self._obey_orders()
                for connection in list(self._connections):
                    if not connection.move():
                        self._drop(connection)
        finally:
            for connection in list(self._connections):
                self._drop(connection)
            for listener in self._listeners:
                listener.close()
            self._selector.close()

    def _rest_s(self) -> float | None:
        due = [c.due_ns for c in self._connections if c.due_ns is not None]
        return max(0.0, (min(due) - self.time.now_ns()) * 1e-9) if due else None

    def _connect(self, wire: Wire, port: Port) -> None:
        try:
            with self.time.lock:
                session = port.open()
        except SessionLost:
            wire.close()
            return
        self._connections.append(_Connection(wire, session, self.time, self._selector))

    def _drop(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        connection.close()

    # ---- from other threads ------------------------------------------------------------

    def _order(self, order: Callable[[], None]) -> None:
        """Let the server's thread do something and wait until it has."""
        if self._closing:
            raise MisuseError("the server is closed")
        done = threading.Event()

        def obey() -> None:
            try:
                order()
            finally:
                done.set()

        with self._orders_lock:
            self._orders.append(obey)
        self._wake()
        while not done.wait(_PATIENCE_S):
            if not self._thread.is_alive():
                raise MisuseError("the server has failed; its traceback says why")

    def _wake(self) -> None:
        self._wake_there.send(b"!")

    def _obey_orders(self) -> None:
        self._wake_here.recv(_CHUNK)
        with self._orders_lock:
            orders, self._orders = self._orders, []
        for order in orders:
            order()


class _Connection:
    """One host on one session; `due_ns` is when to look at it though nothing has come."""

    def __init__(
        self,
        wire: Wire,
        session: PortSession,
        time: RealTime,
        selector: selectors.BaseSelector,
    ) -> None:
        self.due_ns: int | None = None
        self._wire = wire
        self._session = session
        self._time = time
        self._selector = selector
        self._output = bytearray()
        self._taken_ns = 0
        self._alive = True
        self._interest = selectors.EVENT_READ
        selector.register(wire.fileno(), self._interest, self._receive)

    def move(self) -> bool:
        """Move what can be moved; return whether the connection lives."""
        if self._alive:
            try:
                self._collect()
                self._send()
            except (OSError, SessionLost):
                self._alive = False
        if self._alive:
            self._watch()
        return self._alive

    def close(self) -> None:
        if self._interest:
            self._selector.unregister(self._wire.fileno())
        self._wire.close()
        with self._time.lock:
            self._session.close()

    def _receive(self) -> None:
        if not self._alive or self._time.now_ns() < self._taken_ns:
            return
        if not self._interest & selectors.EVENT_READ:
            return  # it has been called because the host takes more, not because it may ask more
        try:
            data = self._wire.receive(_CHUNK)
            if not data:
                self._alive = False
                return
            with self._time.lock:
                self._taken_ns = self._session.write(data, False)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, SessionLost):
            self._alive = False

    def _collect(self) -> None:
        session = self._session
        with self._time.lock:
            self.due_ns = session.ready_at()
            while (
                self.due_ns is not None
                and self.due_ns <= self._time.now_ns()
                and len(self._output) < _OUTPUT_LIMIT
            ):
                self._output += session.read(_CHUNK).data
                self.due_ns = session.ready_at()

    def _send(self) -> None:
        while self._output:
            try:
                sent = self._wire.send(self._output)
            except (BlockingIOError, InterruptedError):
                return
            del self._output[:sent]

    def _watch(self) -> None:
        """Wait for what the host sends unless the device is busy, and to send what is left."""
        interest = selectors.EVENT_WRITE if self._output else 0
        with self._time.lock:
            behind = self._session.backlog() >= _OUTPUT_LIMIT
        if len(self._output) >= _OUTPUT_LIMIT:
            self.due_ns = None  # nothing more, either way, until the host has read some
        elif behind:
            pass  # nothing more is asked until some of the answers have gone
        elif self._time.now_ns() >= self._taken_ns:
            interest |= selectors.EVENT_READ
        elif self.due_ns is None or self._taken_ns < self.due_ns:
            self.due_ns = self._taken_ns
        if interest == self._interest:
            return
        if self._interest:
            self._selector.unregister(self._wire.fileno())
        if interest:
            self._selector.register(self._wire.fileno(), interest, self._receive)
        self._interest = interest


def require_stream(port: Port) -> None:
    """Raise `MisuseError` for a port that cannot do without end marks."""
    if port.connector in MESSAGE_BASED:
        raise MisuseError(
            f"a {port.connector} port cannot be served as a stream of bytes",
            remedy="serve the device's socket or serial port",
        )
