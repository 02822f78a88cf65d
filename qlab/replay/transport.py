"""A transport that answers from the journal and checks what is sent against it."""

from __future__ import annotations

from itertools import count
from typing import NoReturn

from drivers.core.context import Kind, Status
from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.link import Connect, LineSettings
from qlab.replay.errors import shown
from qlab.replay.journal import Cursor, Journal

__all__ = ["ReplayTransport", "replay_connector"]


def replay_connector(source: str, journal: Journal) -> Connect:
    """Return a `Connect` that gives the recorded sessions 0, 1, ... of `source`."""
    sessions = count()

    def connect(address: str, line: LineSettings) -> ReplayTransport:
        cursor = journal.cursor(source, next(sessions))
        text, status, _ = cursor.take(Kind.OPEN, f"opens {address}")
        if status is Status.REFUSED:
            raise NoConnectionError(text.decode(), address=address)
        return ReplayTransport(address, cursor, line)

    return connect


class ReplayTransport:
    """One recorded session; see `drivers.core.transport.Transport`.

    What is read is a byte stream with end marks, so newer code may read in
    other pieces than the recorded one; what is written must match exactly.
    """

    def __init__(self, address: str, cursor: Cursor, line: LineSettings) -> None:
        self.address = address
        self.timeout_s = line.timeout_s
        self._cursor = cursor
        self._unread = bytearray()
        self._closed = False

    def write(self, data: bytes) -> None:
        """Compare with what was sent."""
        cursor = self._cursor
        at = cursor.exchange
        expected, status, _ = cursor.take(Kind.WRITE, f"sends {shown(data)}")
        if expected != data:
            cursor.at -= 1
            assert cursor.exchange == at
            cursor.diverge(*_difference(expected, data))
        cursor.stop_if_aborted()
        if status is not Status.OK:
            text, _, _ = cursor.take(Kind.LOG, "fails to send")
            self._fail(status, text)

    def read_until(self, end: bytes) -> bytes:
        """Return a recorded line or message."""
        if not self._unread and self._next_is_line():
            return self._take()
        while True:
            at = self._unread.find(end)
            if at >= 0:
                return self._split(at + len(end))
            whole = self._next_is_line()
            self._unread += self._take()
            if whole:
                return self._split(len(self._unread))

    def read_exactly(self, count: int) -> bytes:
        """Return `count` recorded bytes."""
        if not self._unread and count:
            data = self._take()
            if len(data) == count:
                return data
            self._unread += data
        while len(self._unread) < count:
            self._unread += self._take()
        return self._split(count)

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Return what one recorded look at the line gave."""
        if self._unread:
            return self._split(len(self._unread))
        return self._take()

    def status_byte(self) -> int:
        """Return a recorded serial poll."""
        data, status, _ = self._cursor.take(Kind.STATUS, "polls the status byte")
        if status is not Status.OK:
            self._fail(status, data)
        return data[0]

    def clear(self) -> None:
        """Follow a recorded device clear."""
        self._unread.clear()
        self._act(Kind.CLEAR, "clears the device")

    def trigger(self) -> None:
        """Follow a recorded trigger."""
        self._act(Kind.TRIGGER, "triggers the device")

    def close(self) -> None:
        """Follow the recorded close."""
        if not self._closed:
            self._closed = True
            self._cursor.take(Kind.CLOSE, "closes the session")

    def _act(self, kind: Kind, doing: str) -> None:
        text, status, _ = self._cursor.take(kind, doing)
        if status is not Status.OK:
            self._fail(status, text)

    def _next_is_line(self) -> bool:
        cursor = self._cursor
        return cursor.next_kind() is Kind.READ and cursor.next_status() is Status.END

    def _take(self) -> bytes:
        data, status, _ = self._cursor.take(Kind.READ, "reads")
        self._cursor.stop_if_aborted()
        if status not in (Status.OK, Status.END, Status.AVAILABLE):
            partial = bytes(self._unread)
            self._unread.clear()
            self._fail(status, data, partial)
        return data

    def _fail(self, status: Status, data: bytes, partial: bytes = b"") -> NoReturn:
        """Raise what the recorded transport raised, in the same words."""
        if status is Status.TIMEOUT:
            raise ResponseTimeoutError(
                f"nothing complete within {self.timeout_s:g} s", partial=partial + data
            )
        text = data.decode("utf-8", "replace")
        if status is Status.LOST:
            raise ConnectionLostError(text)
        raise CommunicationError(text)

    def _split(self, count: int) -> bytes:
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data


def _difference(expected: bytes, got: bytes) -> tuple[str, str]:
    """Show both messages, from near the first difference if they are long."""
    if max(len(expected), len(got)) <= 64:
        return shown(expected), shown(got)
    same = next(
        (i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b),
        min(len(expected), len(got)),
    )
    start = max(0, same - 8)
    return tuple(  # type: ignore[return-value]  # two elements, one for each message
        f"{len(m)} bytes with {m[start : same + 24]!r} at {start}" for m in (expected, got)
    )
