"""Time, entropy, messages, data and results of a replayed run."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.core.context import Kind, Status
from qlab.context import seeded_bytes, sleep_pieces
from qlab.replay.errors import Divergence, DivergenceError, JournalEndError, shown
from qlab.replay.journal import Journal

__all__ = [
    "IGNORED_SOURCES",
    "DataSource",
    "ReplayClock",
    "ReplayEntropy",
    "ReplayRecorder",
    "ReplaySink",
    "compare",
]

#: The run's own notes say how it went; newer code may word them otherwise.
IGNORED_SOURCES = frozenset(("run",))


class ReplayClock:
    """Gives the recorded times back."""

    def __init__(self, journal: Journal) -> None:
        self._cursor = journal.cursor("clock")

    def now_ns(self) -> int:
        """Return the recorded time."""
        data, _, _ = self._cursor.take(Kind.CLOCK, "looks at the clock")
        if len(data) != 8:
            self._cursor.at -= 1
            self._cursor.diverge("a wait", "a look at the clock")
        self._cursor.stop_if_aborted()
        (now,) = struct.unpack("<q", data)
        return int(now)

    def sleep(self, seconds: float) -> None:
        """Follow a recorded wait, at once."""
        for piece in sleep_pieces(seconds):
            self._follow(round(piece * 1e9))

    def _follow(self, asked: int) -> None:
        data, _, requested = self._cursor.take(Kind.CLOCK, f"waits {asked} ns")
        if data or requested != asked:
            self._cursor.at -= 1
            found = "a look at the clock" if data else f"a wait of {requested} ns"
            self._cursor.diverge(found, f"a wait of {asked} ns")
        self._cursor.stop_if_aborted()


class ReplayEntropy:
    """Gives the recorded random bytes back, or draws them again from the seed."""

    def __init__(self, journal: Journal, seed: int | None) -> None:
        self._journal = journal
        self._seed = seed
        self._offsets: dict[str, int] = {}

    def take(self, stream: str, count: int) -> bytes:
        """Return the next `count` bytes of `stream`."""
        cursor = self._journal.cursor(f"entropy:{stream}")
        record, _, requested = cursor.take(Kind.ENTROPY, f"takes {count} random bytes")
        if requested != count:
            cursor.at -= 1
            cursor.diverge(f"{requested} random bytes", f"{count} random bytes")
        cursor.stop_if_aborted()
        if self._seed is None:
            return record
        start = self._offsets.get(stream, 0)
        self._offsets[stream] = start + count
        data = seeded_bytes(self._seed, stream, start, count)
        if hashlib.sha256(data).digest() != record:
            cursor.diverge("the recorded digest", "other bytes from the same seed")
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
        expected, _, _ = cursor.take(kind, f"records {shown(got)}")
        if expected != got:
            cursor.at -= 1
            cursor.diverge(shown(expected), shown(got))
        cursor.stop_if_aborted()


class DataSource(Protocol):
    """Where recorded data are read from."""

    def data(self, name: str) -> NDArray[Any]:
        """Return the believed rows of ``/data/NAME``."""


class ReplaySink:
    """Compares data, row for row, with what was recorded."""

    def __init__(self, source: DataSource, *, ended: bool) -> None:
        self._source = source
        self._ended = ended
        self._at: dict[str, int] = {}

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Compare `values` with the next recorded rows of `name`."""
        start = self._at.get(name, 0)
        recorded = self._source.data(name)[start : start + len(values)]
        same = values[: len(recorded)] == recorded
        if not np.all(same):
            row = int(np.argmin(np.atleast_1d(same)))
            raise DivergenceError(f"data:{name}", start + row, str(recorded[row]), str(values[row]))
        if len(recorded) < len(values):
            if not self._ended:
                raise JournalEndError(f"the recorded data end in {name}")
            raise DivergenceError(
                f"data:{name}", start + len(recorded), "the end", f"{len(values)} rows more"
            )
        self._at[name] = start + len(values)

    def missing(self, names: Iterable[str]) -> Divergence | None:
        """Return the first dataset of which the code gave fewer rows than recorded."""
        for name in names:
            rows, given = len(self._source.data(name)), self._at.get(name, 0)
            if rows > given:
                return Divergence(f"data:{name}", given, f"{rows} rows", f"{given} rows", "")
        return None


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
