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
from qlab.replay.journal import Cursor, Journal, Taken

__all__ = ["ReplayTransport", "replay_connector"]

_GOOD = (Status.OK, Status.END, Status.AVAILABLE)
_LINE = -1  # what is noted as requested of a read up to a terminator


def replay_connector(source: str, journal: Journal) -> Connect:
    """Return a `Connect` that gives the recorded sessions 0, 1, ... of `source`."""
    sessions = count()

    def connect(address: str, line: LineSettings) -> ReplayTransport:
        cursor = journal.cursor(source, next(sessions))
        opened = cursor.take(Kind.OPEN, f"opens {address}")
        if opened.status is not Status.OK:
            raise NoConnectionError(opened.data.decode("utf-8", "replace"), address=address)
        return ReplayTransport(address, cursor, line)

    return connect


class ReplayTransport:
    """One recorded session; see `drivers.core.transport.Transport`.

    A read that asks for what was asked for in the run gets what the run got. Else
    the recorded reads are one stream of bytes with end marks, so newer code may
    read in other pieces. What is written must match exactly.
    """

    def __init__(self, address: str, cursor: Cursor, line: LineSettings) -> None:
        self.address = address
        self.timeout_s = line.timeout_s
        self._cursor = cursor
        self._unread = bytearray()
        self._ends: list[int] = []  # places in it behind which an end mark stands
        self._failure: Taken | None = None  # what follows it
        self._closed = False

    def write(self, data: bytes) -> None:
        """Compare with what was sent."""
        taken = self._take(Kind.WRITE, f"sends {self._cursor.shown(data)}")
        self._cursor.match(taken.data, data)
        self._cursor.stop_if_aborted()
        if taken.status is not Status.OK:
            text = self._cursor.take(Kind.LOG, "fails to send").data
            self._cursor.stop_if_aborted()
            _fail(taken.status, text)

    def read_until(self, end: bytes) -> bytes:
        """Return a recorded line or message."""
        if self._asks_the_same(_LINE):
            return self._good(self._read())
        while True:
            stops = self._ends[:1]
            found = self._unread.find(end)
            if found >= 0:
                stops.append(found + len(end))
            if stops:
                return self._split(min(stops))
            self._more()

    def read_exactly(self, count: int) -> bytes:
        """Return `count` recorded bytes."""
        if self._asks_the_same(count):
            return self._good(self._read())
        while len(self._unread) < count:
            self._more()
        return self._split(count)

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Return what one recorded look at the line gave, or is left of it."""
        if self._unread:
            return self._split(len(self._unread))
        if self._asks_the_same(0):
            return self._good(self._read())
        failure, self._failure = self._failure, None
        taken = failure or self._read()
        return taken.data if taken.status is Status.TIMEOUT else self._good(taken)

    def status_byte(self) -> int:
        """Return a recorded serial poll."""
        return self._act(Kind.STATUS, "polls the status byte")[0]

    def clear(self) -> None:
        """Follow a recorded device clear."""
        self._act(Kind.CLEAR, "clears the device")
        self._unread.clear()
        self._ends.clear()

    def trigger(self) -> None:
        """Follow a recorded trigger."""
        self._act(Kind.TRIGGER, "triggers the device")

    def close(self) -> None:
        """Follow the recorded close."""
        if not self._closed:
            self._closed = True
            self._take(Kind.CLOSE, "closes the session")

    def _act(self, kind: Kind, doing: str) -> bytes:
        taken = self._take(kind, doing)
        if taken.status is not Status.OK:
            _fail(taken.status, taken.data)
        return taken.data

    def _take(self, kind: Kind, doing: str) -> Taken:
        """Take a record that is no read; looks at the line that found nothing may go before.

        What was read in the run must have been read by now, or the code would be out of
        step on a real line; only a device clear drops it.
        """
        if self._unread and kind is not Kind.CLEAR:
            self._cursor.diverge(f"{len(self._unread)} bytes more to be read", doing)
        self._failure = None
        while self._cursor.next_is_empty_read():
            self._cursor.take(Kind.READ, doing)
        return self._cursor.take(kind, doing)

    def _read(self) -> Taken:
        taken = self._cursor.take(Kind.READ, "reads")
        self._cursor.stop_if_aborted()
        return taken

    def _asks_the_same(self, requested: int) -> bool:
        """Whether the next read of the run asked for the same, with nothing left of others."""
        fresh = not self._unread and self._failure is None
        return fresh and self._cursor.next_is(Kind.READ, requested=requested)

    def _good(self, taken: Taken) -> bytes:
        if taken.status not in _GOOD:
            self._fail_read(taken)
        return taken.data

    def _more(self) -> None:
        """Add the next recorded read to the stream, or raise what it raised."""
        failure, self._failure = self._failure, None
        if failure is not None:
            if failure.status is Status.TIMEOUT:
                failure = failure._replace(data=self._split(len(self._unread)))
            self._fail_read(failure)
        taken = self._read()
        if taken.status is Status.TIMEOUT:
            self._unread += taken.data
            self._failure = taken._replace(data=b"")
        elif taken.status not in _GOOD:
            self._failure = taken
        else:
            self._unread += taken.data
            if taken.status is Status.END:
                self._ends.append(len(self._unread))

    def _split(self, count: int) -> bytes:
        data = bytes(self._unread[:count])
        del self._unread[:count]
        self._ends = [end - count for end in self._ends if end > count]
        return data

    def _fail_read(self, taken: Taken) -> NoReturn:
        if taken.status is Status.TIMEOUT:
            raise ResponseTimeoutError(
                f"nothing complete within {self.timeout_s:g} s", partial=taken.data
            )
        _fail(taken.status, taken.data)


def _fail(status: Status, text: bytes) -> NoReturn:
    """Raise what the recorded transport raised, in the same words."""
    kind = {Status.TIMEOUT: ResponseTimeoutError, Status.LOST: ConnectionLostError}
    raise kind.get(status, CommunicationError)(text.decode("utf-8", "replace"))
