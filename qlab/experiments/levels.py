"""Trigger levels of counters of any make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["fix_levels"]


def fix_levels(counter: Any, inputs: Iterable[int], level_v: float) -> None:
    """Give the inputs of a counter fixed thresholds, as slow pulses need.

    A counter whose thresholds cannot be set, such as the TICC, keeps them; one that
    has no automatic level, such as the SR620, has none to switch off.
    """
    groups = getattr(counter, "channels", {})
    kind = groups["channel"][0].properties() if "channel" in groups else {}
    for number in sorted(set(inputs)):
        if "auto_level" in kind:
            counter.channel(number).auto_level = False
        if "level_v" in kind:
            counter.channel(number).level_v = level_v
