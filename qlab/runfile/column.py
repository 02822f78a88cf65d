"""One growing dataset: rows in, compressed and hashed chunks out.

A chunk that fills up between two commits is compressed by a worker thread and
handed to HDF5 as it is (`write_direct_chunk`), if compressing it pays. A chunk
that is only partly full at a commit is written unfiltered, and stays so: it is
then rewritten in place as it grows, with the same bytes in front, so that no
crash can spoil what an earlier commit covers and no space is lost.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import RunFileMisuseError
from .schema import Attribute

__all__ = ["Column", "create_dataset"]

_LEVEL = 1
_BACKLOG_BYTES = 24 << 20  # waiting for a worker; chunks beyond this are stored as they are
_SAMPLE = 4096
_PAYS = 0.85  # a sample must shrink to this part of its size

Bytes = bytes | bytearray | memoryview


def create_dataset(
    file: Any,
    name: str,
    dtype: Any,
    chunk: int,
    row_shape: tuple[int, ...] = (),
    attributes: dict[str, Attribute] | None = None,
) -> Any:
    """Create an empty growing dataset that any HDF5 reader can decompress."""
    dataset = file.create_dataset(
        name,
        shape=(0, *row_shape),
        maxshape=(None, *row_shape),
        chunks=(chunk, *row_shape),
        dtype=dtype,
        shuffle=np.dtype(dtype).itemsize > 1,
        compression="gzip",
        compression_opts=_LEVEL,
    )
    for key, value in (attributes or {}).items():
        dataset.attrs[key] = value
    return dataset


@dataclass(frozen=True)
class _Ready:
    """A chunk as it goes to the disk."""

    payload: Bytes
    filter_mask: int
    digest: bytes


class Column:
    """Appends to one growing dataset.

    Parameters
    ----------
    dataset : h5py.Dataset
        As `create_dataset` made it, still empty.
    workers : Executor
        Threads that hash and compress.
    """

    def __init__(self, dataset: Any, workers: Executor) -> None:
        self.dataset = dataset
        self._workers = workers
        self._row_shape, self._dtype = dataset.shape[1:], dataset.dtype
        self._element: int = self._dtype.itemsize
        self.row_bytes: int = self._element * int(np.prod(self._row_shape, dtype=np.int64))
        self._chunk_rows: int = dataset.chunks[0]
        self._chunk_bytes: int = self._chunk_rows * self.row_bytes
        self._backlog = max(4, _BACKLOG_BYTES // self._chunk_bytes)
        self._unfiltered = 0b11 if self._element > 1 else 0b1
        self.pending = bytearray()  # the unfinished chunk, from its first byte
        self.start = 0  # bytes before it
        self._hashed = 0  # bytes of it that a commit covers; more than 0: it is on the disk
        self._full = 0  # chunks handed to the workers
        self._written = 0  # chunks of these on the disk
        self._extent = 0  # rows HDF5 knows of
        self._jobs: deque[Future[_Ready]] = deque()
        self._digests: list[bytes] = []
        self._unflushed = False

    @property
    def size(self) -> int:
        """Bytes appended so far."""
        return self.start + len(self.pending)

    @property
    def rows(self) -> int:
        """Rows appended so far."""
        return self.size // self.row_bytes

    def as_rows(self, array: npt.ArrayLike) -> memoryview:
        """Return the bytes of the rows in `array`, or of the one row that it is.

        Raises
        ------
        RunFileMisuseError
            If the shape does not fit, or the type would change its kind.
        """
        shape, dtype = self._row_shape, self._dtype
        given = np.asarray(array)
        if given.ndim == len(shape):
            given = given[np.newaxis]
        if given.shape[1:] != shape or not np.can_cast(given.dtype, dtype, "same_kind"):
            raise RunFileMisuseError(
                f"{self.dataset.name} takes rows of {shape} {dtype}, "
                f"not {given.shape[1:]} {given.dtype}"
            )
        rows = np.ascontiguousarray(given, dtype)
        return rows.reshape(-1).view(np.uint8).data

    def extend(self, data: Bytes) -> None:
        """Append whole rows, given as their little-endian bytes.

        Bytes objects are kept without a copy where they fill whole chunks;
        anything that could change afterwards is copied once.
        """
        room = self._chunk_bytes - len(self.pending)
        if len(data) < room:
            self.pending += data
            return
        view = memoryview(data)
        self.pending += view[:room]
        self._hand_over(self.pending)
        while len(view) - room >= self._chunk_bytes:
            piece = view[room : room + self._chunk_bytes]
            self._hand_over(piece if isinstance(data, bytes) else bytes(piece))
            room += self._chunk_bytes
        self.pending = bytearray(view[room:])
        self._write_ready(wait=False)

    def settle(self) -> list[bytes]:
        """Bring everything appended to HDF5 and flush the dataset.

        Returns
        -------
        list of bytes
            The digests of the pieces added since the last call (see `chain`).
        """
        self._write_ready(wait=True)
        if len(self.pending) > self._hashed:
            self._digests.append(hashlib.sha256(memoryview(self.pending)[self._hashed :]).digest())
            self._hashed = len(self.pending)
            padding = bytes(self._chunk_bytes - len(self.pending))
            self._extend_to(self.rows)
            self._write(self._full, bytes(self.pending) + padding, self._unfiltered)
        if self._unflushed:
            self.dataset.flush()
            self._unflushed = False
        digests, self._digests = self._digests, []
        return digests

    def _hand_over(self, chunk: Bytes) -> None:
        compress = self._hashed == 0 and len(self._jobs) < self._backlog
        if len(self._jobs) >= 2 * self._backlog:
            self._write_ready(wait=True)
        self._jobs.append(
            self._workers.submit(
                _prepare, chunk, self._hashed, self._element, self._unfiltered, compress
            )
        )
        self._full += 1
        self.start += self._chunk_bytes
        self._hashed = 0

    def _write_ready(self, *, wait: bool) -> None:
        while self._jobs and (wait or self._jobs[0].done()):
            ready = self._jobs.popleft().result()
            self._extend_to(self._full * self._chunk_rows)
            self._write(self._written, ready.payload, ready.filter_mask)
            self._digests.append(ready.digest)
            self._written += 1

    def _extend_to(self, rows: int) -> None:
        if rows > self._extent:
            self.dataset.resize(rows, axis=0)
            self._extent = rows

    def _write(self, chunk: int, payload: Bytes, filter_mask: int) -> None:
        where = (chunk * self._chunk_rows, *[0] * (self.dataset.ndim - 1))
        self.dataset.id.write_direct_chunk(where, payload, filter_mask)
        self._unflushed = True


def _prepare(chunk: Bytes, hashed: int, element: int, unfiltered: int, compress: bool) -> _Ready:
    """Hash what is new in a full chunk and compress it if that pays."""
    digest = hashlib.sha256(memoryview(chunk)[hashed:]).digest()
    if compress:
        # HDF5's shuffle: all first bytes of the elements, then all second bytes ...
        data = np.frombuffer(chunk, np.uint8)
        if element > 1:
            data = np.ascontiguousarray(data.reshape(-1, element).T).reshape(-1)
        if _pays(data):
            # Shuffled numbers are runs and noise: matching strings costs time and finds nothing.
            strategy = zlib.Z_RLE if element > 1 else zlib.Z_FILTERED
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, 8, strategy)
            packed = packer.compress(data.data) + packer.flush()
            if len(packed) < len(chunk):
                return _Ready(packed, 0, digest)
    return _Ready(chunk, unfiltered, digest)


def _pays(data: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
    """Judge by a few slices; noise must not cost the time of packing it whole."""
    if data.size <= _SAMPLE:
        return True
    step = data.size // 4
    sample = b"".join(data[at : at + _SAMPLE // 4].tobytes() for at in range(0, data.size, step))
    return len(zlib.compress(sample, _LEVEL)) < _PAYS * len(sample)
