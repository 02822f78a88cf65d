"""The free-running clock, rebuilt from the steered one and the log of its steering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.errors import ParameterError

__all__ = ["free_running", "steered_phase"]


def steered_phase(
    times_ns: NDArray[np.int64],
    log_times_ns: Sequence[int] | NDArray[np.int64],
    log_settings: Sequence[int] | NDArray[np.int64],
    step: float,
    sign: int = 1,
) -> NDArray[np.float64]:
    """Return what steering has added to a clock's phase, exact but for the last rounding.

    Settings are whole steps and times whole nanoseconds, so the sum is one of integers.

    Parameters
    ----------
    times_ns : ndarray
        When it is asked for.
    log_times_ns, log_settings : sequence of int
        From when on the actuator was at which setting, in order of time. Nothing is added
        before the first.
    step : float
        Fractional frequency of one step.
    sign : int
        +1 where a higher setting raises the frequency, -1 where it lowers it.

    Returns
    -------
    ndarray
        In seconds.

    Raises
    ------
    ParameterError
        The log is not in order, or its two halves differ in length.
    """
    starts = np.asarray(log_times_ns, dtype=np.int64)
    settings = np.asarray(log_settings, dtype=np.int64)
    if starts.size != settings.size or np.any(np.diff(starts) <= 0):
        raise ParameterError("a steering log has a setting for each of its ascending times")
    if starts.size == 0:
        return np.zeros(len(times_ns))
    whole = [0]
    for setting, span in zip(settings[:-1].tolist(), np.diff(starts).tolist(), strict=True):
        whole.append(whole[-1] + setting * span)
    sums = np.array(whole, dtype=object)
    place = np.searchsorted(starts, times_ns, side="right") - 1
    since = np.where(place >= 0, times_ns - starts[place], 0).astype(object)
    held = sums[np.maximum(place, 0)] + settings[np.maximum(place, 0)].astype(object) * since
    added: NDArray[np.float64] = sign * step * 1e-9 * held.astype(np.float64)
    return added


def free_running(
    times_ns: NDArray[np.int64],
    phase_s: NDArray[np.float64],
    log_times_ns: Sequence[int] | NDArray[np.int64],
    log_settings: Sequence[int] | NDArray[np.int64],
    step: float,
    sign: int = 1,
) -> NDArray[np.float64]:
    """Return the phase that the clock would have had if nobody had steered it.

    `phase_s` is that of the steered clock at `times_ns`; see `steered_phase` for the rest.
    """
    return phase_s - steered_phase(times_ns, log_times_ns, log_settings, step, sign)
