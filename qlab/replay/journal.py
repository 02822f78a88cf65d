"""The journal as a replay reads it: one cursor for each session of each source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.core.context import Kind, Status
from qlab.context import RunAbortedError
from qlab.replay.errors import DivergenceError, JournalEndError

__all__ = ["Cursor", "Journal", "JournalSource"]


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


class Journal:
    """A run's records, sorted by source and session.

    Parameters
    ----------
    run : JournalSource
        The run file.
    ended : bool
        Whether the run came to an end of its own; otherwise the journal stops
        somewhere and that is no divergence.
    """

    def __init__(self, run: JournalSource, *, ended: bool) -> None:
        self._run = run
        self.ended = ended
        self.index = run.index
        self.served = 0
        numbers = {name: number for number, name in enumerate(run.sources)}
        self._numbers = numbers
        self._cursors: dict[tuple[str, int], Cursor] = {}
        key = self.index["source"].astype(np.int64) << 32 | self.index["session"]
        order = np.argsort(key, kind="stable")
        self._order = order
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

    def unused(self, ignored: frozenset[str]) -> tuple[str, int, str] | None:
        """Return the first record that no cursor served, outside `ignored` sources."""
        used = np.zeros(len(self.index), np.bool_)
        for cursor in self._cursors.values():
            used[cursor.rows[: cursor.at]] = True
        names = self._run.sources
        for row in np.flatnonzero(~used):
            record = self.index[row]
            source = names[int(record["source"])]
            if source not in ignored:
                return source, int(record["source_sequence"]), Kind(int(record["kind"])).name
        return None


class Cursor:
    """Reads one session's records in order."""

    def __init__(self, journal: Journal, source: str, rows: NDArray[np.int64]) -> None:
        self._journal = journal
        self.source = source
        self.rows = rows
        self.at = 0

    def next_kind(self) -> Kind | None:
        """Return the kind of the next record, None at the end."""
        if self.at >= self.rows.size:
            return None
        return Kind(int(self._journal.index["kind"][self.rows[self.at]]))

    def next_status(self) -> Status:
        """Return the status of the next record, which must exist."""
        return Status(int(self._journal.index["status"][self.rows[self.at]]))

    @property
    def exchange(self) -> int:
        """Number of the next record within its source, or one past the last."""
        if self.rows.size == 0:
            return 0
        row = self.rows[min(self.at, self.rows.size - 1)]
        return int(self._journal.index["source_sequence"][row]) + (self.at >= self.rows.size)

    def take(self, kind: Kind, doing: str) -> tuple[bytes, Status, int]:
        """Return payload, status and requested count of the next record.

        `doing` says what the code is about to do, for the message when the next
        record is of another kind.

        Raises
        ------
        DivergenceError
            If it is.
        JournalEndError
            If an interrupted run ends here.
        """
        found = self.next_kind()
        if found is None:
            if not self._journal.ended:
                raise JournalEndError(f"the journal of {self.source} ends here")
            self.diverge("nothing more", doing)
        if found is not kind:
            self.diverge(f"{found.name.lower()} {self._preview()}", doing)
        row = int(self.rows[self.at])
        record = self._journal.index[row]
        self.at += 1
        self._journal.served += 1
        return (
            self._journal.payload(row),
            Status(int(record["status"])),
            int(record["requested"]),
        )

    def stop_if_aborted(self) -> None:
        """Raise `RunAbortedError` if the run was stopped right after the last record."""
        if self.next_kind() is Kind.ABORT:
            reason, _, _ = self.take(Kind.ABORT, "")
            raise RunAbortedError(reason.decode("ascii", "replace"))

    def diverge(self, expected: str, got: str) -> NoReturn:
        """Raise `DivergenceError` at this place."""
        raise DivergenceError(self.source, self.exchange, expected, got)

    def _preview(self) -> str:
        data = self._journal.payload(int(self.rows[self.at]))
        return repr(data[:40]) if data else ""
