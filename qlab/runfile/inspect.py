"""A run file in a few numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from drivers.core.context import Kind

from .chain import attributes_of
from .errors import RunFileError
from .reader import RunFile
from .schema import Heap
from .verify import examine_in_child

__all__ = ["DatasetInfo", "Summary", "Verification", "summarize", "verify"]

_LAST_WORDS = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class DatasetInfo:
    """One dataset of the file as it lies there.

    Parameters
    ----------
    name : str
        Path in the file.
    shape : tuple of int
        Shape that the file declares; the rows of a growing one that a commit covers.
    dtype : str
        Type of an element.
    stored_bytes : int
        What it takes on the disk.
    attributes : dict
        Units and the like.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored_bytes: int
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """What `qlab inspect` tells of a run file.

    Parameters
    ----------
    path : str
        The file.
    schema : str
        Version of its schema.
    run_id, experiment, start_utc : str
        What was run, and when (ISO 8601).
    status : str
        How far the run got; see `schema.RunStatus`.
    operational, sealed : bool
        Whether raw key material is in the companion; whether it was closed in order.
    file_bytes : int
        Size of the file.
    commits : int
        Commits that hold.
    problem : str
        Why those after them do not; empty if all hold.
    committed_s : float
        Run time at the last commit, in seconds: how far the record goes.
    duration_s : float
        Run time at the last record, in seconds.
    records : dict
        Count by source and, below it, by kind (lower case).
    payload_bytes : dict
        Bytes by source.
    last_words : list of str
        The last log and abort records.
    companion : str
        ``none``, ``here`` or ``missing``.
    results : int
        JSON results in the file.
    fit_for_use : bool or None
        Whether by the last of them its key may be used; None if it does not say.
    no_key : str
        Why by the last of them there is no key; empty if it does not say.
    error : str
        What ended the run early; empty if nothing did.
    tree : list of DatasetInfo
        All datasets of the main file.
    """

    path: str
    schema: str
    run_id: str
    experiment: str
    start_utc: str
    status: str
    operational: bool
    sealed: bool
    file_bytes: int
    commits: int
    problem: str
    committed_s: float
    duration_s: float
    records: dict[str, dict[str, int]]
    payload_bytes: dict[str, int]
    last_words: list[str]
    companion: str
    results: int
    fit_for_use: bool | None
    no_key: str
    error: str
    tree: list[DatasetInfo]


@dataclass(frozen=True)
class Verification:
    """What following every commit of a file and of its companion found.

    Parameters
    ----------
    sealed : bool
        Whether the file carries a seal; if so, it matches.
    commits, commit_rows : int
        Commits that hold, and commits there are.
    problem : str
        What is wrong with the first that does not hold; empty if all do.
    companion : str
        ``none``, ``missing``, ``good``, or what is wrong with it.
    """

    sealed: bool
    commits: int
    commit_rows: int
    problem: str
    companion: str

    @property
    def good(self) -> bool:
        """Whether everything that is here holds."""
        return not self.problem and self.companion in ("none", "missing", "good")


def verify(path: Path) -> Verification:
    """Check the seal, then every commit by what it covers, sealed or not.

    Raises
    ------
    RunFileError
        If nothing of the file can be believed; see `RunFile.open`.
    """
    with RunFile.open(path) as run:
        said = examine_in_child(path, "main")
        companion = _companion_state(run)
        if companion == "here" and run.companion is not None:
            companion = "good"
            try:
                run.bind_companion()
                its = examine_in_child(run.companion, "companion")
                companion = its["problem"] or companion
            except RunFileError as error:
                companion = error.message
        return Verification(run.sealed, said["commits"], said["rows"], said["problem"], companion)


def summarize(path: Path) -> Summary:
    """Check a run file and sum it up; its companion is not opened.

    Raises
    ------
    RunFileError
        If nothing of it can be believed; see `RunFile.open`.
    """
    with RunFile.open(path) as run:
        index = run.index
        records, payload_bytes = _counts(run)
        last = run.results[-1] if run.results else {}
        return Summary(
            path=str(path),
            schema=".".join(map(str, run.schema)),
            run_id=run.run_id,
            experiment=run.experiment,
            start_utc=run.start_utc.isoformat(),
            status=run.status.value,
            operational=run.operational,
            sealed=run.sealed,
            file_bytes=Path(path).stat().st_size,
            commits=len(run.commits),
            problem=run.trust.problem,
            committed_s=int(run.commits[-1]["time_ns"]) / 1e9,
            duration_s=int(index[-1]["time_ns"]) / 1e9 if len(index) else 0.0,
            records=records,
            payload_bytes=payload_bytes,
            last_words=_last_words(run),
            companion=_companion_state(run),
            results=len(run.results),
            fit_for_use=_said(last, "fit_for_use", bool),
            no_key=_said(last, "no_key", str) or "",
            error=_said(last, "error", str) or "",
            tree=_tree(run),
        )


def _counts(run: RunFile) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    index = run.index
    pairs = Counter(zip(index["source"].tolist(), index["kind"].tolist(), strict=True))
    names = {int(kind): kind.name.lower() for kind in Kind}
    records: dict[str, dict[str, int]] = {source: {} for source in run.sources}
    for (source, kind), count in sorted(pairs.items()):
        records[run.sources[source]][names.get(kind, f"kind {kind}")] = count
    sums = np.bincount(index["source"], index["length"], len(run.sources))
    return records, {name: int(n) for name, n in zip(run.sources, sums, strict=True)}


def _last_words(run: RunFile) -> list[str]:
    index = run.index
    telling = np.isin(index["kind"], (Kind.LOG, Kind.ABORT)) & (index["heap"] != Heap.SECRET)
    words = []
    for row in np.flatnonzero(telling)[-_LAST_WORDS:]:
        when, source = int(index[row]["time_ns"]) / 1e9, run.sources[index[row]["source"]]
        kind = Kind(int(index[row]["kind"])).name.lower()
        text = run.payload(int(row)).decode("utf-8", "replace")
        words.append(f"{when:.3f} s {source} {kind}: {text}")
    return words


def _said(results: object, name: str, kind: type[_T]) -> _T | None:
    said = results.get(name) if isinstance(results, dict) else None
    return said if isinstance(said, kind) else None


def _companion_state(run: RunFile) -> str:
    if run.companion is None:
        return "none"
    return "here" if run.companion.exists() else "missing"


def _tree(run: RunFile) -> list[DatasetInfo]:
    found: list[DatasetInfo] = []
    rows = run.covered_rows

    def visit(name: str, node: h5py.Dataset | h5py.Group) -> None:
        if isinstance(node, h5py.Dataset):
            shape = node.shape
            if name in rows:
                shape = (rows[name], *shape[1:])
            found.append(
                DatasetInfo(
                    name,
                    shape,
                    str(node.dtype),
                    node.id.get_storage_size(),
                    attributes_of(node),
                )
            )

    run.visit(visit)
    return found
