"""The chain of commits: which rows of a file may be believed.

The first link is the SHA-256 of the file's declarations (attributes,
configuration, provenance, names and types of the datasets), as JSON. Each
commit row carries::

    digest = SHA-256(salt | digest before | row without its digest | pieces)

where `pieces` are the SHA-256 of the bytes that each dataset grew by, in the
order of the attribute ``datasets`` of ``/commits``; growth is cut where one
chunk of the dataset ends and the next begins, and rows count as the bytes of
the type that the file declares. `salt` is empty in a run file. In a secret
companion it is 32 random bytes that only the companion holds, so that the
digests of its commits, which the run file repeats, say nothing about short
secrets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .schema import COMMITS, CONFIG, PROVENANCE
from .stored import own_dataset, text_of

__all__ = [
    "Checked",
    "attributes_of",
    "check",
    "commit_digest",
    "covered",
    "first_link",
    "salt_of",
]


@dataclass(frozen=True)
class Checked:
    """What checking a chain found.

    Parameters
    ----------
    commits : int
        How many commits hold, from the first.
    digest : bytes
        Digest of the last of these.
    rows : int
        How many commit rows there are.
    problem : str
        What is wrong with the first that does not hold; empty if all do.
    """

    commits: int
    digest: bytes
    rows: int
    problem: str


def covered(file: Any) -> list[str]:
    """Return the names of the datasets that the commits cover, in their order."""
    names = json.loads(file[COMMITS].attrs["datasets"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("the list of datasets is no list of names")
    return names


def salt_of(file: Any) -> bytes:
    """Return what makes a companion's digests useless for guessing; empty in a run file."""
    return bytes.fromhex(str(file.attrs.get("salt", "")))


def first_link(file: Any) -> bytes:
    """Return the digest of the declarations."""
    declared = {
        "attributes": attributes_of(file),
        CONFIG: text_of(file, CONFIG),
        PROVENANCE: {name: text_of(file[PROVENANCE], name) for name in file.get(PROVENANCE, ())},
        "datasets": [
            [
                name,
                _type(file[name].dtype),
                list(file[name].chunks),
                attributes_of(file[name]),
            ]
            for name in covered(file)
        ],
    }
    text = json.dumps(declared, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def commit_digest(salt: bytes, before: bytes, row: np.void, pieces: Iterable[bytes]) -> bytes:
    """Return the digest that a commit row must carry.

    Parameters
    ----------
    salt, before : bytes
        Salt of the file, digest of the commit before.
    row : numpy.void
        The row; its own digest is left out.
    pieces : iterable of bytes
        Digests of what the datasets grew by.
    """
    link = hashlib.sha256(salt + before + row.tobytes()[:-32])
    for piece in pieces:
        link.update(piece)
    return link.digest()


def check(file: Any, step: Callable[[], None] = lambda: None) -> Checked:
    """Follow the chain of an open file as far as it holds.

    Memory stays within a few chunks however large the file is. `step` is called
    after each piece that was read.
    """
    datasets = [own_dataset(file, name) for name in covered(file)]
    rows = own_dataset(file, COMMITS)
    total = len(rows)
    salt, digest = salt_of(file), first_link(file)
    lengths = [0] * len(datasets)
    held = 0
    for start in range(0, total, 1024):
        for row in rows[start : start + 1024]:
            after = [int(length) for length in row["lengths"]]
            problem = _growth_problem(held, row, datasets, lengths, after)
            if not problem:
                growths = zip(datasets, lengths, after, strict=True)
                expected = commit_digest(salt, digest, row, _digests(growths, step))
                if expected != row["digest"].tobytes():
                    problem = "does not match what it covers"
            if problem:
                return Checked(held, digest, total, f"commit {held} {problem}")
            digest, lengths = expected, after
            held += 1
    return Checked(held, digest, total, "")


def _digests(growths: Iterable[tuple[Any, int, int]], step: Callable[[], None]) -> Iterator[bytes]:
    for dataset, start, stop in growths:
        for piece in _pieces(dataset, start, stop):
            step()
            yield hashlib.sha256(piece).digest()


def _growth_problem(
    number: int, row: np.void, datasets: list[Any], before: list[int], after: list[int]
) -> str:
    if int(row["sequence"]) != number:
        return "is out of sequence"
    for dataset, a, b in zip(datasets, before, after, strict=True):
        if not a <= b <= len(dataset):
            return f"claims {b} rows of {dataset.name}, which has {len(dataset)}"
    return ""


def _pieces(dataset: Any, start: int, stop: int) -> Iterator[memoryview]:
    chunk = dataset.chunks[0]
    while start < stop:
        end = min(stop, (start // chunk + 1) * chunk)
        yield np.ascontiguousarray(dataset[start:end]).reshape(-1).view(np.uint8).data
        start = end


def _type(dtype: np.dtype[Any]) -> Any:
    return dtype.str if dtype.names is None else dtype.descr


def attributes_of(node: Any) -> dict[str, Any]:
    """Return the attributes of a file or dataset as plain Python values."""
    plain = {}
    for key, value in node.attrs.items():
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        plain[key] = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    return plain
