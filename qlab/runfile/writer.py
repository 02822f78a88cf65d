"""Recording a run as it happens."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy.typing as npt

from drivers.core.context import Kind, Status

from . import placing
from .column import Column
from .container import Container, Declaration
from .declaring import declare
from .errors import RunFileError, RunFileMisuseError, RunFileWriteError
from .schema import (
    HEAP,
    INDEX_ROW,
    JSON,
    ROWS,
    SOURCES,
    DatasetSpec,
    Heap,
    RunStatus,
    companion_path,
)

__all__ = ["RunWriter"]

_COMMIT_BYTES = 32 << 20
_COMMIT_SECONDS = 0.5
_WORKERS = 2
_NO_HEAP = int(Heap.NONE)
_FINAL = (RunStatus.COMPLETE, RunStatus.ABORTED, RunStatus.FAILED)


class RunWriter:
    """Writes one run file; a `drivers.core.context.Recorder`.

    What is recorded reaches the disk with the next commit: after 32 MB, half a
    second after the last one (looked at when something is recorded), or when
    `commit` is called. When the disk fails, the call that notices raises; later
    ones do nothing, so that the way to the safe state stays open, until `close`
    raises again. Calls may come from several threads.
    """

    def __init__(
        self,
        main: Container,
        companion: Container | None,
        workers: ThreadPoolExecutor,
        secret_sources: frozenset[str],
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        """Take over open containers; runs are started by `create`."""
        self.path = main.path
        self._main = main
        self._companion = companion
        self._workers = workers
        self._secret_sources = secret_sources if companion else frozenset()
        self._clock = clock
        self._monotonic = monotonic
        self._columns: dict[str, Column] = dict(main.columns)
        if companion:
            self._columns |= {k: v for k, v in companion.columns.items() if k != HEAP}
        self._index = main.columns[ROWS]
        self._heaps = {Heap.MAIN: main.columns[HEAP]}
        if companion:
            self._heaps[Heap.SECRET] = companion.columns[HEAP]
        self._sources: dict[str, list[Any]] = {}  # number, heap number, column, records so far
        self._records = 0
        self._lock = threading.RLock()
        self._status = RunStatus.RUNNING
        self._failure: RunFileWriteError | None = None
        self._open = True
        self._due = monotonic() + _COMMIT_SECONDS
        self._committed_bytes = 0

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        experiment: str,
        run_id: str,
        start_utc: datetime,
        config: str,
        provenance: Mapping[str, str],
        datasets: Sequence[DatasetSpec] = (),
        secret_sources: frozenset[str] = frozenset(),
        operational: bool,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> RunWriter:
        """Start a run file that holds a first, empty commit.

        Parameters
        ----------
        path : Path
            Where; there must be no such file.
        experiment, run_id : str
            Name of the experiment and of this run.
        start_utc : datetime
            Start of the run, with its time zone.
        config : str
            Resolved station and options, as TOML text.
        provenance : mapping of str to str
            Texts by name: argv, versions, commit, diff.
        datasets : sequence of DatasetSpec
            Everything that may grow below ``/data`` and ``/results``.
        secret_sources : frozenset of str
            Sources whose payloads an operational run keeps in the companion file;
            ``entropy`` stands for every ``entropy:STREAM`` too.
        operational : bool
            Whether raw key material goes into a companion file; so for instruments
            that another program serves too, simulated or not. A run that this process
            simulates is one file.
        clock : callable
            Returns run time in nanoseconds.
        monotonic : callable
            Returns seconds; decides when a commit is due.

        Raises
        ------
        RunFileExistsError
            If the file or its companion exists.
        RunFileMisuseError
            If two datasets have one name, a provenance text has none, or the start no
            time zone.
        RunFileWriteError
            If the files cannot be created.
        """
        path = Path(path)
        main, companion = declare(
            experiment=experiment,
            run_id=run_id,
            start_utc=start_utc,
            config=config,
            provenance=provenance,
            datasets=datasets,
            operational=operational,
        )
        workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="run file")
        try:
            containers = _create(path, main, companion, workers)
        except (OSError, RuntimeError) as error:
            workers.shutdown()
            if isinstance(error, RunFileError):
                raise
            raise _write_error(path, error) from error
        return cls(*containers, workers, secret_sources, clock, monotonic)

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
        """Append a record to the journal; see `drivers.core.context.Recorder`."""
        with self._lock:
            if not self._open:
                self._refuse()
                return
            try:
                known = self._sources.get(source) or self._add_source(source)
                number, heap, column, count = known
                if type(data) is not bytes:
                    data = memoryview(data).cast("B")
                length = len(data)
                if length:
                    offset = column.start + len(column.pending)
                    column.extend(data)
                else:
                    offset, heap = 0, _NO_HEAP
                self._index.extend(
                    INDEX_ROW.pack(
                        self._records,
                        count,
                        self._clock(),
                        requested,
                        offset,
                        length,
                        session,
                        number,
                        kind,
                        status,
                        heap,
                    )
                )
                known[3] = count + 1
                self._records += 1
                if length > 65536 or self._monotonic() >= self._due:
                    self._commit_if_due()
            except (OSError, RuntimeError, KeyboardInterrupt) as error:
                self._fail(error)

    def append(self, dataset: str, array: npt.ArrayLike) -> None:
        """Append rows to a declared dataset.

        Parameters
        ----------
        dataset : str
            Its name, such as ``data/timestamps``.
        array : array_like
            Rows of the declared shape, or a single row; the type must convert
            without loss of kind.

        Raises
        ------
        RunFileMisuseError
            If there is no such dataset, or shape or type do not fit.
        """
        with self._lock:
            if not self._open:
                self._refuse()
                return
            column = self._columns.get(dataset)
            if column is None or dataset in (ROWS, HEAP, SOURCES, JSON):
                raise RunFileMisuseError(
                    f"dataset {dataset!r} was not declared",
                    path=self.path,
                    remedy="declare it when the run is created",
                )
            rows = column.as_rows(array)
            with self._failing():
                column.extend(rows)
                self._commit_if_due()

    def result(self, result: Mapping[str, Any]) -> None:
        """Append one result, an object that JSON can hold, to ``/results/json``."""
        text = json.dumps(result, sort_keys=True, allow_nan=False, separators=(",", ":"))
        with self._lock:
            if not self._open:
                self._refuse()
                return
            with self._failing():
                self._columns[JSON].extend(text.encode() + b"\n")
                self._commit_if_due()

    def set_status(self, status: RunStatus) -> None:
        """Note how the run is going to end; the file says so once it is closed."""
        if status not in _FINAL:
            raise RunFileMisuseError(f"a run cannot end as {status.value!r}", path=self.path)
        self._status = status

    def commit(self) -> None:
        """Bring everything recorded so far to the disk; returns when it is there."""
        with self._lock:
            if not self._open:
                self._refuse()
                return
            if self._appended() > self._committed_bytes:
                with self._failing():
                    self._commit()

    def close(self, status: RunStatus | None = None) -> None:
        """Commit, write the status, close and seal; a second call does nothing.

        Parameters
        ----------
        status : RunStatus, optional
            How the run ended, where `set_status` has not said so: complete.

        Raises
        ------
        RunFileWriteError
            If the file could not be finished. It stays readable up to its last commit.
        """
        if status is not None:
            self.set_status(status)
        with self._lock:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if not self._open:
                return
            final = RunStatus.COMPLETE if self._status is RunStatus.RUNNING else self._status
            with self._failing():
                for container in self._containers():
                    container.set_status(final)
                self._commit()
                self._open = False
                self._workers.shutdown()
                for container in self._containers():
                    container.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self._status is RunStatus.RUNNING:
            self._status = RunStatus.FAILED
        self.close()

    def _containers(self) -> tuple[Container, ...]:
        # The companion first: a main file never speaks of what its companion has not.
        return (self._companion, self._main) if self._companion else (self._main,)

    def _add_source(self, source: str) -> list[Any]:
        if "\n" in source or len(self._sources) > 0xFFFF:
            raise RunFileMisuseError(f"source name {source!r} has a line break, or is one too many")
        secret = source in self._secret_sources or source.partition(":")[0] in self._secret_sources
        heap = Heap.SECRET if secret else Heap.MAIN
        entry = [len(self._sources), int(heap), self._heaps[heap], 0]
        self._columns[SOURCES].extend(source.encode() + b"\n")
        self._sources[source] = entry
        return entry

    def _commit_if_due(self) -> None:
        if (
            self._monotonic() >= self._due
            or self._appended() - self._committed_bytes >= _COMMIT_BYTES
        ):
            self._commit()

    def _appended(self) -> int:
        return sum(
            column.size for container in self._containers() for column in container.columns.values()
        )

    def _commit(self) -> None:
        run_ns, wall_ns = self._clock(), time.time_ns()
        digest = self._companion.commit(run_ns, wall_ns) if self._companion else b""
        self._main.commit(run_ns, wall_ns, digest)
        self._committed_bytes = self._appended()
        self._due = self._monotonic() + _COMMIT_SECONDS

    def _refuse(self) -> None:
        if self._failure is None:
            raise RunFileMisuseError("the run file is closed", path=self.path)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, KeyboardInterrupt) as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> NoReturn:
        # Also when cut short in the middle of a step: better an honest end than a broken chain.
        self._open = False
        self._failure = _write_error(self.path, error)
        self._workers.shutdown()
        for container in self._containers():
            container.give_up()
        if isinstance(error, KeyboardInterrupt):
            raise error
        raise self._failure from error


def _create(
    path: Path, main: Declaration, companion: Declaration | None, workers: ThreadPoolExecutor
) -> tuple[Container, Container | None]:
    if companion is None:
        return Container.create(path, main, workers), None
    placing.refuse_existing(path)
    secret = Container.create(companion_path(path), companion, workers)
    try:
        return Container.create(path, main, workers, secret.digest), secret
    except BaseException:
        secret.abandon()
        secret.path.unlink()
        raise


def _write_error(path: Path, error: BaseException) -> RunFileWriteError:
    cause = str(error).splitlines()[0] if str(error) else type(error).__name__
    return RunFileWriteError(
        f"the run file cannot be written ({cause})",
        path=path,
        remedy="check space and rights on that disk; what was committed before is safe",
    )
