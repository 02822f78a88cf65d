"""Time, entropy, messages, data and results of a replayed run."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.core.context import Kind, Status
from qlab.context import Opening, seeded_bytes, sleep_pieces
from qlab.replay.errors import Divergence
from qlab.replay.journal import Journal

__all__ = [
    "IGNORED_SOURCES",
    "DataSource",
    "ReplayClock",
    "ReplayEntropy",
    "ReplayPeer",
    "ReplayRecorder",
    "ReplaySink",
    "compare",
    "lost_processes",
]

#: The run's own notes say how it went; newer code may word them otherwise.
IGNORED_SOURCES = frozenset(("run",))


class ReplayClock:
    """Gives the recorded times back."""

    def __init__(self, journal: Journal) -> None:
        self._cursor = journal.cursor("clock")

    def now_ns(self) -> int:
        """Return the recorded time."""
        taken = self._cursor.take(Kind.CLOCK, "looks at the clock")
        if len(taken.data) != 8:
            self._cursor.refuse(_wait(taken.requested), "a look at the clock")
        self._cursor.stop_if_aborted()
        (now,) = struct.unpack("<q", taken.data)
        return int(now)

    def sleep(self, seconds: float) -> None:
        """Follow a recorded wait, at once."""
        for piece in sleep_pieces(seconds):
            self._follow(round(piece * 1e9))

    def _follow(self, asked: int) -> None:
        taken = self._cursor.take(Kind.CLOCK, _wait(asked))
        if taken.data or taken.requested != asked:
            found = "a look at the clock" if taken.data else _wait(taken.requested)
            self._cursor.refuse(found, _wait(asked))
        self._cursor.stop_if_aborted()


def _wait(nanoseconds: int) -> str:
    return f"a wait of {nanoseconds} ns"


class ReplayEntropy:
    """Gives the recorded random bytes back, or draws them again from the seed."""

    def __init__(self, journal: Journal, seed: int | None) -> None:
        self._journal = journal
        self._seed = seed
        self._offsets: dict[str, int] = {}

    def take(self, stream: str, count: int) -> bytes:
        """Return the next `count` bytes of `stream`."""
        cursor = self._journal.cursor(f"entropy:{stream}")
        taken = cursor.take(Kind.ENTROPY, f"takes {count} random bytes")
        if taken.requested != count:
            cursor.refuse(f"{taken.requested} random bytes", f"{count} random bytes")
        data = taken.data
        if self._seed is not None:
            start = self._offsets.get(stream, 0)
            self._offsets[stream] = start + count
            data = seeded_bytes(self._seed, stream, start, count)
            if hashlib.sha256(data).digest() != taken.data:
                cursor.refuse("the recorded digest", "other bytes from the same seed")
        cursor.stop_if_aborted()
        return data


class ReplayRecorder:
    """Compares the messages that the code records; its notes are let pass."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def record(
        self,
        source: str,
        kind: Kind,
        data: bytes | bytearray | memoryview = b"",
        *,
        session: int = 0,
        requested: int = 0,
        status: Status = Status.OK,
    ) -> None:
        """Compare one record with the journal."""
        if source in IGNORED_SOURCES:
            return
        cursor = self._journal.cursor(source, session)
        got = bytes(data)
        cursor.match(cursor.take(kind, f"records {cursor.shown(got)}").data, got)
        cursor.stop_if_aborted()


def lost_processes(journal: Journal) -> dict[str, bytes]:
    """Return what was recorded of the parties whose process the run lost, by side."""
    cursors = {side: journal.cursor(f"process:{side}") for side in ("alice", "bob")}
    return {
        side: cursor.take(Kind.MESSAGE, "loses a process").data
        for side, cursor in cursors.items()
        if cursor.next_is(Kind.MESSAGE)
    }


class ReplayPeer:
    """Gives the other party's recorded messages back, and compares ours.

    Parameters
    ----------
    journal : Journal
    side : {'alice', 'bob'}
        Who we were.
    """

    def __init__(self, journal: Journal, side: str) -> None:
        ways = ("alice-to-bob", "bob-to-alice")
        ours, theirs = ways if side == "alice" else ways[::-1]
        self._ours = journal.cursor(f"message:{ours}")
        self._theirs = journal.cursor(f"message:{theirs}")
        self._opening = journal.cursor("message:session")

    def opening(self) -> Opening:
        """Return what was agreed on."""
        taken = self._opening.take(Kind.MESSAGE, "asks what was agreed on")
        self._opening.stop_if_aborted()
        return Opening(**json.loads(taken.data))

    def send(self, data: bytes) -> None:
        """Compare a message with the one that was sent."""
        taken = self._ours.take(Kind.MESSAGE, f"sends {self._ours.shown(data)}")
        self._ours.match(taken.data, data)
        self._ours.stop_if_aborted()

    def receive(self) -> bytes:
        """Return the next message, or raise what the line failed with."""
        taken = self._theirs.take(Kind.MESSAGE, "waits for a message")
        self._theirs.stop_if_aborted()
        if taken.status is Status.LOST:
            from qlab.link.peer import replayed_error  # loads ZeroMQ

            raise replayed_error(taken.data)
        return taken.data


class DataSource(Protocol):
    """Where recorded data are read from."""

    def data(self, name: str) -> NDArray[Any]:
        """Return the believed rows of ``/data/NAME``."""

    def is_secret(self, name: str) -> bool:
        """Whether its rows must not be shown."""


class ReplaySink:
    """Compares data, row for row, with what was recorded.

    Parameters
    ----------
    journal : Journal
        What a difference stops.
    source : DataSource
        The recorded data.
    relative : float
        How much floats may differ; integers never do.
    """

    def __init__(self, journal: Journal, source: DataSource, relative: float) -> None:
        self._journal = journal
        self._source = source
        self._relative = relative
        self._at: dict[str, int] = {}

    def append(self, name: str, values: ArrayLike) -> None:
        """Compare `values` with the next recorded rows of `name`."""
        self._journal.go_on()
        start, recorded = self._at.get(name, 0), self._source.data(name)
        rows = np.asarray(values, recorded.dtype).reshape(-1, *recorded.shape[1:])
        expected = recorded[start : start + len(rows)]
        same = _agree(expected, rows[: len(expected)], self._relative)
        if not same.all():
            row = int(np.argmin(same))
            shown = "secret rows", "others"
            if not self._source.is_secret(name):
                shown = str(expected[row]), str(rows[row])
            self._journal.diverge(f"data:{name}", start + row, *shown)
        if len(expected) < len(rows):
            left = len(rows) - len(expected)
            self._journal.end(f"data:{name}", start + len(expected), f"{left} rows more")
        self._at[name] = start + len(rows)

    def missing(self, names: Iterable[str]) -> Divergence | None:
        """Return the first dataset of which the code gave fewer rows than recorded."""
        for name in names:
            rows, given = len(self._source.data(name)), self._at.get(name, 0)
            if rows > given:
                return Divergence(f"data:{name}", given, f"{rows} rows", f"{given} rows")
        return None


def _agree(expected: NDArray[Any], got: NDArray[Any], relative: float) -> NDArray[np.bool_]:
    """Return for each row whether all of it agrees."""
    if expected.dtype.names is not None:
        fields = [_agree(expected[name], got[name], relative) for name in expected.dtype.names]
        return np.asarray(np.logical_and.reduce(fields))
    if np.issubdtype(expected.dtype, np.inexact):
        each = np.isclose(got, expected, rtol=relative, atol=0.0, equal_nan=True)
    else:
        each = got == expected
    return np.asarray(each.all(axis=tuple(range(1, each.ndim))))


def compare(
    expected: Any, got: Any, relative: float, path: str = "results"
) -> tuple[str, str, str] | None:
    """Return the first difference as path, expected and got; None if there is none.

    Integers, texts and structure must be equal; floats may differ by `relative`
    (0 on the platform of the recording).
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in sorted(expected.keys() | got.keys()):
            if key not in expected or key not in got:
                missing = "nothing"
                return (
                    f"{path}.{key}",
                    json.dumps(expected.get(key, missing)),
                    json.dumps(got.get(key, missing)),
                )
            found = compare(expected[key], got[key], relative, f"{path}.{key}")
            if found:
                return found
        return None
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for i, (a, b) in enumerate(zip(expected, got, strict=True)):
            found = compare(a, b, relative, f"{path}[{i}]")
            if found:
                return found
        return None
    if isinstance(expected, float) and isinstance(got, float):
        if abs(expected - got) <= relative * max(abs(expected), abs(got)):
            return None
    elif type(expected) is type(got) and expected == got:
        return None
    return path, json.dumps(expected), json.dumps(got)
