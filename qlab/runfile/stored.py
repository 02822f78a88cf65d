"""What a file may claim of itself: checked before HDF5 is asked to deliver it.

A seal detects change, not forgery, so a stranger's sealed file can declare what
no writer of ours makes. Everything here looks at declarations only; what is then
read into memory stays in proportion to what lies in the file.
"""

from __future__ import annotations

import math
from typing import Any

import h5py

from .schema import CHUNK_LIMIT

__all__ = ["RECORD_LIMIT", "check_covered", "check_table", "own_dataset", "text_of"]

RECORD_LIMIT = 1 << 31
"""Bytes of one record at most; no instrument answers with more."""

_FILTERS = [[], [h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]]
_SURE_BYTES = 1 << 30
_MOST_FOLD = 200  # a journal of numbers that only count shrinks less, even at the best level


def own_dataset(file: Any, name: str) -> Any:
    """Return a growing dataset of the kind that `column.create_dataset` makes.

    Raises
    ------
    ValueError
        If a link or its storage leads out of the file, or its type, its chunks or its
        filters could make little of a file into much in memory.
    """
    dataset = file[name]
    if dataset.file.filename != file.filename or dataset.chunks is None:
        raise ValueError(f"{name} is not stored in this file")
    if dataset.dtype.hasobject:
        raise ValueError(f"{name} has rows of no fixed size")
    if dataset.chunks[1:] != dataset.shape[1:]:
        raise ValueError(f"{name} has chunks that cut its rows")
    if math.prod(dataset.chunks) * dataset.dtype.itemsize > CHUNK_LIMIT:
        raise ValueError(f"{name} has chunks too large to be one of ours")
    plan = dataset.id.get_create_plist()
    if [plan.get_filter(n)[0] for n in range(plan.get_nfilters())] not in _FILTERS:
        raise ValueError(f"{name} has filters that are not ours")
    return dataset


def check_covered(dataset: Any, rows: int) -> None:
    """Raise ValueError unless the first `rows` rows can be in the file."""
    if rows > len(dataset):
        raise ValueError(f"a commit claims {rows} rows of {dataset.name}, which has {len(dataset)}")
    if rows > dataset.id.get_num_chunks() * dataset.chunks[0]:
        raise ValueError(f"{rows} rows of {dataset.name} are claimed and are not stored")


def check_table(dataset: Any, rows: int) -> None:
    """Raise ValueError if a table that is read whole bursts out of next to nothing."""
    claimed = rows * dataset.dtype.itemsize * math.prod(dataset.shape[1:])
    stored = dataset.id.get_storage_size()
    if claimed > _SURE_BYTES and claimed > _MOST_FOLD * stored:
        raise ValueError(f"{dataset.name} claims {claimed} bytes of which only {stored} are stored")


def text_of(group: Any, name: str) -> str:
    """Return a text of the skeleton; empty if it is missing.

    Raises
    ------
    ValueError
        If it is no single text of this file.
    """
    if name not in group:
        return ""
    node = group[name]
    if getattr(node, "shape", None) != () or node.file.filename != group.file.filename:
        raise ValueError(f"{name} is no text of this file")
    if node.external or node.is_virtual or node.id.get_storage_size() < node.dtype.itemsize:
        raise ValueError(f"the text {name} is not stored in this file")
    value = node[()]
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
