"""The statistics by name."""

from __future__ import annotations

from protocols.stability.statistic import Statistic

__all__ = ["STATISTICS"]

#: Every module of a kind of statistic lists its own.
STATISTICS: dict[str, Statistic] = {statistic.name: statistic for statistic in ()}
