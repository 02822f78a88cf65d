"""The statistics by name."""

from __future__ import annotations

from protocols.stability import (
    differences,
    modified,
    modified_total,
    parabolic,
    standard,
    theo1,
    total,
    wander,
)
from protocols.stability.statistic import Statistic

__all__ = ["STATISTICS"]

#: Every module of a kind of statistic lists its own.
STATISTICS: dict[str, Statistic] = {
    statistic.name: statistic
    for statistic in (
        *differences.STATISTICS,
        *modified.STATISTICS,
        *parabolic.STATISTICS,
        *wander.STATISTICS,
        *total.STATISTICS,
        *modified_total.STATISTICS,
        *theo1.STATISTICS,
        *standard.STATISTICS,
    )
}
