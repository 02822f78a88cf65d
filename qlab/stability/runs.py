"""Readings in our own run files.

A dataset holds readings if its attribute ``unit`` is ``s`` (phase) or ``1`` (fractional
frequency) and ``interval_s`` says what time is between them, in seconds or as two integers,
their quotient. ``estimator`` says how a counter averaged frequency: ``pi``, ``lambda`` or
``omega``. NaN stands where a reading is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from protocols.stability.statistic import Floats
from qlab.errors import UsageError
from qlab.stability.readings import Quantity, Readings, Wanted

if TYPE_CHECKING:
    from qlab.runfile.reader import RunFile

__all__ = ["is_run_file", "run_readings"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512
_PART = 1 << 20
_UNITS: dict[str, Quantity] = {"s": "phase", "1": "frequency"}


def is_run_file(path: Path) -> bool:
    """Tell whether a file is HDF5, with a user block or without."""
    with path.open("rb") as file:
        start = file.read(_USER_BLOCK + len(_HDF5))
    return start.startswith(_HDF5) or start[_USER_BLOCK:] == _HDF5


def run_readings(path: Path, wanted: Wanted) -> Readings:
    """Open the readings of a run.

    Raises
    ------
    UsageError
        The run has none, or several and none is named.
    RunFileError
        The file cannot be believed or read.
    """
    from qlab.runfile.reader import RunFile

    with RunFile.open(path) as run:
        name = _chosen(path, run, wanted)
        facts = run.attributes(name)
    quantity = _UNITS[str(facts["unit"])]
    if wanted.quantity not in (None, quantity):
        raise UsageError(f"{path}: {name} is {quantity}", remedy=f"give --input {quantity}")
    interval_s = _interval_s(facts)
    if wanted.rate_hz is not None:
        if interval_s is not None and abs(interval_s * wanted.rate_hz - 1) > 1e-6:
            raise UsageError(
                f"{path}: {name} has a reading each {interval_s:.9g} s",
                remedy="leave out --rate",
            )
        interval_s = 1.0 / wanted.rate_hz
    elif interval_s is None:
        raise UsageError(f"{path}: {name} does not tell its rate", remedy="give --rate")
    origin = "file" if wanted.rate_hz is None else "given"
    estimator = facts.get("estimator")
    if estimator not in ("pi", "lambda", "omega"):
        estimator = None
    return Readings(
        path,
        f"run file, {name}",
        quantity,
        interval_s,
        origin,
        _parts(path, name),
        estimator,
    )


def _chosen(path: Path, run: RunFile, wanted: Wanted) -> str:
    facts = {name: run.attributes(name) for name in run.datasets}
    fitting = [name for name, one in facts.items() if str(one.get("unit")) in _UNITS]
    timed = [name for name in fitting if "interval_s" in facts[name]]
    listed = ", ".join(timed or fitting)
    if wanted.dataset in fitting:
        return str(wanted.dataset)
    if wanted.dataset is not None:
        raise UsageError(
            f"{path}: {wanted.dataset!r} holds no readings",
            remedy=f"there are {listed}" if listed else "there are none in this run",
        )
    if len(timed) != 1:
        what = f"readings in {listed}" if listed else "no readings of a clock"
        remedy = "name one with --dataset" if listed else "give a run of a counter or a clock"
        raise UsageError(f"{path}: has {what}", remedy=remedy)
    return timed[0]


def _interval_s(facts: dict[str, Any]) -> float | None:
    value = np.asarray(facts.get("interval_s", np.nan), float).ravel()
    seconds = float(value[0] / value[1]) if value.size == 2 else float(value[0])
    return seconds if 0 < seconds < np.inf else None


def _parts(path: Path, name: str) -> Iterator[Floats]:
    from qlab.runfile.reader import RunFile

    with RunFile.open(path) as run:
        rows = run.rows(name)
        for start in range(0, rows, _PART):
            part = run.read(name, start, min(start + _PART, rows))
            yield np.where(np.isfinite(part), part, np.nan).astype(np.float64)
