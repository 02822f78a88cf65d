"""What the skeletons of a run file and its companion hold, decided before the start."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from .container import Declaration, GrowingSpec
from .errors import RunFileMisuseError
from .liveness import this_process
from .schema import (
    FORMAT,
    HEAP,
    INDEX,
    JSON,
    MAJOR,
    MINOR,
    ROWS,
    SOURCES,
    Attribute,
    DatasetSpec,
)

__all__ = ["declare"]

_HEAP_CHUNK = 131072
_INDEX_CHUNK = 1024
_TEXT_CHUNK = 4096


def declare(
    *,
    experiment: str,
    run_id: str,
    start_utc: datetime,
    config: str,
    provenance: Mapping[str, str],
    datasets: Sequence[DatasetSpec],
    operational: bool,
) -> tuple[Declaration, Declaration | None]:
    """Return the declarations of the run file and, for an operational run, its companion.

    Parameters are those of `RunWriter.create`.

    Raises
    ------
    RunFileMisuseError
        If two datasets have one name, a provenance text has none, or the start no time zone.
    """
    _check_names(datasets, provenance)
    if start_utc.tzinfo is None:
        raise RunFileMisuseError("the start has no time zone", remedy="give it in UTC")
    writer = this_process()
    attributes: dict[str, Attribute] = {
        "format": FORMAT,
        "schema_major": MAJOR,
        "schema_minor": MINOR,
        "role": "main",
        "run_id": run_id,
        "experiment": experiment,
        "start_utc": start_utc.isoformat(),
        "operational": int(operational),
        "writer_host": writer.host,
        "writer_pid": writer.pid,
        "writer_started": writer.started,
    }
    heap = GrowingSpec(HEAP, np.dtype("u1"), _HEAP_CHUNK)
    declared = {
        d.name: GrowingSpec(d.name, np.dtype(d.dtype), d.chunk, d.row_shape, d.attributes)
        for d in datasets
    }
    secret = {d.name for d in datasets if d.secret and operational}
    main = Declaration(
        attributes,
        [
            GrowingSpec(ROWS, INDEX, _INDEX_CHUNK),
            heap,
            GrowingSpec(SOURCES, np.dtype("u1"), _TEXT_CHUNK),
            GrowingSpec(JSON, np.dtype("u1"), _TEXT_CHUNK),
            *[spec for name, spec in declared.items() if name not in secret],
        ],
        config,
        provenance,
    )
    if not operational:
        return main, None
    companion = Declaration(
        attributes | {"role": "companion", "salt": secrets.token_hex(32)},
        [heap, *[spec for name, spec in declared.items() if name in secret]],
        private=True,
    )
    return main, companion


def _check_names(datasets: Sequence[DatasetSpec], provenance: Mapping[str, str]) -> None:
    names = [d.name for d in datasets]
    for name in names:
        if names.count(name) > 1:
            raise RunFileMisuseError(f"{name} is declared twice")
        if any(other.startswith(f"{name}/") for other in names) or JSON.startswith(f"{name}/"):
            raise RunFileMisuseError(f"{name} is declared as a dataset and as a group")
    for name in provenance:
        if not name or "/" in name or name in (".", ".."):
            raise RunFileMisuseError(f"{name!r} is no name for a provenance text")
