"""Reading a run file, finished or not, without ever changing it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drivers.core.context import Kind, Status

from .chain import attributes_of, covered
from .errors import CompanionMissingError, RunFileMisuseError
from .liveness import Process, is_alive
from .opening import damaged
from .part import Part
from .schema import (
    CONFIG,
    HEAP,
    INDEX,
    JSON,
    PROVENANCE,
    ROWS,
    SOURCES,
    STATUS,
    Heap,
    RunStatus,
    companion_path,
)
from .stored import text_of

__all__ = ["Record", "RunFile"]

_BLOCK = 8192
_QUIET_NS = 60 * 10**9
_KINDS = {int(kind): kind for kind in Kind}
_STATUSES = {int(status): status for status in Status}


class Record(NamedTuple):
    """One record of the journal; see `drivers.core.context.Recorder`."""

    sequence: int
    source: str
    source_sequence: int
    session: int
    kind: Kind
    status: Status
    time_ns: int
    requested: int
    data: bytes


class RunFile:
    """A run file, open for reading.

    What no valid commit covers is not shown. Use it in a ``with`` statement, or
    `close` it.

    Attributes
    ----------
    path : Path
        The file.
    run_id, experiment : str
        What was run.
    start_utc : datetime
        When.
    schema : tuple of int
        Major and minor version.
    operational : bool
        Whether raw key material is in the companion. Not whether its key may be used:
        its results say that.
    writer : Process
        Who wrote it.
    trust : Trust
        What was checked on opening.
    commits : numpy.ndarray
        The rows of ``/commits`` that hold (`schema.commit_dtype`).
    """

    def __init__(self, path: Path) -> None:
        """Open the file; the same as `open`."""
        self.path = Path(path)
        self._main = Part(self.path, "main")
        self._secret: Part | None = None
        self.trust = self._main.trust
        self.commits = self._main.commits
        try:
            attributes = attributes_of(self._main.file)
            self.run_id = str(attributes["run_id"])
            self.experiment = str(attributes["experiment"])
            self.start_utc = datetime.fromisoformat(str(attributes["start_utc"]))
            self.schema = int(attributes["schema_major"]), int(attributes["schema_minor"])
            self.operational = bool(attributes["operational"])
            self.writer = Process(
                str(attributes["writer_host"]),
                int(attributes["writer_pid"]),
                str(attributes["writer_started"]),
            )
            self._stored_status = RunStatus(text_of(self._main.file, STATUS))
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            self.close()
            raise damaged(self.path, f"its attributes cannot be read: {error}") from error

    @classmethod
    def open(cls, path: Path) -> RunFile:
        """Open a run file after checking it.

        A sealed file is checked whole before HDF5 sees it; of any other, a child
        process finds how far it can be believed.

        Raises
        ------
        RunFileNotFoundError, ForeignFileError, NewerSchemaError, DamagedFileError
            See `errors`.
        RunFileMisuseError
            If this very process is still writing it.
        """
        return cls(path)

    def close(self) -> None:
        """Close the file and its companion."""
        self._main.file.close()
        if self._secret is not None:
            self._secret.file.close()

    def __enter__(self) -> RunFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def sealed(self) -> bool:
        """Whether the run was closed in order."""
        return self.trust.seal is not None

    @property
    def status(self) -> RunStatus:
        """How far the run got, as far as this can be known now.

        Of a file being written on another computer only its last commit is known:
        after a minute without one the run counts as interrupted.
        """
        if self.sealed:
            return self._stored_status
        if self._stored_status is RunStatus.INTERRUPTED:
            return RunStatus.INTERRUPTED
        alive = is_alive(self.writer)
        if alive is None:
            alive = time.time_ns() - int(self.commits[-1]["wall_ns"]) < _QUIET_NS
        return RunStatus.RUNNING if alive else RunStatus.INTERRUPTED

    @cached_property
    def config(self) -> str:
        """Resolved station and options, TOML text."""
        return self._text(CONFIG)

    @cached_property
    def provenance(self) -> dict[str, str]:
        """Texts by name."""
        if PROVENANCE not in self._main.file:
            return {}
        return {name: self._text(f"{PROVENANCE}/{name}") for name in self._main.file[PROVENANCE]}

    def _text(self, name: str) -> str:
        try:
            return text_of(self._main.file, name)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise damaged(self.path, f"{name} cannot be read: {error}") from error

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Names of the journal's sources by number."""
        text = self._main.read(SOURCES).tobytes().decode(errors="replace")
        return tuple(text.split("\n")[:-1])

    @cached_property
    def index(self) -> npt.NDArray[np.void]:
        """The journal without its payloads, one row a record (`schema.INDEX`)."""
        rows = self._main.read(ROWS)
        missing = set(INDEX.names or ()) - set(rows.dtype.names or ())
        if missing:
            raise damaged(self.path, f"its journal has no {', '.join(sorted(missing))}")
        if len(rows) and rows["source"].max() >= len(self.sources):
            raise damaged(self.path, "its journal names a source that is not in its table")
        return rows[list(INDEX.names or ())].astype(INDEX)

    def payload(self, row: int) -> bytes:
        """Return the payload of the record in that row of `index`.

        Raises
        ------
        CompanionMissingError
            If it is in the companion file, which is not here.
        """
        entry = self.index[row]
        return self._payload(int(entry["heap"]), int(entry["offset"]), int(entry["length"]))

    def records(self, source: str | None = None) -> Iterator[Record]:
        """Give the records in order, all or those of one source.

        Kinds that this version does not know are left out.

        Raises
        ------
        CompanionMissingError
            On reaching a payload that is in the companion file, which is not here.
        """
        index = self.index
        if source is not None:
            if source not in self.sources:
                return
            index = index[index["source"] == self.sources.index(source)]
        for start in range(0, len(index), _BLOCK):
            for row in index[start : start + _BLOCK].tolist():
                record = self._record(row)
                if record is not None:
                    yield record

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the declared datasets, also of those in a companion that is here."""
        own = (ROWS, HEAP, SOURCES, JSON)
        names = list(self._main.lengths)
        if self.companion is not None and self.companion.exists():
            names += self._opened_companion().lengths
        return tuple(name for name in names if name not in own)

    def rows(self, name: str) -> int:
        """Return how many rows of a declared dataset are covered."""
        return self._holder(name).lengths[name]

    def attributes(self, name: str) -> dict[str, Any]:
        """Return the attributes of a declared dataset."""
        return attributes_of(self._holder(name).file[name])

    def read(self, name: str, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """Return rows `start` to `stop` of a declared dataset, as far as covered.

        Raises
        ------
        RunFileMisuseError
            If there is no such dataset.
        CompanionMissingError
            If it is in the companion file, which is not here.
        """
        return self._holder(name).read(name, start, stop)

    @cached_property
    def results(self) -> tuple[dict[str, Any], ...]:
        """The results given as JSON objects, in order."""
        lines = self.json_text().decode(errors="replace").split("\n")
        try:
            return tuple(json.loads(line) for line in lines if line)
        except (ValueError, RecursionError) as error:
            raise damaged(self.path, f"its results are no JSON: {error}") from error

    def json_text(self) -> bytes:
        """Return the results as they were written, one JSON object a line."""
        return self._main.read(JSON).tobytes() if JSON in self._main.lengths else b""

    @property
    def covered_rows(self) -> dict[str, int]:
        """Rows of each growing dataset of the main file that the last commit covers."""
        return dict(self._main.lengths)

    def visit(self, visitor: Callable[[str, Any], None]) -> None:
        """Call `visitor` with the name and the h5py object of everything in the main file."""
        self._main.file.visititems(visitor)

    @property
    def companion(self) -> Path | None:
        """Where the secret companion belongs; None if the run has none."""
        return companion_path(self.path) if self.operational else None

    def _record(self, row: tuple[int, ...]) -> Record | None:
        sequence, nth, when, requested, offset, length, session, number = row[:8]
        kind, status = _KINDS.get(row[8]), _STATUSES.get(row[9])
        if kind is None or status is None:
            return None
        data = self._payload(row[10], offset, length) if length else b""
        source = self.sources[number]
        return Record(sequence, source, nth, session, kind, status, when, requested, data)

    def bind_companion(self) -> None:
        """Open the companion and check that it is this run's.

        Raises
        ------
        CompanionMissingError, DamagedFileError
            If it is not here, or another's.
        """
        self._opened_companion()

    def _payload(self, heap: int, offset: int, length: int) -> bytes:
        if heap == Heap.NONE or not length:
            return b""
        part = self._main if heap == Heap.MAIN else self._opened_companion()
        return part.payload(offset, length)

    def _holder(self, name: str) -> Part:
        if name in self._main.lengths:
            return self._main
        if self.operational and name in self._opened_companion().lengths:
            return self._opened_companion()
        raise RunFileMisuseError(f"there is no dataset {name!r}", path=self.path)

    def _opened_companion(self) -> Part:
        if self._secret is not None:
            return self._secret
        path = companion_path(self.path)
        if not self.operational or not path.exists():
            raise CompanionMissingError(
                f"this part of the run is in its secret companion {path.name}, which is not here",
                path=self.path,
                remedy="put the companion beside it; without it the distillation is not replayed",
            )
        part = Part(path, "companion")
        try:
            self._bind(part)
        except BaseException:
            part.file.close()
            raise
        self._secret = part
        return part

    def _bind(self, part: Part) -> None:
        """Check that the companion is this run's, and believe what both files commit."""
        common = len(self.commits)
        if (
            attributes_of(part.file).get("run_id") != self.run_id
            or len(part.commits) < common
            or part.commits[common - 1]["digest"].tobytes()
            != self.commits[-1]["companion"].tobytes()
        ):
            raise damaged(part.path, f"it is not the companion of this state of {self.path.name}")
        lengths = part.commits[common - 1]["lengths"].tolist()
        part.lengths = dict(zip(covered(part.file), lengths, strict=True))
