"""An HDF5 file that only grows: skeleton, commits, status, seal.

A run file is one, and so is its secret companion. The skeleton is built under
another name and enters SWMR mode before the file gets its own; from then on
rows are appended and nothing else, so that what is on the disk can be read at
any moment, whatever happens to the writer.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from . import placing
from .chain import commit_digest, first_link, salt_of
from .column import Column, create_dataset
from .liveness import begin_writing, end_writing
from .schema import COMMITS, CONFIG, PROVENANCE, STATUS, Attribute, RunStatus, commit_dtype
from .seal import BLOCK_SIZE, UNSEALED, seal

__all__ = ["Container", "Declaration", "GrowingSpec"]

_COMMIT_CHUNK = 256
_STATUS_BYTES = 16


@dataclass(frozen=True)
class GrowingSpec:
    """A growing dataset of the skeleton: name, element type, rows a chunk and so on."""

    name: str
    dtype: Any
    chunk: int
    row_shape: tuple[int, ...] = ()
    attributes: Mapping[str, Attribute] | None = None


@dataclass(frozen=True)
class Declaration:
    """Everything about a container that is known before it starts.

    Parameters
    ----------
    attributes : mapping
        Root attributes.
    datasets : sequence of GrowingSpec
        In the order of the commit rows.
    config : str
        Configuration as text.
    provenance : mapping of str to str
        Texts by name.
    private : bool
        Whether only the owner may read the file.
    """

    attributes: Mapping[str, Attribute]
    datasets: Sequence[GrowingSpec]
    config: str = ""
    provenance: Mapping[str, str] | None = None
    private: bool = False


class Container:
    """An open container; made by `create`, ended by `close` or `abandon`."""

    def __init__(self, path: Path, declaration: Declaration, workers: Executor) -> None:
        """Build the skeleton in the existing empty file at `path`; see `create`."""
        self.path = path
        self._draft: placing.Draft | None = None
        self._file = h5py.File(
            path, "w", userblock_size=BLOCK_SIZE, libver=("v110", "v110"), locking=False
        )
        begin_writing(path)
        try:
            self._fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            _write_skeleton(self._file, declaration)
            self.columns = {
                spec.name: Column(self._file[spec.name], workers) for spec in declaration.datasets
            }
            self._status = self._file[STATUS]
            self._status_offset: int = self._status.id.get_offset()
            self._rows = self._file[COMMITS]
            self._salt = salt_of(self._file)
            self._digest = first_link(self._file)
            self._count = 0
            os.write(self._fd, UNSEALED)
            self._file.swmr_mode = True
        except BaseException:
            self.abandon()
            raise

    @classmethod
    def create(
        cls, path: Path, declaration: Declaration, workers: Executor, companion: bytes = b""
    ) -> Container:
        """Create the file `path` with its first, empty commit.

        Raises
        ------
        RunFileExistsError
            If there is a file of that name; it is left as it is.
        OSError
            If the file system refuses.
        """
        placing.refuse_existing(path)
        draft = placing.new_draft(path, private=declaration.private)
        container = None
        try:
            container = cls._started(draft.file, declaration, workers, companion)
            if placing.publish(draft, path):
                container.path = path
            else:
                # No hard links here (FAT, some network shares): under its own name at once.
                container.abandon()
                container = None
                placing.claim(path, private=declaration.private)
                container = cls._started(path, declaration, workers, companion)
        except BaseException:
            if container is not None:
                container.abandon()
            placing.discard(draft)
            raise
        if not placing.discard(draft):
            container._draft = draft
        return container

    @classmethod
    def _started(
        cls, path: Path, declaration: Declaration, workers: Executor, companion: bytes
    ) -> Container:
        container = cls(path, declaration, workers)
        try:
            container.commit(0, 0, companion, first=True)
        except BaseException:
            container.abandon()
            raise
        return container

    @property
    def digest(self) -> bytes:
        """Digest of the last commit."""
        return self._digest

    def commit(
        self, time_ns: int, wall_ns: int, companion: bytes = b"", *, first: bool = False
    ) -> bytes:
        """Bring everything appended to the disk, then the row that covers it.

        Parameters
        ----------
        time_ns, wall_ns : int
            Run time, and nanoseconds since 1970.
        companion : bytes
            Digest of the companion's commit of the same number, 32 bytes.

        Returns
        -------
        bytes
            The new digest.
        """
        pieces = [digest for column in self.columns.values() for digest in column.settle()]
        row = np.zeros(1, commit_dtype(len(self.columns)))[0]
        row["sequence"], row["time_ns"], row["wall_ns"] = self._count, time_ns, wall_ns
        row["lengths"] = [column.rows for column in self.columns.values()]
        row["companion"] = np.frombuffer(companion or bytes(32), np.uint8)
        digest = commit_digest(self._salt, self._digest, row, pieces)
        row["digest"] = np.frombuffer(digest, np.uint8)
        self._rows.resize(self._count + 1, axis=0)
        self._rows[self._count] = row
        self._rows.flush()
        os.fsync(self._fd)
        self._count += 1
        self._digest = digest
        return digest

    def set_status(self, status: RunStatus) -> None:
        """Write the status word; it has to be in the file before a commit makes it last."""
        self._status[()] = status.value.encode()
        self._status.flush()

    def close(self) -> None:
        """Close the file for good and seal it."""
        self._file.close()
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1
        end_writing(self.path)
        seal(self.path)
        if self._draft is not None:
            placing.discard(self._draft)

    def give_up(self) -> None:
        """Say in the file that nothing more will come, if the disk still allows, and let go."""
        self.abandon()
        with contextlib.suppress(OSError), self.path.open("r+b") as file:
            # Past HDF5, which may be closed already or stuck; the place was taken at the start.
            file.seek(self._status_offset)
            file.write(RunStatus.INTERRUPTED.value.encode().ljust(_STATUS_BYTES, b"\0"))

    def abandon(self) -> None:
        """Let go of the file without sealing it, after a failure."""
        # The failure that led here is the one to report; HDF5 repeats it on closing.
        with contextlib.suppress(OSError, RuntimeError):
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            end_writing(self.path)
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)
            self._fd = -1


def _write_skeleton(file: h5py.File, declaration: Declaration) -> None:
    for key, value in declaration.attributes.items():
        file.attrs[key] = value
    _write_text(file, CONFIG, declaration.config)
    for name, text in (declaration.provenance or {}).items():
        _write_text(file, f"{PROVENANCE}/{name}", text)
    file.create_dataset(STATUS, (), f"S{_STATUS_BYTES}")[()] = RunStatus.RUNNING.value.encode()
    for spec in declaration.datasets:
        create_dataset(
            file, spec.name, spec.dtype, spec.chunk, spec.row_shape, dict(spec.attributes or {})
        )
    rows = file.create_dataset(
        COMMITS,
        (0,),
        commit_dtype(len(declaration.datasets)),
        maxshape=(None,),
        chunks=(_COMMIT_CHUNK,),
    )
    rows.attrs["datasets"] = json.dumps([spec.name for spec in declaration.datasets])


def _write_text(file: h5py.File, name: str, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    kind = h5py.string_dtype("utf-8", max(1, len(data)))
    file.create_dataset(name, (), kind)[()] = np.bytes_(data)
