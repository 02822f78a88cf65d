"""The statistics of a file of readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocols.errors import ParameterError
from protocols.stability import Stability, stability
from protocols.stability.statistic import Floats
from protocols.stability.taus import Taus
from qlab.errors import UsageError
from qlab.stability.readings import Readings

__all__ = ["Results", "work_out"]

# What these say of readings that a counter has averaged already is something else.
_REMEDY = "see `qlab clock stability --help`, and docs/stability.md for what each needs"
_WANT_PI = ("adev", "oadev", "hdev", "ohdev", "totdev", "htotdev", "theo1", "gcodev")


@dataclass(frozen=True)
class Results:
    """Statistics of a file.

    Attributes
    ----------
    readings : Readings
        Of what, all notes there.
    points, missing : int
        Places, and those without a reading.
    statistics : tuple of Stability
        In the order asked for.
    """

    readings: Readings
    points: int
    missing: int
    statistics: tuple[Stability, ...]


def work_out(
    readings: Readings,
    names: Sequence[str],
    taus: Taus,
    confidence: float,
) -> Results:
    """Work out statistics of readings.

    Parameters
    ----------
    readings : Readings
        As `open_readings` gives them; they are used up.
    names : sequence of str
        Of `STATISTICS`.
    taus : str or sequence of float
        ``octave``, ``decade``, ``all``, or averaging times in seconds.
    confidence : float
        Of the limits.

    Raises
    ------
    UsageError
        The file is wrong somewhere, has too few readings, or a time is longer than it.
    """
    parts = list(readings.parts)
    values: Floats = np.concatenate(parts) if parts else np.empty(0)
    del parts
    missing = int(np.count_nonzero(np.isnan(values)))
    found = []
    for name in names:
        try:
            found.append(
                stability(values, readings.interval_s, name, taus, readings.quantity, confidence)
            )
        except ParameterError as error:
            raise UsageError(f"{readings.path}: {error}", remedy=_REMEDY) from None
    _warn(readings, names)
    return Results(readings, values.size, missing, tuple(found))


def _warn(readings: Readings, names: Sequence[str]) -> None:
    """Add to the notes what makes the statistics something else than their names say."""
    wanting = [name for name in names if name in _WANT_PI]
    if readings.estimator in ("lambda", "omega") and wanting:
        readings.notes.append(
            f"the counter averages frequency ({readings.estimator}): {', '.join(wanting)} of such "
            "readings is not what its name says; use phase, or a counter without averaging"
        )
