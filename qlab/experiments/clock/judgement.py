"""What a clock run is worth: when it was locked, why not, and how stable it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.clock.alarms import Alarm
from protocols.clock.states import Flag, Reason, State
from protocols.clock.steering_log import free_running
from protocols.clock.timescale import mjd, utc_text, utc_warning
from qlab.experiments.clock.options import ClockOptions
from qlab.experiments.deviations import deviations

__all__ = ["judged", "noticed_flags", "on_grid"]

_NAMES = ("oadev", "tdev")


def judged(
    options: ClockOptions, logs: Sequence[tuple[NDArray[Any], float]], stopped: str | None
) -> dict[str, Any]:
    """Return the results of a run.

    Parameters
    ----------
    options : ClockOptions
    logs : sequence of (ndarray, float)
        Each site's log (`site.LOG`), and what one step of its steering is.
    stopped : str or None
        The signal that ended a run without a set length.
    """
    start = options.start_tai_ns
    end = max((int(rows["t_tai_ns"][-1]) for rows, _ in logs if rows.size), default=start)
    return {
        "start_utc": utc_text(start),
        "start_mjd": mjd(start),
        "end_utc": utc_text(end),
        "end_mjd": mjd(end),
        "utc_warning": utc_warning(end),
        "period_s": options.period_s,
        "stopped": stopped,
        "sites": [_site(options, number, rows, step) for number, (rows, step) in enumerate(logs)],
    }


def _site(options: ClockOptions, number: int, rows: NDArray[Any], step: float) -> dict[str, Any]:
    site = options.sites[number]
    found: dict[str, Any] = {
        "clock": site.clock,
        "controller": site.controller,
        "gains": list(site.gains),
        "readings": int(rows.size),
        "missing": int(np.count_nonzero(np.isnan(rows["x"]))),
        "outliers": _count(rows["flags"], Flag.OUTLIER),
    }
    if rows.size == 0:
        return found | {"changes": [], "locked_share": 0.0, "first_lock_s": None}
    since_s = (rows["t_tai_ns"] - options.start_tai_ns) * 1e-9
    locked = rows["state"] == int(State.LOCKED)
    last = rows[-1]
    # Acquisition and doubtful references would drown what the loop does while it is locked.
    alone = _left_alone(rows, step)
    alarms = Alarm(int(np.bitwise_or.reduce(rows["alarms"])))
    phase = rows["phase"][locked]
    return found | {
        "locked_share": float(np.mean(locked)),
        "first_lock_s": float(since_s[locked][0]) if locked.any() else None,
        "phase_rms_s": math.sqrt(float(np.mean(phase**2))) if phase.size else None,
        "largest_bound_s": float(rows["bound_95"][locked].max()) if phase.size else None,
        "changes": _changes(rows, since_s),
        "state": State(int(last["state"])).name.lower(),
        "reason": Reason(int(last["reason"])).text,
        "bound_95_s": float(last["bound_95"]),
        "setting": int(last["setting"]),
        "steering": int(last["setting"]) * step,
        "steering_step": step,
        "alarms": [alarm.name.lower() for alarm in Alarm if alarm in alarms and alarm.name],
        "stability": {
            "steered": _deviations(options, rows, np.where(locked, rows["x"], np.nan)),
            "free": _deviations(options, rows, np.where(locked, alone, np.nan)),
        },
    }


def noticed_flags(flags: int) -> list[str]:
    """Return the names of what was noticed at a reading."""
    return [flag.name.lower() for flag in Flag if flag & flags and flag.name]


def _count(flags: NDArray[Any], flag: Flag) -> int:
    return int(np.count_nonzero(flags & int(flag)))


def _changes(rows: NDArray[Any], since_s: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return each change of state or reason."""
    both = rows["state"].astype(int) * 256 + rows["reason"]
    places = np.flatnonzero(np.diff(both, prepend=-1))
    return [
        {
            "t_s": float(since_s[k]),
            "state": State(int(rows["state"][k])).name.lower(),
            "reason": Reason(int(rows["reason"][k])).text,
            "noticed": noticed_flags(int(rows["flags"][k])),
        }
        for k in places.tolist()
    ]


def _deviations(
    options: ClockOptions, rows: NDArray[Any], phase: NDArray[np.float64]
) -> dict[str, Any]:
    placed = on_grid(rows["t_tai_ns"], phase, options.period_s)
    return deviations(placed, options.period_s, _NAMES, "phase")


def on_grid(
    times_ns: NDArray[np.int64], phase: NDArray[np.float64], period_s: float
) -> NDArray[np.float64]:
    """Return readings one period apart, nan where there was none.

    Readings are whole periods apart; a row without one may come at any time.
    """
    there = np.isfinite(phase)
    if not there.any():
        return phase[:0]
    apart = np.rint(np.diff(times_ns[there]) * 1e-9 / period_s).astype(np.int64)
    places = np.concatenate(([0], np.cumsum(np.maximum(apart, 1))))
    placed = np.full(int(places[-1]) + 1, np.nan)
    placed[places] = phase[there]
    return placed


def _left_alone(rows: NDArray[Any], step: float) -> NDArray[np.float64]:
    """Return the readings without what steering and placing of pulses have done to them."""
    times, settings = rows["acts_ns"], rows["setting"]
    first = np.concatenate(([True], np.diff(times) > 0))
    free = free_running(rows["t_tai_ns"], rows["x"], times[first], settings[first], step)
    alone: NDArray[np.float64] = free - np.cumsum(rows["placement"])
    return alone
