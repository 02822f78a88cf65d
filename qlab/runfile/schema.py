"""The layout of a run file: names, types, versions and the words for its status.

A run file is an HDF5 file behind a 512-byte user block (see `seal`):

====================  =============================================================
root attributes       what is known at the start: format, schema, run id, writer ...
``/config``           resolved station and options, TOML text
``/provenance/*``     one text each: argv, versions, git commit and diff ...
``/status``           scalar text
``/journal/index``    one row a record (`INDEX`)
``/journal/heap``     the payloads, end to end
``/journal/sources``  names of the sources, one a line, numbered from 0 as they appear
``/data/*``           declared by the experiment before the start
``/results/json``     one JSON object a line
``/results/*``        numeric columns, declared before the start
``/commits``          what may be believed (see `chain`)
====================  =============================================================

All numbers are little-endian. Nothing is ever added but rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from struct import Struct

import numpy as np
import numpy.typing as npt

from .errors import RunFileMisuseError

__all__ = [
    "CHUNK_LIMIT",
    "COMMITS",
    "CONFIG",
    "FORMAT",
    "HEAP",
    "INDEX",
    "INDEX_ROW",
    "JSON",
    "MAJOR",
    "MINOR",
    "PROVENANCE",
    "ROWS",
    "SOURCES",
    "STATUS",
    "TIME_TAG_CHUNK",
    "Attribute",
    "DatasetSpec",
    "Heap",
    "RunStatus",
    "commit_dtype",
    "companion_path",
    "time_tag_columns",
]

FORMAT = "qlab run file"
MAJOR = 1
MINOR = 0

CONFIG = "config"
PROVENANCE = "provenance"
STATUS = "status"
ROWS = "journal/index"
HEAP = "journal/heap"
SOURCES = "journal/sources"
JSON = "results/json"
COMMITS = "commits"

Attribute = str | int | float | tuple[int, ...]


class RunStatus(StrEnum):
    """How far a run got. A reader says ``interrupted`` of a file whose writer is gone."""

    RUNNING = "running"
    COMPLETE = "complete"
    ABORTED = "aborted"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Heap(IntEnum):
    """Where the payload of a record is. The numbers are part of the file format."""

    MAIN = 0
    SECRET = 1  # in the companion
    NONE = 2  # there is none


INDEX = np.dtype(
    [
        ("sequence", "<u8"),  # over all sources
        ("source_sequence", "<u8"),  # within the source
        ("time_ns", "<i8"),  # run time
        ("requested", "<i8"),
        ("offset", "<u8"),  # bytes from the start of the heap
        ("length", "<u8"),
        ("session", "<u4"),
        ("source", "<u2"),  # line in /journal/sources
        ("kind", "u1"),
        ("status", "u1"),
        ("heap", "u1"),
    ]
)

INDEX_ROW = Struct("<QQqqQQIHBBB")
"""One row of `INDEX`, for packing without numpy."""

TIME_TAG_CHUNK = 65536
CHUNK_LIMIT = 8 << 20
"""Bytes of a chunk at most; a reader holds a few of them at a time."""


def commit_dtype(datasets: int) -> np.dtype[np.void]:
    """Return the row type of ``/commits`` for a file with that many growing datasets."""
    return np.dtype(
        [
            ("sequence", "<u8"),
            ("time_ns", "<i8"),  # run time
            ("wall_ns", "<i8"),  # nanoseconds since 1970 UTC, as the computer's clock has it
            ("lengths", "<u8", (datasets,)),  # rows of each, in the order of the attribute
            ("companion", "u1", (32,)),  # digest of the companion's commit of the same number
            ("digest", "u1", (32,)),  # see `chain`
        ]
    )


def companion_path(path: Path) -> Path:
    """Return where the secret companion of the run file `path` belongs: beside it."""
    return path.with_name(f"{path.stem}.secret{path.suffix or '.h5'}")


@dataclass(frozen=True)
class DatasetSpec:
    """A growing dataset below ``/data`` or ``/results``, declared before the start.

    Parameters
    ----------
    name : str
        Path in the file, such as ``data/timestamps``.
    dtype : numpy dtype-like
        Type of one element: a number or a compound of numbers.
    attributes : mapping of str to str, int, float or tuple of int
        Units, ticks and the like.
    secret : bool
        Whether an operational run keeps it in the companion file.
    chunk : int
        Rows that are compressed together, at least 1, at most `CHUNK_LIMIT` bytes.
    row_shape : tuple of int
        Shape of one row, empty for a plain column.

    Raises
    ------
    RunFileMisuseError
        If the name is outside ``data/`` and ``results/``, or the type holds objects.
    """

    name: str
    dtype: npt.DTypeLike
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    secret: bool = False
    chunk: int = 16384
    row_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if len(parts) < 2 or parts[0] not in ("data", "results") or not all(parts):
            raise RunFileMisuseError(
                f"dataset name {self.name!r} is not of the form data/NAME or results/NAME"
            )
        if self.name == JSON:
            raise RunFileMisuseError(f"{JSON} is written by RunWriter.result")
        if np.dtype(self.dtype).hasobject or np.dtype(self.dtype).itemsize == 0:
            raise RunFileMisuseError(f"{self.name}: type {self.dtype!r} has no fixed size")
        if self.chunk < 1 or any(side < 1 for side in self.row_shape):
            raise RunFileMisuseError(f"{self.name}: a chunk or a row without elements")
        if self.chunk * math.prod(self.row_shape) * np.dtype(self.dtype).itemsize > CHUNK_LIMIT:
            raise RunFileMisuseError(f"{self.name}: a chunk of more than {CHUNK_LIMIT} bytes")


def time_tag_columns(
    name: str, tick_s: tuple[int, int], *, secret: bool
) -> tuple[DatasetSpec, DatasetSpec]:
    """Declare the two columns of a stream of time tags.

    Parameters
    ----------
    name : str
        Group, such as ``data/bob``.
    tick_s : tuple of int
        The tick in seconds, numerator and denominator.
    secret : bool
        Whether they are raw key. Both columns then are: where the detectors' delays
        differ, a time stamp can tell which of them clicked.

    Returns
    -------
    tuple of DatasetSpec
        ``NAME/timestamps`` (int64 ticks) and ``NAME/detectors`` (uint8).
    """
    tick: dict[str, Attribute] = {"tick_s": tick_s}
    return (
        DatasetSpec(f"{name}/timestamps", "<i8", tick, secret=secret, chunk=TIME_TAG_CHUNK),
        DatasetSpec(f"{name}/detectors", "u1", {}, secret=secret, chunk=TIME_TAG_CHUNK),
    )
