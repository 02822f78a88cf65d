"""A transport that tells a recorder everything that crosses it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TypeVar

from drivers.core.context import Kind, Recorder, Status
from drivers.core.errors import ConnectionLostError, DriverError, ResponseTimeoutError
from drivers.core.link import Connect, LineSettings
from drivers.core.transport import Transport

__all__ = ["RecordingTransport", "recording_connector"]

_T = TypeVar("_T")


def recording_connector(source: str, connect: Connect, recorder: Recorder) -> Connect:
    """Return a `Connect` whose transports are recorded as sessions 0, 1, ... of `source`."""
    sessions = count()

    def connect_recorded(address: str, line: LineSettings) -> RecordingTransport:
        session = next(sessions)
        try:
            inner = connect(address, line)
        except DriverError as error:
            recorder.record(
                source,
                Kind.OPEN,
                str(error.message).encode(),
                session=session,
                status=Status.REFUSED,
            )
            raise
        recorder.record(source, Kind.OPEN, address.encode(), session=session)
        return RecordingTransport(source, session, inner, recorder)

    return connect_recorded


class RecordingTransport:
    """Wraps a transport; see `drivers.core.transport.Transport`."""

    def __init__(self, source: str, session: int, inner: Transport, recorder: Recorder) -> None:
        self.address = inner.address
        self._source = source
        self._session = session
        self._inner = inner
        self._record = recorder.record

    @property
    def timeout_s(self) -> float:
        """Time for one read in seconds."""
        return self._inner.timeout_s

    @timeout_s.setter
    def timeout_s(self, seconds: float) -> None:
        self._inner.timeout_s = seconds

    def write(self, data: bytes) -> None:
        """Send, then record what was sent."""
        try:
            self._inner.write(data)
        except DriverError as error:
            # What was to be sent and why it failed are two facts, so two records.
            self._record(
                self._source, Kind.WRITE, data, session=self._session, status=_status(error)
            )
            self._failed(Kind.LOG, error, 0)
            raise
        self._record(self._source, Kind.WRITE, data, session=self._session)

    def read_until(self, end: bytes) -> bytes:
        """Read a line or message and record it."""
        return self._read(self._inner.read_until, end, -1, Status.END)

    def read_exactly(self, count: int) -> bytes:
        """Read and record `count` bytes."""
        return self._read(self._inner.read_exactly, count, count, Status.OK)

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Read and record what is there."""
        return self._read(self._inner.read_available, wait_s, 0, Status.AVAILABLE)

    def _read(self, read: Callable[[_T], bytes], wanted: _T, requested: int, good: Status) -> bytes:
        try:
            data = read(wanted)
        except DriverError as error:
            self._failed(Kind.READ, error, requested)
            raise
        self._record(
            self._source, Kind.READ, data, session=self._session, requested=requested, status=good
        )
        return data

    def status_byte(self) -> int:
        """Poll and record."""
        try:
            value = self._inner.status_byte()
        except DriverError as error:
            self._failed(Kind.STATUS, error, 0)
            raise
        self._record(self._source, Kind.STATUS, bytes([value & 0xFF]), session=self._session)
        return value

    def clear(self) -> None:
        """Clear and record."""
        self._act(Kind.CLEAR, self._inner.clear)

    def trigger(self) -> None:
        """Trigger and record."""
        self._act(Kind.TRIGGER, self._inner.trigger)

    def close(self) -> None:
        """Close and record."""
        self._inner.close()
        self._record(self._source, Kind.CLOSE, session=self._session)

    def _act(self, kind: Kind, act: Callable[[], None]) -> None:
        try:
            act()
        except DriverError as error:
            self._failed(kind, error, 0)
            raise
        self._record(self._source, kind, session=self._session)

    def _failed(self, kind: Kind, error: DriverError, requested: int) -> None:
        data = error.message.encode()
        if kind is Kind.READ and isinstance(error, ResponseTimeoutError):
            data = error.partial
        self._record(
            self._source,
            kind,
            data,
            session=self._session,
            requested=requested,
            status=_status(error),
        )


def _status(error: DriverError) -> Status:
    if isinstance(error, ResponseTimeoutError):
        return Status.TIMEOUT
    if isinstance(error, ConnectionLostError):
        return Status.LOST
    return Status.ERROR
