"""Readings in our own run files.

A dataset holds readings if its attribute ``unit`` is ``s`` (phase) or ``1`` (fractional
frequency), and ``interval_s`` says what time is between them, in seconds or as two integers,
their quotient; or else a dataset ``time_ns`` beside it, of unit ``ns``, says when each was.
``estimator`` says how a counter averaged frequency: ``pi``, ``lambda`` or ``omega``. NaN stands
where a reading is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from protocols.stability.statistic import Floats
from qlab.errors import UsageError
from qlab.stability.readings import Quantity, Readings, Wanted
from qlab.stability.timebase import Timebase

if TYPE_CHECKING:
    from qlab.runfile.reader import RunFile

__all__ = ["is_run_file", "run_readings"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512
_PART = 1 << 20
_FIRST = 200
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
        stamps = _stamps(run, name)
        first = run.read(stamps, 0, _FIRST) if stamps else np.empty(0)
    quantity = _UNITS[str(facts["unit"])]
    if wanted.quantity not in (None, quantity):
        raise UsageError(f"{path}: {name} is {quantity}", remedy=f"give --input {quantity}")
    interval_s, rate_hz = _interval_s(facts), wanted.rate_hz
    base = None
    if interval_s is not None:
        origin = "file"
        if rate_hz is not None and abs(interval_s * rate_hz - 1) > 1e-6:
            raise UsageError(
                f"{path}: {name} has a reading each {interval_s:.9g} s",
                remedy="leave out --rate",
            )
    elif first.size > 1:
        base = Timebase.of(f"{path}, {stamps}", first / 1e9, rate_hz)
        interval_s, origin = base.interval_s, "time stamps"
    elif rate_hz is not None:
        interval_s, origin = 1.0 / rate_hz, "given"
    else:
        raise UsageError(f"{path}: {name} does not tell its rate", remedy="give --rate")
    estimator = facts.get("estimator")
    if estimator not in ("pi", "lambda", "omega"):
        estimator = None
    parts = _parts(path, name, stamps if base else None, base)
    return Readings(path, f"run file, {name}", quantity, interval_s, origin, parts, estimator)


def _chosen(path: Path, run: RunFile, wanted: Wanted) -> str:
    facts = {name: run.attributes(name) for name in run.datasets}
    fitting = [name for name, one in facts.items() if str(one.get("unit")) in _UNITS]
    timed = [name for name in fitting if "interval_s" in facts[name] or _stamps(run, name)]
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


def _stamps(run: RunFile, name: str) -> str | None:
    beside = name.rpartition("/")[0] + "/time_ns"
    if beside not in run.datasets or run.attributes(beside).get("unit") != "ns":
        return None
    return beside


def _interval_s(facts: dict[str, Any]) -> float | None:
    value = np.asarray(facts.get("interval_s", np.nan), float).ravel()
    seconds = float(value[0] / value[1]) if value.size == 2 else float(value[0])
    return seconds if 0 < seconds < np.inf else None


def _parts(path: Path, name: str, stamps: str | None, base: Timebase | None) -> Iterator[Floats]:
    from qlab.runfile.reader import RunFile

    with RunFile.open(path) as run:
        rows = run.rows(name)
        for start in range(0, rows, _PART):
            stop = min(start + _PART, rows)
            part = run.read(name, start, stop)
            values = np.where(np.isfinite(part), part, np.nan).astype(np.float64)
            if stamps is None or base is None:
                yield values
            else:
                times = run.read(stamps, start, stop) / 1e9
                yield from base.placed(values[: times.size], times, start + 1)
