"""What is asked of a file of readings, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from protocols.stability.statistic import Floats

__all__ = ["Estimator", "Quantity", "Readings", "Wanted"]

Quantity = Literal["phase", "frequency"]
Estimator = Literal["pi", "lambda", "omega"]


@dataclass(frozen=True)
class Wanted:
    """What the user says about a file. None is for the file to say.

    Attributes
    ----------
    quantity : {"phase", "frequency"} or None
        What is in it.
    rate_hz : float or None
        Readings a second, above 0.
    column : int or None
        Column of the readings, from 1; of a log of time stamps by channel, the channel.
    time_column : int or None
        Column of time stamps, from 1; 0 for none.
    dataset : str or None
        Which dataset of a run file.
    nominal_hz : float or None
        What frequency readings in Hz are meant to be.
    estimator : {"pi", "lambda", "omega"} or None
        How the counter averaged frequency.
    """

    quantity: Quantity | None = None
    rate_hz: float | None = None
    column: int | None = None
    time_column: int | None = None
    dataset: str | None = None
    nominal_hz: float | None = None
    estimator: Estimator | None = None


@dataclass
class Readings:
    """Readings at equal intervals, NaN where one is missing.

    Attributes
    ----------
    path : Path
        Their file.
    kind : str
        What sort of file that is.
    quantity : {"phase", "frequency"}
        Phase in seconds or fractional frequency.
    interval_s : float
        Between readings.
    interval_from : {"given", "time stamps", "file", "assumed"}
        Who said so.
    parts : iterator of numpy.ndarray
        The readings in turn; can be gone through once. Raises `UsageError` where the file
        is wrong.
    estimator : {"pi", "lambda", "omega"} or None
        How the counter averaged frequency, where the file says.
    notes : list of str
        What was assumed or passed over; complete when `parts` is at its end.
    """

    path: Path
    kind: str
    quantity: Quantity
    interval_s: float
    interval_from: str
    parts: Iterator[Floats]
    estimator: Estimator | None = None
    notes: list[str] = field(default_factory=list)
