"""Journals without a file, and instruments without hardware."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from drivers.core.context import Status
from drivers.core.errors import DriverError, ResponseTimeoutError
from drivers.core.link import LineSettings
from drivers.core.recording import recording_connector
from qlab.replay.journal import Journal
from qlab.replay.transport import replay_connector
from qlab.runfile.schema import INDEX, Heap

ADDRESS = "USB0::1::2::3::INSTR"


class MemoryRun:
    """A journal in memory: a `Recorder`, and what a replay needs of a run file."""

    def __init__(self, secret: Iterable[str] = ()) -> None:
        self.sources: list[str] = []
        self.payloads: list[bytes] = []
        self._rows: list[tuple[int, ...]] = []
        self._counts: dict[str, int] = {}
        self._secret = frozenset(secret)

    def record(
        self,
        source: str,
        kind: int,
        data: bytes | bytearray | memoryview = b"",
        *,
        session: int = 0,
        requested: int = 0,
        status: int = Status.OK,
    ) -> None:
        if source not in self.sources:
            self.sources.append(source)
        nth = self._counts.get(source, 0)
        self._counts[source] = nth + 1
        heap = Heap.SECRET if source in self._secret else Heap.MAIN
        number = self.sources.index(source)
        self._rows.append(
            (len(self._rows), nth, 0, requested, 0, len(data), session, number, kind, status, heap)
        )
        self.payloads.append(bytes(data))

    @property
    def index(self) -> np.ndarray:
        return np.array(self._rows, INDEX)

    def payload(self, row: int) -> bytes:
        return self.payloads[row]

    def journal(self, *, ended: bool = True) -> Journal:
        return Journal(self, ended=ended)


class Scripted:
    """A transport whose calls end as the script says, one outcome a call."""

    def __init__(self, outcomes: Iterable[Any]) -> None:
        self.address = ADDRESS
        self.timeout_s = 3.0
        self._outcomes = iter(outcomes)

    def _next(self, *_: Any) -> Any:
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    write = read_until = read_exactly = read_available = _next
    status_byte = clear = trigger = _next

    def close(self) -> None:
        pass


Call = tuple[Any, ...]


def told(call: Callable[[], Any]) -> Any:
    """Return what a call gave, or what it raised, in a form that can be compared."""
    try:
        return call()
    except DriverError as error:
        partial = error.partial if isinstance(error, ResponseTimeoutError) else None
        return type(error), error.message, partial


def talk(transport: Any, calls: Iterable[Call]) -> list[Any]:
    """Make each call, a method's name with its arguments, and return what was told."""
    return [told(functools.partial(getattr(transport, name), *rest)) for name, *rest in calls]


def record_talk(recorder: Any, calls: Iterable[Call], outcomes: Iterable[Any]) -> list[Any]:
    """Record a conversation of the instrument ``meter`` and return what was told."""
    connect = recording_connector("meter", lambda *_: Scripted(outcomes), recorder)
    transport = connect(ADDRESS, LineSettings())
    said = talk(transport, calls)
    transport.close()
    return said


def replayed(journal: Journal) -> Any:
    """Open the replay of the instrument ``meter``."""
    return replay_connector("meter", journal)(ADDRESS, LineSettings())
