"""The journal as a replay reads it: one cursor for each session of each source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.core.context import Kind, Status
from qlab.context import RunAbortedError
from qlab.replay.errors import Divergence, DivergenceError, JournalEndError, shown
from qlab.runfile.schema import Heap
from qlab.station.safe import HANGS, StepHangsError

__all__ = ["Cursor", "Journal", "JournalSource", "Taken"]


class JournalSource(Protocol):
    """What a replay needs of a run file."""

    @property
    def index(self) -> NDArray[np.void]:
        """All believed records, in order."""

    @property
    def sources(self) -> Sequence[str]:
        """Names of the sources by number."""

    def payload(self, row: int) -> bytes:
        """Return the payload of one record."""


class Taken(NamedTuple):
    """What a record holds beside its kind."""

    data: bytes
    status: Status
    requested: int


class Journal:
    """A run's records, sorted by source and session.

    The first difference, or the end of an interrupted run, stops the journal for
    good: whatever the code still does on its way out gets the same error again.

    Parameters
    ----------
    run : JournalSource
        The run file. Kinds of records that this version does not know are left out.
    ended : bool
        Whether the run came to an end of its own; otherwise the journal stops
        somewhere and that is no divergence.

    Attributes
    ----------
    ended : bool
        As given.
    served : int
        Records that the code asked for and got, or sent and matched.
    stopped : DivergenceError, JournalEndError or None
        What stopped it.
    """

    def __init__(self, run: JournalSource, *, ended: bool) -> None:
        self._run = run
        self.ended = ended
        self._names = run.sources
        self.index = run.index
        self.served = 0
        self.stopped: DivergenceError | JournalEndError | None = None
        self._numbers = {name: number for number, name in enumerate(run.sources)}
        self._cursors: dict[tuple[str, int], Cursor] = {}
        secret = self.index["heap"] == Heap.SECRET
        self._secret_numbers = set(np.unique(self.index["source"][secret]).tolist())
        known = np.isin(self.index["kind"], list(Kind)) & np.isin(
            self.index["status"], list(Status)
        )
        rows = np.flatnonzero(known)
        key = self.index["source"][rows].astype(np.int64) << 32 | self.index["session"][rows]
        order = np.argsort(key, kind="stable")
        self._order = rows[order]
        self._sorted_keys = key[order]

    def cursor(self, source: str, session: int = 0) -> Cursor:
        """Return the one cursor of a session; empty if nothing was recorded there."""
        found = self._cursors.get((source, session))
        if found is None:
            number = self._numbers.get(source)
            rows = np.empty(0, np.int64)
            if number is not None:
                key = number << 32 | session
                first, last = np.searchsorted(self._sorted_keys, [key, key + 1])
                rows = self._order[first:last]
            found = Cursor(self, source, rows)
            self._cursors[source, session] = found
        return found

    def payload(self, row: int) -> bytes:
        """Return the payload of record `row`."""
        return self._run.payload(row)

    def go_on(self) -> None:
        """Raise what stopped the journal, if something did."""
        if self.stopped is not None:
            raise self.stopped

    def diverge(self, source: str, exchange: int, expected: str, got: str) -> NoReturn:
        """Stop with a `DivergenceError`; the first stands."""
        self.go_on()
        self.stopped = DivergenceError(source, exchange, expected, got)
        raise self.stopped

    def end(self, source: str, exchange: int, got: str) -> NoReturn:
        """Stop where a source holds nothing more: `JournalEndError` if the run did not end.

        Raises
        ------
        DivergenceError
            If it did.
        """
        self.go_on()
        if self.ended:
            self.diverge(source, exchange, "nothing more", got)
        self.stopped = JournalEndError(f"the record of {source} ends here")
        raise self.stopped

    def stop_if_hung(self, source: str) -> None:
        """Raise `StepHangsError` for an instrument that was left behind for good."""
        number = self._numbers.get(source)
        mine = (self.index["source"] == number) & (self.index["kind"] == Kind.ABORT)
        if any(self.payload(row) == HANGS for row in np.flatnonzero(mine).tolist()):
            raise StepHangsError(f"{source} hung")

    def count(self, source: str) -> int:
        """Return how many records a source has."""
        number = self._numbers.get(source)
        return 0 if number is None else int(np.count_nonzero(self.index["source"] == number))

    def is_secret(self, source: str) -> bool:
        """Whether a source's payloads must not be shown; of an unknown one if any must not."""
        number = self._numbers.get(source)
        return bool(self._secret_numbers) if number is None else number in self._secret_numbers

    def unused(self, ignored: frozenset[str]) -> Divergence | None:
        """Return the first record that no cursor served, outside `ignored` sources."""
        left = np.zeros(len(self.index), np.bool_)
        left[self._order] = True
        for cursor in self._cursors.values():
            left[cursor.rows[: cursor.at]] = False
        for row in np.flatnonzero(left).tolist():
            record = self.index[row]
            source = self._names[int(record["source"])]
            if source not in ignored:
                exchange = int(record["source_sequence"])
                return Divergence(source, exchange, self.described(row), "the end of the run")
        return None

    def described(self, row: int) -> str:
        """Return kind and payload of a record in words, of a secret one only its length."""
        record = self.index[row]
        kind, length = Kind(int(record["kind"])).name.lower(), int(record["length"])
        if not length:
            return kind
        secret = record["heap"] == Heap.SECRET
        return f"{kind} {_secret(length) if secret else shown(self.payload(row))}"


class Cursor:
    """Reads one session's records in order."""

    def __init__(self, journal: Journal, source: str, rows: NDArray[np.int64]) -> None:
        self._journal = journal
        self.source = source
        self.rows = rows
        self.at = 0
        self._secret = journal.is_secret(source)

    def next_is(self, kind: Kind, *, requested: int | None = None) -> bool:
        """Whether the next record is of this kind and, if given, asked for so much."""
        if self.at >= self.rows.size:
            return False
        record = self._journal.index[self.rows[self.at]]
        return bool(
            record["kind"] == kind and (requested is None or record["requested"] == requested)
        )

    def next_is_empty_read(self) -> bool:
        """Whether the next record is a read that gave nothing, neither bytes nor an end mark."""
        if not self.next_is(Kind.READ):
            return False
        record = self._journal.index[self.rows[self.at]]
        return bool(record["length"] == 0 and record["status"] in (Status.OK, Status.AVAILABLE))

    @property
    def exchange(self) -> int:
        """Number of the next record within its source, or one past the last."""
        if self.rows.size == 0:
            return self._journal.count(self.source)
        row = self.rows[min(self.at, self.rows.size - 1)]
        return int(self._journal.index["source_sequence"][row]) + (self.at >= self.rows.size)

    def diverge(self, expected: str, got: str) -> NoReturn:
        """Stop the journal at this place."""
        self._journal.diverge(self.source, self.exchange, expected, got)

    def take(self, kind: Kind, doing: str) -> Taken:
        """Return the next record.

        `doing` says what the code is about to do, for the message when the next
        record is of another kind.

        Raises
        ------
        DivergenceError
            If it is.
        JournalEndError
            If an interrupted run ends here.
        """
        journal = self._journal
        journal.go_on()
        if self.at >= self.rows.size:
            journal.stop_if_hung(self.source)
            journal.end(self.source, self.exchange, doing)
        row = int(self.rows[self.at])
        if journal.index["kind"][row] != kind:
            self.stop_if_aborted()
            journal.diverge(self.source, self.exchange, journal.described(row), doing)
        self.at += 1
        journal.served += 1
        record = journal.index[row]
        return Taken(journal.payload(row), Status(int(record["status"])), int(record["requested"]))

    def refuse(self, expected: str, got: str) -> NoReturn:
        """Raise `DivergenceError` about the record that was taken last."""
        self.at -= 1
        self._journal.served -= 1
        self._journal.diverge(self.source, self.exchange, expected, got)

    def match(self, expected: bytes, got: bytes) -> None:
        """Refuse the record that was taken last unless both messages are the same."""
        if expected == got:
            return
        start = max(0, _same_bytes(expected, got) - 8)
        if self._secret:
            self.refuse(*(f"{_secret(len(m))} that differ after {start}" for m in (expected, got)))
        if max(len(expected), len(got)) <= 64:
            self.refuse(shown(expected), shown(got))
        self.refuse(
            *(f"{len(m)} bytes with {m[start : start + 32]!r} at {start}" for m in (expected, got))
        )

    def shown(self, data: bytes) -> str:
        """Return a message in readable, bounded form; of a secret one only its length."""
        return _secret(len(data)) if self._secret else shown(data)

    def stop_if_aborted(self) -> None:
        """Raise `RunAbortedError` if the run was stopped right after the last record.

        If the instrument was left behind there, raise `StepHangsError`.
        """
        if self.next_is(Kind.ABORT):
            reason = self.take(Kind.ABORT, "").data
            if reason == HANGS:
                raise StepHangsError(f"{self.source} hung here")
            raise RunAbortedError(reason.decode("ascii", "replace"))


def _secret(length: int) -> str:
    return f"{length} secret bytes"


def _same_bytes(first: bytes, second: bytes) -> int:
    """Return how many bytes two messages have in common from their start."""
    count = min(len(first), len(second))
    if first[:count] == second[:count]:
        return count
    a, b = (np.frombuffer(message, np.uint8, count) for message in (first, second))
    return int(np.argmax(a != b))
