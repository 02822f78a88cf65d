"""What is known of the tags while they come: rates, coincidences, the common time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from drivers.roles import StampBlock
from protocols.timetags.correlation.bins import Bins
from qlab.experiments.tags.coincidences import Coincidences
from qlab.experiments.tags.common import LiveSync
from qlab.experiments.tags.counting import LineCounts
from qlab.experiments.tags.options import TagsOptions

__all__ = ["Watch"]


class Watch:
    """Follows the tags of all taggers.

    Parameters
    ----------
    options : TagsOptions
    taggers : sequence of (str, Fraction)
        Their names, and what a tick is in seconds.
    start_ns : int
        Run time at the start; `now_ns` is that of the last tags.
    """

    def __init__(
        self, options: TagsOptions, taggers: Sequence[tuple[str, Fraction]], start_ns: int
    ) -> None:
        self.start_ns = self.now_ns = start_ns
        self._names = [name for name, _ in taggers]
        self._counts = [LineCounts() for _ in taggers]
        self._tick_s = tick_s = taggers[0][1]
        width, reach, window = (
            Fraction(round(seconds * 1e12), 10**12) / tick_s
            for seconds in (options.bin_s, options.range_s, options.coincidence_window_s)
        )
        bins = Bins.around_zero(max(width, Fraction(1)), reach)
        self._coincidences = [
            Coincidences((start, stop), bins, int(window)) for start, stop in options.coincidences
        ]
        self._sync = LiveSync(options, [tick for _, tick in taggers]) if len(taggers) == 2 else None

    def add(self, place: int, now_ns: int, block: StampBlock) -> None:
        """Take in what a tagger has told by `now_ns`."""
        self.now_ns = now_ns
        self._counts[place].add(now_ns, block.channels)
        if place == 0:
            for each in self._coincidences:
                each.add(block.ticks, block.channels)
        if self._sync is not None:
            self._sync.add(place, block.ticks, block.channels)

    def work(self) -> None:
        """Search for the common time, or follow it, as far as the tags go."""
        if self._sync is not None:
            self._sync.work()

    def note(self) -> str:
        """Return a line for a person who waits."""
        parts = []
        for name, counts in zip(self._names, self._counts, strict=True):
            rates = " ".join(f"{line}: {rate:,.0f}/s" for line, rate in counts.rates_hz().items())
            parts.append(f"{name} {rates or 'silent'}")
        parts += [each.note(self._tick_s) for each in self._coincidences]
        if self._sync is not None:
            parts.append(self._sync.note())
        return "\n".join(parts)

    def found(self, duration_s: float) -> dict[str, Any]:
        """Return everything that is known, ready for JSON."""
        return {
            "taggers": {
                name: {"lines": counts.found(duration_s)}
                for name, counts in zip(self._names, self._counts, strict=True)
            },
            "coincidences": [each.found(self._tick_s) for each in self._coincidences],
            "sync": None if self._sync is None else self._sync.found(),
        }
