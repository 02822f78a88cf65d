"""Frequency jumps and phase steps.

A frequency jump shows in the difference of the mean frequencies over a window after and a
window before each place, the BLKAVG of Riley, which is the second difference of the phase. A
phase step shows in the third difference of the mean phases of four windows in a row, of which
offset, frequency and drift cancel. Either is held against 1.4826 times the median absolute
deviation of all its values, which is what the noise at that averaging time makes, whatever its
kind, and which a few jumps do not move. As each kind leaves a trace in the other, the phase
around decides between them: what leaves less of it by least squares, a step or a kink.

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

Kind = Literal["frequency", "phase"]

_PLACES = 129  # at which a jump is tried when its kind is told


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

    kind: Kind
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


def _fitted(phase: Floats, at: int, window: int) -> tuple[Kind, int]:
    """Return which kind of jump near `at` leaves least of the phase around, and where."""
    begin = max(0, at - 3 * window)
    around = phase[begin : at + 3 * window]
    there = np.flatnonzero(~np.isnan(around))
    t = there.astype(np.float64)
    low, high = (
        max(1, at - begin - 3 * window // 2),
        min(around.size - 1, at - begin + 3 * window // 2),
    )
    places = np.unique(np.linspace(low, high, min(high - low + 1, _PLACES)).astype(np.int64))
    line = np.linalg.qr(np.column_stack([np.ones(t.size), t - t.mean()]))[0]
    left = around[there] - line @ (line.T @ around[there])
    after = there[:, None] >= places
    shapes: dict[Kind, Floats] = {
        "phase": after.astype(np.float64),
        "frequency": np.where(after, t[:, None] - places, 0.0),
    }
    best: tuple[float, Kind, int] = (-1.0, "phase", at)
    for kind, shape in shapes.items():
        own = shape - line @ (line.T @ shape)
        taken = (left @ own) ** 2 / np.maximum(np.sum(own**2, axis=0), np.finfo(float).tiny)
        k = int(np.argmax(taken))
        best = max(best, (float(taken[k]), kind, begin + int(places[k])))
    return best[1], best[2]


def find_jumps(
    x: npt.ArrayLike,
    tau0_s: float,
    window: int,
    threshold: float = 6.0,
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    mask: npt.ArrayLike | None = None,
) -> tuple[Jump, ...]:
    """Find frequency jumps and phase steps, the most significant first to claim its place.

    Within two and a half windows of one jump no other is reported. Mask outliers and take a
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
    per_kind: dict[Kind, list[Floats]] = {
        "frequency": [_frequency_jumps(record, window) for _, record in placed],
        "phase": [_phase_steps(record, window) for _, record in placed],
    }
    units = {"frequency": window * tau0_s, "phase": 1.0}
    found: list[Jump] = []
    scores = {kind: _scores(values) for kind, values in per_kind.items()}
    for k, (start, record) in enumerate(placed):
        left = np.ones(record.size, np.bool_)
        while True:
            shown = np.maximum(scores["frequency"][k], scores["phase"][k]) * left
            at = int(np.argmax(shown))
            if shown[at] <= threshold:
                break
            left[max(0, at - 2 * window) : at + 2 * window + 1] = False
            kind, place = _fitted(record, at, window)
            near = slice(max(0, place - window // 2), place + window // 2 + 1)
            place = near.start + int(np.argmax(scores[kind][k][near]))
            if scores[kind][k][place] <= threshold:  # it shows as the other kind alone
                kind = "phase" if scores["phase"][k][at] == shown[at] else "frequency"
                place = at
            left[max(0, place - 5 * window // 2) : place + 5 * window // 2 + 1] = False
            size = float(per_kind[kind][k][place]) / units[kind]
            shift = 1 if kind == "phase" and input == "frequency" else 0
            found.append(Jump(kind, start + place - shift, size, float(scores[kind][k][place])))
    return tuple(sorted(found, key=lambda jump: jump.index))
