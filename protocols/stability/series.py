"""From what was measured to records of phase."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.stability.statistic import Floats

__all__ = [
    "Quantity",
    "check_interval",
    "flattened",
    "phase_to_frequency",
    "records",
    "records_placed",
    "runs",
    "samples",
]

Quantity = Literal["phase", "frequency"]


def runs(there: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where each unbroken run of True begins and ends (the place after its last)."""
    edges = np.flatnonzero(np.diff(there, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def samples(
    x: npt.ArrayLike, mask: npt.ArrayLike | None, quantity: str
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return a series as an array, and where it has samples that can be used.

    Raises
    ------
    ParameterError
        `x` is not one series of numbers, `mask` has another length, or `quantity` is neither
        `phase` nor `frequency`.
    """
    if quantity not in ("phase", "frequency"):
        raise ParameterError(f"the input is phase or frequency, not {quantity!r}")
    try:
        series: Floats = np.asarray(x, np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the series is not one of numbers: {error}") from error
    if series.ndim != 1:
        raise ParameterError(f"the series must have one dimension, not {series.ndim}")
    there = np.isfinite(series)
    if mask is not None:
        masked = np.asarray(mask, np.bool_)
        if masked.shape != series.shape:
            raise ParameterError(f"the mask has {masked.size} entries for {series.size} samples")
        there &= ~masked
    return series, there


def check_interval(tau0_s: float) -> None:
    """Raise `ParameterError` unless `tau0_s` is a finite time above 0."""
    if not (np.isfinite(tau0_s) and tau0_s > 0.0):
        raise ParameterError(f"the sampling interval must be above 0 s, not {tau0_s!r}")


def records(
    x: npt.ArrayLike, tau0_s: float, *, quantity: Quantity, mask: npt.ArrayLike | None = None
) -> tuple[Floats, ...]:
    """Return the records of phase that a series holds, missing samples as NaN.

    Phase keeps its meaning through a missing reading, so a series of phase is one record,
    with NaN inside it; what is missing at its ends is cut off. Frequency does not: nobody
    knows how far the phase ran meanwhile. Its mean is taken off, and each unbroken run is
    cumulated from zero as a record of its own, with one phase point more than the run has
    readings.

    Parameters
    ----------
    x : array_like
        One series of phase in seconds or of fractional frequency, at equal intervals. NaN
        and infinity are missing samples.
    tau0_s : float
        The interval in seconds, above 0.
    quantity : {"phase", "frequency"}
        Which of them `x` is.
    mask : array_like of bool, optional
        True where a sample must not be used; as long as `x`.

    Raises
    ------
    ParameterError
        `x` is not one series of numbers, `mask` has another length, `tau0_s` is not
        positive, `quantity` is neither, or no sample is left.
    """
    return tuple(record for _, record in records_placed(x, tau0_s, quantity=quantity, mask=mask))


def records_placed(
    x: npt.ArrayLike, tau0_s: float, *, quantity: Quantity, mask: npt.ArrayLike | None = None
) -> tuple[tuple[int, Floats], ...]:
    """Return `records`, each with the index of the sample of the series that it begins with."""
    check_interval(tau0_s)
    series, there = samples(x, mask, quantity)
    if not there.any():
        raise ParameterError("the series has no sample that can be used")
    if quantity == "phase":
        if there.all():
            return ((0, np.ascontiguousarray(series)),)
        used = np.flatnonzero(there)
        whole = np.where(there, series, np.nan)[used[0] : used[-1] + 1]
        return ((int(used[0]), whole),)
    mean = series[there].mean()
    return tuple(
        (start, _cumulated(series[start:stop] - mean, tau0_s)) for start, stop in runs(there)
    )


def _cumulated(frequency: Floats, tau0_s: float) -> Floats:
    phase = np.zeros(frequency.size + 1)
    np.cumsum(frequency, out=phase[1:])
    phase *= tau0_s
    return phase


def phase_to_frequency(x: npt.ArrayLike, tau0_s: float) -> Floats:
    """Return the mean fractional frequency over each interval, NaN where an end is missing."""
    frequency: Floats = np.diff(np.asarray(x, np.float64)) / tau0_s
    return frequency


def flattened(phase: Floats) -> Floats:
    """Return a phase less the straight line from its first to its last sample that is there."""
    used = np.flatnonzero(~np.isnan(phase))
    if used.size < 2:
        return phase - phase[used[0]] if used.size else phase.copy()
    first, last = used[0], used[-1]
    slope = (phase[last] - phase[first]) / (last - first)
    flat: Floats = (phase - phase[first]) - slope * (np.arange(phase.size) - first)
    return flat
