"""Frequency jumps and phase steps.

A frequency jump shows in the difference of the mean frequencies over a window after and a
window before each place, the BLKAVG of Riley, which is the second difference of the phase. A
phase step shows in the third difference of the mean phases of four windows in a row, of which
offset, frequency and drift cancel. Either is held against 1.4826 times the median absolute
deviation of all its values, which is what the noise at that averaging time makes, whatever its
kind, and which a few jumps do not move.

References
----------
W. J. Riley, "Algorithms for frequency jump detection", Metrologia 45, S154 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.stability.outliers import robust_sigma
from protocols.stability.series import Quantity, flattened, records_placed
from protocols.stability.statistic import Floats

__all__ = ["Jump", "find_jumps"]


@dataclass(frozen=True, slots=True)
class Jump:
    """One jump.

    Attributes
    ----------
    kind : {"frequency", "phase"}
        What jumped.
    index : int
        Of a frequency jump, the phase sample where the slope changes, or the first reading at
        the new frequency; of a phase step, the first phase sample after it, or the reading of
        frequency that it falls into. Uncertain by as much as the noise hides.
    size : float
        Fractional frequency, or seconds; positive upwards.
    sigmas : float
        Size over what the noise makes of it.
    """

    kind: Literal["frequency", "phase"]
    index: int
    size: float
    sigmas: float


def _window_means(phase: Floats, window: int) -> Floats:
    """Return means of `window` samples from each place on; NaN where half of them miss."""
    there = ~np.isnan(phase)
    sums = np.concatenate([[0.0], np.cumsum(np.where(there, phase, 0.0))])
    counts = np.concatenate([[0], np.cumsum(there)])
    n = counts[window:] - counts[:-window]
    means: Floats = np.where(
        2 * n > window, (sums[window:] - sums[:-window]) / np.maximum(n, 1), np.nan
    )
    return means


def _frequency_jumps(phase: Floats, window: int) -> Floats:
    """Return how much more phase accrues in the window after each place than before."""
    found = np.full(phase.size, np.nan)
    if phase.size > 2 * window:
        found[window:-window] = (phase[2 * window :] - phase[window:-window]) - (
            phase[window:-window] - phase[: -2 * window]
        )
    return found


def _phase_steps(phase: Floats, window: int) -> Floats:
    """Return the step between each place and the one before."""
    found = np.full(phase.size, np.nan)
    if phase.size >= 4 * window:
        means = _window_means(flattened(phase), window)
        a, b, c, d = (means[k * window : means.size - (3 - k) * window] for k in range(4))
        found[2 * window : 2 * window + a.size] = 1.5 * (c - b) - 0.5 * (d - a)
    return found


def _scores(values: list[Floats]) -> list[Floats]:
    """Return values over the noise that they all have in common."""
    sigma = robust_sigma(np.concatenate(values))
    return [np.nan_to_num(np.abs(one) / sigma if sigma > 0.0 else 0.0 * one) for one in values]


def find_jumps(
    x: npt.ArrayLike,
    tau0_s: float,
    window: int,
    threshold: float = 6.0,
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    mask: npt.ArrayLike | None = None,
) -> tuple[Jump, ...]:
    """Find frequency jumps and phase steps, the most significant first to claim its place.

    Where both kinds show within two windows, or one kind shows twice, only the more
    significant is reported, as each leaves a trace in the other. Mask outliers and take a
    drift off first.

    Parameters
    ----------
    x : array_like
        Phase in seconds or fractional frequency; nothing is looked for across a gap of
        frequency, nor within `window` of an end, two of them for phase steps.
    tau0_s : float
        The interval in seconds.
    window : int
        Samples to average, at least 1: the longer, the smaller the jumps that are found, as
        far as the noise averages, and the farther they must be apart.
    threshold : float
        Sigmas that make a jump, above 0. Of Gaussian noise one place exceeds 6 with a
        probability of 2e-9; noise that wanders makes about one independent place per window.
    input : {"phase", "frequency"}
        What `x` is.
    mask : array_like of bool, optional
        True where a sample must not be used.

    Returns
    -------
    tuple of Jump
        In the order of their places.

    Raises
    ------
    ParameterError
        An argument is out of its range.
    """
    if window < 1 or not threshold > 0.0:
        raise ParameterError("the window must be at least 1, the threshold above 0")
    placed = records_placed(x, tau0_s, quantity=input, mask=mask)
    per_kind: dict[Literal["frequency", "phase"], list[Floats]] = {
        "frequency": [_frequency_jumps(record, window) for _, record in placed],
        "phase": [_phase_steps(record, window) for _, record in placed],
    }
    units = {"frequency": window * tau0_s, "phase": 1.0}
    found: list[Jump] = []
    scores = {kind: _scores(values) for kind, values in per_kind.items()}
    for k, (start, record) in enumerate(placed):
        left = np.ones(record.size, np.bool_)
        while True:
            best: tuple[float, Literal["frequency", "phase"], int] | None = None
            for kind, values in scores.items():
                at = int(np.argmax(np.where(left, values[k], 0.0)))
                score = float(values[k][at]) if left[at] else 0.0
                if score > threshold and (best is None or score > best[0]):
                    best = (score, kind, at)
            if best is None:
                break
            score, kind, at = best
            size = float(per_kind[kind][k][at]) / units[kind]
            shift = 1 if kind == "phase" and input == "frequency" else 0
            found.append(Jump(kind, start + at - shift, size, score))
            left[max(0, at - 2 * window) : at + 2 * window + 1] = False
    return tuple(sorted(found, key=lambda jump: jump.index))
