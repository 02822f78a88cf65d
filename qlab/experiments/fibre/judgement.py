"""What a run of an optical link is worth: uptime, slips, instability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.clock.slips import UNDETECTABLE, SlipFlag
from qlab.experiments.deviations import deviations
from qlab.experiments.fibre.options import FibreOptions

__all__ = ["LOST", "judged"]

#: Added to the flags of `SlipFlag`: the reading was too far from what was expected.
LOST = 8

_NAMES = ("oadev", "mdev")
_Columns = Mapping[str, NDArray[np.float64]]


def judged(
    options: FibreOptions, columns: _Columns, sigma_hz: float, guaranteed: bool
) -> dict[str, Any]:
    """Return the results of a run.

    Parameters
    ----------
    options : FibreOptions
    columns : mapping
        The datasets by name, and ``cycles``.
    sigma_hz : float
        Standard deviation of the counters' difference at the end.
    guaranteed : bool
        Whether with that every slip of one counter is found.
    """
    flags = columns["flags"].astype(int)
    deviation = columns["deviation"]
    valid = np.isfinite(deviation)
    fibre = deviation - (columns["shifter"] - options.shifter_hz) / options.optical_hz
    gone = (flags & (LOST | int(SlipFlag.MISSING))) != 0
    slipped = np.flatnonzero((flags & int(SlipFlag.SLIP) != 0) & ~gone)
    count = int(np.count_nonzero(valid))
    return {
        "gates": flags.size,
        "gate_s": options.gate_s,
        "optical_hz": options.optical_hz,
        "valid": count,
        "uptime": count / flags.size if flags.size else 0.0,
        "slips": [{"gate": int(k), "cycles": int(columns["cycles"][k])} for k in slipped],
        "losses": _stretches(gone),
        "sigma_hz": None if math.isnan(sigma_hz) else sigma_hz,
        "slips_guaranteed": guaranteed,
        "undetectable": UNDETECTABLE,
        "mean_offset": float(deviation[valid].mean()) if count else None,
        "stability": {
            "delivered": deviations(deviation, options.gate_s, _NAMES, "frequency"),
            "fibre": deviations(fibre, options.gate_s, _NAMES, "frequency"),
        },
    }


def _stretches(gone: NDArray[np.bool_]) -> list[dict[str, int]]:
    """Return the first gate and the length of each stretch without light or readings."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], gone, [False])).astype(np.int8)))
    pairs = edges.reshape(-1, 2).tolist()
    return [{"gate": first, "gates": last - first} for first, last in pairs]
