"""Frequency offset and drift, fitted and taken off.

References
----------
NIST Special Publication 1065 (W. J. Riley, 2008), sections 5.18 and 5.19.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from protocols.errors import ParameterError
from protocols.stability.series import Quantity, check_interval, samples
from protocols.stability.statistic import Floats

__all__ = ["MODELS", "Drift", "remove_drift"]

#: What can be taken off, by what the series is.
MODELS: dict[str, tuple[str, ...]] = {
    "phase": ("endpoints", "linear", "quadratic", "three-point", "second-difference"),
    "frequency": ("mean", "linear", "bisection", "logarithmic"),
}


@dataclass(frozen=True, slots=True)
class Drift:
    """A series without its drift, and what was taken off.

    Attributes
    ----------
    residual : numpy.ndarray
        The series less the model, in its own unit; NaN where a sample is missing or masked.
    frequency : float
        Fractional frequency of the model at the first sample; for `logarithmic` too.
    drift_per_s : float
        Fractional frequency per second; 0 for models of an offset alone, the mean over the
        series for `logarithmic`.
    """

    residual: Floats
    frequency: float
    drift_per_s: float


def _polynomial(t: Floats, x: Floats, degree: int) -> Floats:
    """Return the least-squares coefficients in t, ascending."""
    scale = t[-1] if t[-1] > 0.0 else 1.0
    fitted = np.polynomial.polynomial.polyfit(t / scale, x, degree)
    coefficients: Floats = fitted / scale ** np.arange(degree + 1)
    return coefficients


def _of_phase(t: Floats, x: Floats, interval: float, model: str) -> Floats:
    """Return offset, frequency and half the drift of a phase."""
    if model == "quadratic":
        return _polynomial(t, x, 2)
    if model == "linear":
        return np.append(_polynomial(t, x, 1), 0.0)
    span = t[-1] - t[0]
    if model == "endpoints":
        slope = (x[-1] - x[0]) / span
        return np.array([x[0] - slope * t[0], slope, 0.0])
    if model == "three-point":
        middle = int(np.argmin(np.abs(t - (t[0] + t[-1]) / 2.0)))
        before = (x[middle] - x[0]) / (t[middle] - t[0])
        after = (x[-1] - x[middle]) / (t[-1] - t[middle])
        drift = 2.0 * (after - before) / span
    else:  # second-difference: their mean, which only the ends of the series decide
        apart = np.flatnonzero(
            (np.diff(t[:-1]) < 1.5 * interval) & (np.diff(t[1:]) < 1.5 * interval)
        )
        if apart.size == 0:
            raise ParameterError("no three samples in a row: there is no second difference")
        drift = float(np.mean(x[apart + 2] - 2.0 * x[apart + 1] + x[apart])) / interval**2
    # Through both ends.
    slope = (x[-1] - x[0]) / span - drift * (t[-1] + t[0]) / 2.0
    return np.array([x[0] - slope * t[0] - drift * t[0] ** 2 / 2.0, slope, drift / 2.0])


def _logarithmic(t: Floats, y: Floats) -> tuple[Floats, float, float]:
    """Fit ``y = a·ln(b·t + 1) + c``, as crystals stabilise."""
    span = float(t[-1])

    def shape(exponent: float) -> Floats:
        curve: Floats = np.log1p(10.0**exponent * t / span)
        return curve

    def fit(exponent: float) -> tuple[Floats, float]:
        columns = np.column_stack([shape(exponent), np.ones(t.size)])
        solution, *_ = np.linalg.lstsq(columns, y, rcond=None)
        return columns @ solution, float(solution[0])

    def misfit(exponent: float) -> float:
        return float(np.sum((y - fit(exponent)[0]) ** 2))

    # b from one that makes a straight line to one that has bent within a sample.
    grid = np.linspace(-2.0, np.log10(t.size) + 1.0, 25)
    best = int(np.argmin([misfit(exponent) for exponent in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    found = minimize_scalar(misfit, bounds=(low, high), method="bounded")
    curve, amplitude = fit(float(found.x))
    drift = amplitude * float(np.log1p(10.0 ** float(found.x))) / span
    return curve, float(curve[0]), drift


def remove_drift(
    x: npt.ArrayLike,
    tau0_s: float,
    model: str,
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    mask: npt.ArrayLike | None = None,
) -> Drift:
    """Take a model of frequency offset or drift off a series.

    Phase: `endpoints` is the frequency from the first to the last sample, `linear` the
    frequency by least squares (both leave the drift), `quadratic` offset and drift by least
    squares, best for white phase noise, `three-point` the drift from first, middle and last
    sample, best for white or random-walk frequency noise, `second-difference` the mean second
    difference, best for random-walk frequency noise. Frequency: `mean`, `linear` by least
    squares, best for white frequency noise, `bisection` from the means of both halves, best for
    white and random-walk, `logarithmic` ``a·ln(bt + 1) + c`` for oscillators that stabilise.

    Missing samples take no part. Of a series of frequency nothing is cumulated, so gaps do not
    matter.

    Parameters
    ----------
    x : array_like
        Phase in seconds or fractional frequency at equal intervals.
    tau0_s : float
        The interval in seconds.
    model : str
        One of `MODELS` for the input.
    input : {"phase", "frequency"}
        What `x` is.
    mask : array_like of bool, optional
        True where a sample must not be used.

    Raises
    ------
    ParameterError
        An argument is out of its range, or too few samples are left for the model.
    """
    if input not in MODELS:
        raise ParameterError(f"the input is phase or frequency, not {input!r}")
    if model not in MODELS[input]:
        raise ParameterError(f"models of {input} are {', '.join(MODELS[input])}, not {model!r}")
    check_interval(tau0_s)
    series, there = samples(x, mask, input)
    used = np.flatnonzero(there)
    if used.size < 4:
        raise ParameterError(f"{used.size} samples are too few to fit a drift")
    time = tau0_s * np.arange(series.size, dtype=np.float64)
    t, values = time[used], series[used]
    residual = np.full(series.size, np.nan)
    if input == "phase":
        offset, frequency, half = _of_phase(t, values, tau0_s, model)
        residual[used] = values - (offset + t * (frequency + t * half))
        at_first = frequency + 2.0 * half * t[0]
        return Drift(residual, float(at_first), float(2.0 * half))
    if model == "logarithmic":
        curve, first, drift = _logarithmic(t - t[0], values)
        residual[used] = values - curve
        return Drift(residual, first, drift)
    if model == "mean":
        line = np.array([values.mean(), 0.0])
    elif model == "linear":
        line = _polynomial(t, values, 1)
    else:
        middle = (t[0] + t[-1]) / 2.0
        early, late = t < middle, t > middle
        drift = (values[late].mean() - values[early].mean()) / (t[late].mean() - t[early].mean())
        line = np.array([values.mean() - drift * t.mean(), drift])
    residual[used] = values - (line[0] + line[1] * t)
    return Drift(residual, float(line[0] + line[1] * t[0]), float(line[1]))
