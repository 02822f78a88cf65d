"""Recording the tags of one or several time taggers: `qlab run tags`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from drivers.core.registry import driver_class
from drivers.roles import StampBlock
from qlab.context import RunAbortedError, RunContext
from qlab.errors import StationError, UsageError
from qlab.experiments.interface import RecordedData
from qlab.experiments.tags.options import TagsOptions
from qlab.experiments.tags.watching import Watch
from qlab.runfile.schema import DatasetSpec, time_tag_columns
from qlab.station import StationFile, read_table

__all__ = ["TagLog"]

#: What a tagger is told where there is no limit: as long as it can be asked for.
_ENDLESS_S = 1e6
_SHOWN_NS = 1_000_000_000
_MOST_BINS = 1 << 14


class TagLog:
    """One run, set up; see `qlab.experiments.interface.Experiment`.

    Taggers play the role ``taggers``, a list of them; a station that has one only may call
    it ``tagger``.
    """

    name = "tags"
    secret_sources: frozenset[str] = frozenset()
    side = "both"
    terms: Mapping[str, str] = {}

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        options = read_table(station, self.name, TagsOptions)
        unknown = set(overrides) - {field.name for field in dataclasses.fields(options)}
        if unknown:
            raise UsageError(f"there is no option {', '.join(sorted(unknown))}")
        self.options = dataclasses.replace(options, **overrides)
        for pair in self.options.coincidences:
            if len(pair) != 2 or pair[0] == pair[1]:
                raise station.source.error(
                    (self.name, "coincidences"), "must be pairs of two different lines"
                )
        role = "taggers" if "taggers" in station.roles else "tagger"
        played = station.roles.get(role, ())
        self._role = role
        self._taggers = [
            target.partition(".")[0] for target in ([played] if isinstance(played, str) else played)
        ]
        if not self._taggers:
            raise StationError(
                "nobody plays the role 'taggers'",
                file=station.source.name,
                key="roles",
                remedy='add a line such as: taggers = ["INSTRUMENT"]',
            )
        if len(set(self._taggers)) != len(self._taggers):
            raise station.source.error(("roles", role), "names a tagger twice")
        self._ticks_s = [_tick_s(name, station.instruments[name].driver) for name in self._taggers]
        self._check_bins(station)

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        return dataclasses.asdict(self.options)

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare time stamps and lines: of one tagger in ``data``, of several by name."""
        return [
            column
            for place, tick_s in enumerate(self._ticks_s)
            for column in time_tag_columns(
                f"data/{self._group(place)}".rstrip("/"),
                (tick_s.numerator, tick_s.denominator),
                secret=False,
            )
        ]

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Record until the time is over, or until Ctrl-C where there is no limit to it."""
        options = self.options
        played = ctx.station.role(self._role)
        taggers = played if isinstance(played, list) else [played]
        stopped = ""
        ctx.progress.phase("seconds of tags", round(options.duration_s))
        watch = self._watch(ctx.clock.now_ns())
        for tagger in taggers:
            tagger.start(options.duration_s or _ENDLESS_S)
        try:
            self._record(ctx, taggers, watch)
        except RunAbortedError as asked:
            if options.duration_s or asked.reason != "SIGINT":
                raise
            stopped = asked.reason
        seconds = options.duration_s or (watch.now_ns - watch.start_ns) * 1e-9
        return self._results(watch, seconds, stopped)

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Count anew, from the recorded tags."""
        watch = self._watch(0)
        groups = [self._group(place) for place in range(len(self._taggers))]
        ticks = [recorded.data(f"{group}timestamps") for group in groups]
        lines = [recorded.data(f"{group}detectors") for group in groups]
        seconds = max(
            (float(each[-1] * tick_s) for each, tick_s in zip(ticks, self._ticks_s, strict=True)
             if each.size),
            default=0.0,
        )  # fmt: skip
        for second in range(math.ceil(seconds) + 1):
            for place, (each, tick_s) in enumerate(zip(ticks, self._ticks_s, strict=True)):
                ends = [math.ceil(when / tick_s) for when in (second, second + 1)]
                piece = slice(*np.searchsorted(each, ends))
                block = StampBlock(each[piece], lines[place][piece])
                watch.add(place, second * _SHOWN_NS, block)
            watch.work()
        return self._results(watch, self.options.duration_s or seconds, "")

    # ---- within --------------------------------------------------------------------

    def _record(self, ctx: RunContext, taggers: Sequence[Any], watch: Watch) -> None:
        """Listen to all taggers in turn until each has had its time."""
        streams = {place: tagger.collect(ctx.clock) for place, tagger in enumerate(taggers)}
        shown_ns = watch.start_ns + _SHOWN_NS
        try:
            while streams:
                for place, stream in list(streams.items()):
                    block = next(stream, None)
                    if block is None:
                        del streams[place]
                        continue
                    if block.ticks.size:
                        group = self._group(place)
                        ctx.data.append(f"{group}timestamps", block.ticks)
                        ctx.data.append(f"{group}detectors", block.channels)
                    watch.add(place, ctx.clock.now_ns(), block)
                if watch.now_ns >= shown_ns:
                    shown_ns += _SHOWN_NS
                    watch.work()
                    ctx.progress.step(watch.note())
        finally:
            with ctx.shielded():
                for place, stream in streams.items():
                    stream.close()
                    taggers[place].abort()

    def _check_bins(self, station: StationFile) -> None:
        tick_s = float(self._ticks_s[0])
        bin_s = self.options.bin_s or tick_s
        if bin_s < 0.999 * tick_s:
            raise station.source.error(
                (self.name, "bin_s"),
                f"a bin of {bin_s:g} s is narrower than the tick of {tick_s:g} s",
                remedy="leave it out for one tick",
            )
        if self.options.range_s / bin_s > _MOST_BINS:
            raise station.source.error(
                (self.name, "range_s"),
                f"more than {2 * _MOST_BINS:,} bins of {bin_s:g} s",
                remedy="choose a shorter range_s or a wider bin_s",
            )

    def _watch(self, start_ns: int) -> Watch:
        taggers = list(zip(self._taggers, self._ticks_s, strict=True))
        return Watch(self.options, taggers, start_ns)

    def _group(self, place: int) -> str:
        return f"{self._taggers[place]}/" if len(self._taggers) > 1 else ""

    def _results(self, watch: Watch, seconds: float, stopped: str) -> dict[str, Any]:
        return {"duration_s": seconds, "stopped": stopped or None, **watch.found(seconds)}


def _tick_s(name: str, driver: str) -> Fraction:
    tick_s = getattr(driver_class(driver), "tick_s", None)
    if not isinstance(tick_s, Fraction):
        raise UsageError(
            f"{name}, a {driver}, is no time tagger", remedy="name one in the role 'taggers'"
        )
    return tick_s
