"""The statistics of a file of readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from protocols.errors import ParameterError
from protocols.stability import Stability, stability
from protocols.stability.drift import Drift, remove_drift
from protocols.stability.estimate import Progress
from protocols.stability.jumps import Jump, find_jumps
from protocols.stability.outliers import flag_outliers
from protocols.stability.statistic import Floats
from protocols.stability.stream import EXACT, STREAMED, StreamedStability
from protocols.stability.taus import Taus
from qlab.errors import UsageError
from qlab.stability.readings import Quantity, Readings

__all__ = ["Results", "Task", "work_out"]

_IN_MEMORY = 10_000_000  # readings; more are streamed where that gives what is wanted
_MOST_IN_MEMORY = 200_000_000
# What these say of readings that a counter has averaged already is something else.
_WANT_PI = ("adev", "oadev", "hdev", "ohdev", "totdev", "htotdev", "theo1")
_REMEDY = "docs/stability.md says what each statistic needs; `--taus octave` takes what there is"
_NEED_MEAN = {"tierms", "mtie"}  # of all the frequencies, before they are cumulated
_HERTZ, _STEADY = 1e3, 1e-3


@dataclass(frozen=True)
class Task:
    """What is wanted of readings.

    Attributes
    ----------
    names : tuple of str
        Of `protocols.stability.STATISTICS`.
    taus : str or sequence of float
        ``octave``, ``decade``, ``all``, or averaging times in seconds.
    confidence : float
        Of the limits.
    outliers : float or None
        Robust sigmas beyond which a reading is masked.
    drift : str or None
        Model of `protocols.stability.drift` that is taken off, after that.
    jumps : int or None
        Readings to average while looking for jumps, after that.
    """

    names: tuple[str, ...] = ("oadev",)
    taus: Taus = "octave"
    confidence: float = 0.683
    outliers: float | None = None
    drift: str | None = None
    jumps: int | None = None

    def can_stream(self, quantity: Quantity) -> bool:
        """Tell whether the readings may go by, none of them kept."""
        whole = (self.outliers, self.drift, self.jumps) != (None, None, None)
        names = set(STREAMED) - (_NEED_MEAN if quantity == "frequency" else set())
        return self.taus == "octave" and not whole and set(self.names) <= names


@dataclass(frozen=True)
class Results:
    """Statistics of a file.

    Attributes
    ----------
    readings : Readings
        Of what; all notes are there.
    points, missing : int
        Places, and those without a reading.
    statistics : tuple of Stability
        In the order asked for.
    outliers : int or None
        Readings that were masked, if that was wanted.
    drift : Drift or None
        What was taken off.
    jumps : tuple of Jump or None
        What was found, if that was wanted.
    """

    readings: Readings
    points: int
    missing: int
    statistics: tuple[Stability, ...]
    outliers: int | None = None
    drift: Drift | None = None
    jumps: tuple[Jump, ...] | None = None


def work_out(readings: Readings, task: Task, progress: Progress | None = None) -> Results:
    """Work out statistics of readings, which are used up.

    Parameters
    ----------
    readings : Readings
    task : Task
    progress : callable, optional
        As of `protocols.stability.stability`, of readings that are kept in memory.

    Raises
    ------
    UsageError
        The file is wrong somewhere, or has too few readings for what is wanted, or too many.
    """
    parts: list[Floats] = []
    points = 0
    can_stream = task.can_stream(readings.quantity)
    coming = iter(readings.parts)
    for part in coming:
        parts.append(part)
        points += part.size
        if points > (_IN_MEMORY if can_stream else _MOST_IN_MEMORY):
            break
    else:
        try:
            values = np.concatenate([np.empty(0), *parts])
            parts.clear()
            found = _at_once(readings, values, task, progress)
        except ParameterError as error:
            raise UsageError(f"{readings.path}: {error}", remedy=_REMEDY) from None
        _warn(readings, task)
        return found
    if not can_stream:
        raise UsageError(
            f"{readings.path}: more than {_MOST_IN_MEMORY:,} readings",
            remedy=f"so many are streamed: {', '.join(STREAMED)} at --taus octave",
        )
    found = _streamed(readings, parts, coming, task)
    _warn(readings, task)
    return found


def _at_once(readings: Readings, values: Floats, task: Task, progress: Progress | None) -> Results:
    interval_s, quantity = readings.interval_s, readings.quantity
    missing = int(np.count_nonzero(np.isnan(values)))
    outliers, drift, jumps = None, None, None
    points = values.size
    if quantity == "frequency" and missing < points:
        _look_for_hertz(readings, values)
    if task.outliers is not None:
        flagged = flag_outliers(values, task.outliers, input=quantity)
        outliers = int(np.count_nonzero(flagged))
        values = np.where(flagged, np.nan, values)
    if task.drift is not None:
        drift = remove_drift(values, interval_s, task.drift, quantity)
        values = drift.residual
    if task.jumps is not None:
        jumps = find_jumps(values, interval_s, task.jumps, input=quantity)
    statistics = tuple(
        stability(values, interval_s, name, task.taus, quantity, task.confidence, progress=progress)
        for name in task.names
    )
    return Results(readings, points, missing, statistics, outliers, drift, jumps)


def _streamed(
    readings: Readings, parts: list[Floats], coming: Iterator[Floats], task: Task
) -> Results:
    stream = StreamedStability(readings.interval_s, task.names, readings.quantity)
    points = missing = 0

    def feed(part: Floats) -> None:
        nonlocal points, missing
        stream.feed(part)
        points += part.size
        missing += int(np.count_nonzero(np.isnan(part)))

    parts.reverse()
    while parts:
        feed(parts.pop())
    for part in coming:
        feed(part)
    found = stream.results(task.confidence)
    readings.notes.append(
        f"streamed: above averaging factor {EXACT} only some of the overlapping terms are formed"
    )
    return Results(readings, points, missing, tuple(found[name] for name in task.names))


def _look_for_hertz(readings: Readings, values: Floats) -> None:
    mean, spread = float(np.nanmean(values)), float(np.nanstd(values))
    if abs(mean) > _HERTZ and spread < _STEADY * abs(mean):
        readings.notes.append(
            f"the frequency is about {mean:.6g}: if that is in Hz, the deviations are too, and "
            "--nominal makes them fractional"
        )


def _warn(readings: Readings, task: Task) -> None:
    """Add to the notes what makes the statistics something else than their names say."""
    wanting = [name for name in task.names if name in _WANT_PI]
    if readings.estimator in ("lambda", "omega") and wanting:
        readings.notes.append(
            f"the counter averages frequency ({readings.estimator}): {', '.join(wanting)} of such "
            "readings is not what its name says; use phase, or a counter without averaging"
        )
