"""What of a run does not depend on when and where it ran, as one number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from drivers.core.context import Kind

from .reader import RunFile

__all__ = ["journal_digest"]

_ROWS = 1 << 18

_Hash = Callable[[bytes], None]


def journal_digest(run: RunFile) -> str:
    """Return a digest that two runs with the same seed share.

    It covers, source by source in the order of their names, every record's
    session, kind, status, requested count and payload; then the declared
    datasets and the JSON results. Left out are run times, the payloads of clock
    records (which are times), the order between sources, provenance, and the
    main-or-companion place of a payload.

    Parameters
    ----------
    run : RunFile
        An open run file, with its companion if it has one.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Raises
    ------
    CompanionMissingError
        If the companion is needed and not here.
    """
    total = hashlib.sha256(run.experiment.encode())
    for source in sorted(run.sources):
        _named(total.update, source)
        for record in run.records(source):
            data = b"" if record.kind is Kind.CLOCK else record.data
            total.update(
                b"%d %d %d %d %d\n"
                % (record.session, record.kind, record.status, record.requested, len(data))
            )
            total.update(data)
    for name in sorted(run.datasets):
        _named(total.update, name)
        for start in range(0, run.rows(name), _ROWS):
            total.update(np.ascontiguousarray(run.read(name, start, start + _ROWS)).tobytes())
    total.update(run.json_text())
    return total.hexdigest()


def _named(update: _Hash, name: str) -> None:
    update(b"\n%d " % len(name.encode()) + name.encode() + b"\n")
