"""The loop's memory and its design as records, which compiled code can work on.

Everything that a step depends on or changes is in one record of named fields, so that a million
steps can run without Python in between.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.clock.settings import LoopSettings
from protocols.errors import ParameterError

__all__ = [
    "HISTORY",
    "LEVELS",
    "MOST_RELAPSES",
    "SUMS",
    "Record",
    "designed",
    "new_memory",
    "one_row",
]

Record = Any
"""A `numpy.record`, whose fields a type checker cannot know."""
LEVELS = 12
"""Snapshots of the estimate are kept 1, 2, 4 ... 2**11 steps apart, two of each."""
HISTORY = 1 << LEVELS
"""Steps whose steering and temperature are remembered: as far as the oldest snapshot."""
SUMS = 2048
"""Cumulated residuals that are remembered; more than the longest run that is tested."""
MOST_RELAPSES = 6
"""Relapses after which the time for watching is not doubled any more."""
_MODEL_BLOCKS = 16  # that the model's own word on its noise counts for


def designed(settings: LoopSettings) -> Record:
    """Return the settings as the record that the compiled step reads."""
    model, actuator = settings.model, settings.actuator
    n = model.size
    fields: list[tuple[Any, ...]] = [
        ("advance", "f8", (n,)), ("decay", "f8", (n,)), ("noise", "f8", (n, n)),
        ("prior", "f8", (n,)), ("step_s", "f8"), ("reading_variance", "f8"),
        ("quantum", "f8"), ("lower", "i8"), ("upper", "i8"), ("sign", "i8"), ("most", "i8"),
        ("phase_gain", "f8"), ("frequency_gain", "f8"), ("reading_gain", "f8"),
        ("integrating", "i8"), ("dead", "f8"),
        ("phase_limit_s", "f8"), ("lock_readings", "i8"), ("outlier_sigmas", "f8"),
        ("drift_sigmas", "f8"), ("relock_sigmas", "f8"), ("relock_readings", "i8"),
        ("distrust_readings", "i8"), ("place_above_s", "f8"), ("accept_after", "i8"),
    ]  # fmt: skip
    values = (
        model.advance, model.decay, model.noise, model.prior, model.step_s,
        model.reading_variance, actuator.step, actuator.lower, actuator.upper, actuator.sign,
        actuator.most, settings.gains.phase, settings.gains.frequency,
        settings.gains.reading,
        settings.controller == "pi", settings.dead_steps, settings.phase_limit_s,
        settings.lock_readings, settings.outlier_sigmas, settings.drift_sigmas,
        settings.relock_sigmas, settings.relock_readings, settings.distrust_readings,
        settings.place_above_s, settings.accept_after_readings,
    )  # fmt: skip
    return _record(fields, dict(zip((f[0] for f in fields), values, strict=True)))


def _memory_fields(n: int) -> list[tuple[Any, ...]]:
    places = 1 + 2 * LEVELS
    return [
        # the estimate, and the time in steps
        ("state", "f8", (n,)), ("covariance", "f8", (n, n)), ("step", "i8"), ("warmth", "f8"),
        # where the loop stands, why, and for how many steps
        ("mode", "i8"), ("reason", "i8"), ("since", "i8"), ("settling", "i8"),
        # readings: the next one sets the phase; accepted since; lost in a row; the last 16
        ("fresh", "i8"), ("accepted", "i8"), ("lost", "i8"), ("recent", "i8"), ("near", "i8"),
        ("relapses", "i8"), ("placed", "i8"),
        # cumulated residuals
        ("sums", "f8", (SUMS,)), ("summed", "i8"),
        # mean square of sums over blocks of them, and how many blocks it stands for
        ("square", "f8"), ("blocks", "i8"),
        # steering: what is in force, what was commanded, what rounding withheld, PI's integral
        ("setting", "i8"), ("carried", "f8"), ("before", "f8"), ("after", "f8"),
        ("integral", "f8"), ("unconfirmed", "i8"),
        # history: snapshots of the estimate, and what happened since
        ("old_states", "f8", (places, n)), ("old_covariances", "f8", (places, n, n)),
        ("old_steps", "i8", (places,)), ("steered_s", "f8", (HISTORY,)),
        ("shaken", "f8", (HISTORY,)), ("warmths", "f8", (HISTORY,)),
        # a reference that came back: refused or not, where, for how long it is to be watched,
        # and where it was when that began
        ("refused", "i8"), ("seen", "i8"), ("seen_residual", "f8"), ("elsewhere", "i8"),
        ("steady", "i8"), ("watch", "i8"),
        ("first", "i8"), ("first_residual", "f8"), ("first_sigma", "f8"),
    ]  # fmt: skip


def new_memory(design: Record, setting: int = 0) -> Record:
    """Return the memory of a loop that knows nothing yet.

    Parameters
    ----------
    design : numpy.record
        From `designed`.
    setting : int
        What the actuator is set to, in its steps.

    Raises
    ------
    ParameterError
        The setting is out of the actuator's range.
    """
    if not design.lower <= setting <= design.upper:
        raise ParameterError(f"the setting {setting} is out of the actuator's range")
    steering = float(design.sign * setting * design.quantum)
    values = {
        "covariance": np.diag(design.prior), "fresh": 1, "old_steps": -1, "square": 1.0,
        "blocks": _MODEL_BLOCKS, "setting": setting, "before": steering, "after": steering,
        "integral": steering,
    }  # fmt: skip
    return _record(_memory_fields(design.prior.size), values)


def _record(fields: list[tuple[Any, ...]], values: dict[str, Any]) -> Record:
    record = np.zeros(1, np.dtype(fields)).view(np.recarray)
    for name, value in values.items():
        record[name][0] = value
    return record[0]


def one_row(record: Record) -> NDArray[Any]:
    """Return a record as an array of one row, on the same bytes.

    Compiled code takes an array ten times as fast as a record.
    """
    found: NDArray[Any] = record.base
    return found.view(np.ndarray)
