"""Which BB84 a station runs: both parties on one, or one of the two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qlab.experiments.bb84.experiment import Bb84
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.roles import AliceBb84, BobBb84
from qlab.station import StationFile, read_table

__all__ = ["planned_bb84"]


def planned_bb84(station: StationFile, overrides: Mapping[str, Any]) -> Bb84 | AliceBb84 | BobBb84:
    """Set up one run by the option `side` of the station, or of `overrides`.

    Raises
    ------
    StationError
        If the station lacks what that takes.
    """
    side = overrides.get("side") or read_table(station, "bb84", Bb84Options).side
    if side == "alice":
        return AliceBb84(station, overrides)
    return BobBb84(station, overrides) if side == "bob" else Bb84(station, overrides)
