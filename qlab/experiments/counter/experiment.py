"""Logging one or several counters: `qlab run counter`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivers.core.errors import DriverError, UnexpectedReplyError
from drivers.core.registry import driver_class
from qlab.context import RunAbortedError, RunContext
from qlab.errors import StationError, UsageError
from qlab.experiments.counter.logs import GateLog, IntervalLog, Log, Reading, SingleLog
from qlab.experiments.counter.options import CounterOptions
from qlab.experiments.counter.running import RunningDeviation
from qlab.experiments.counter.series import MISSING, UNKNOWN, UNLOCKED, Series
from qlab.experiments.interface import RecordedData
from qlab.runfile.schema import DatasetSpec
from qlab.station import StationFile, read_table

__all__ = ["CounterLog", "planned_counter"]

#: So many readings are kept back before they go to the file together.
_BATCH = 16
#: After so many garbled answers in a row something is wrong for good.
_GARBLED = 10


def planned_counter(station: StationFile, overrides: Mapping[str, Any]) -> CounterLog:
    """Set a log up; see `qlab.experiments.interface.Planner`."""
    return CounterLog(station, overrides)


class CounterLog:
    """One run, set up; see `qlab.experiments.interface.Experiment`.

    Counters play the role ``counter``: one, or a list of them. Who plays the role
    ``reference``, if anybody does, is asked now and then whether it is locked.
    """

    name = "counter"
    secret_sources: frozenset[str] = frozenset()
    side = "both"
    terms: Mapping[str, str] = {}

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        options = read_table(station, self.name, CounterOptions)
        unknown = set(overrides) - {field.name for field in dataclasses.fields(options)}
        if unknown:
            raise UsageError(f"there is no option {', '.join(sorted(unknown))}")
        self.options = dataclasses.replace(options, **overrides)
        played = station.roles.get("counter", ())
        self._counters = [
            target.partition(".")[0] for target in ([played] if isinstance(played, str) else played)
        ]
        if not self._counters:
            raise StationError(
                "nobody plays the role 'counter'",
                file=station.source.name,
                key="roles",
                remedy='add a line such as: counter = "INSTRUMENT"',
            )
        if len(set(self._counters)) != len(self._counters):
            raise station.source.error(("roles", "counter"), "names a counter twice")
        self._drivers = {
            name: driver_class(station.instruments[name].driver) for name in self._counters
        }
        can, other = ["begin_interval"], "frequency"
        if self.options.quantity == "frequency":
            can, other = ["start_gates", "frequency_hz"], "interval"
        for name, driver in self._drivers.items():
            if not any(hasattr(driver, method) for method in can):
                raise UsageError(
                    f"{name} cannot log {self.options.quantity} readings",
                    remedy=f"choose another counter, or quantity = {other!r}",
                )
        self._has_reference = isinstance(station.roles.get("reference"), str)

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        return dataclasses.asdict(self.options)

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare readings, their run times and their flags for each counter."""
        found = []
        for name in self._counters:
            facts: dict[str, Any] = {"instrument": name, "quantity": self.options.quantity}
            interval_s = self._interval_s(name)
            if interval_s is not None:
                facts["interval_s"] = interval_s
            if self.options.quantity == "frequency":
                facts |= {"unit": "1", "nominal_hz": self.options.nominal_hz}
                facts["estimator"] = self._estimator(name)
                facts["gate_s"] = self.options.gate_s
            else:
                facts["unit"] = "s"
            flags: dict[str, Any] = {
                "missing": MISSING,
                "reference_unlocked": UNLOCKED,
                "reference_unknown": UNKNOWN,
            }
            found += [
                DatasetSpec(f"data/{name}/reading", "<f8", facts, chunk=4096),
                DatasetSpec(f"data/{name}/time_ns", "<i8", {"unit": "ns"}, chunk=4096),
                DatasetSpec(f"data/{name}/flags", "u1", flags, chunk=4096),
            ]
        return found

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Log until the time is over, or until Ctrl-C where there is no limit to it.

        No reading begins that would end too late.
        """
        options = self.options
        played = ctx.station.role("counter")
        counters = played if isinstance(played, list) else [played]
        logs = [self._log(*each, ctx) for each in zip(self._counters, counters, strict=True)]
        series = [self._series(name) for name in self._counters]
        total = round(options.duration_s / (self._interval_s(self._counters[0]) or options.gate_s))
        start_ns = ctx.clock.now_ns()
        stopped = ""
        try:
            for log in logs:
                log.start()
            ctx.progress.phase("readings", total)
            self._read(ctx, logs, series, start_ns)
        except RunAbortedError as asked:
            if options.duration_s or asked.reason != "SIGINT":
                raise
            stopped = asked.reason
        finally:
            self._store(ctx, series, 1)
        return self._results(series, stopped)

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Compute counts and deviations anew from recorded readings."""
        series = []
        for name in self._counters:
            found = self._series(name)
            for value in recorded.data(f"{name}/reading").tolist():
                found.add(0, [Reading(value, 1)], 0)
            series.append(found)
        return self._results(series, "")

    # ---- while it runs -------------------------------------------------------------

    def _read(self, ctx: RunContext, logs: list[Log], series: list[Series], start_ns: int) -> None:
        options = self.options
        each_s = self._interval_s(self._counters[0]) or options.gate_s
        last_ns = math.inf  # a reading that begins later would end too late
        if options.duration_s:
            last_ns = start_ns + (options.duration_s - each_s) * 1e9
        garbled = [0] * len(logs)
        asked_ns, quality = start_ns, self._quality(ctx)
        now_ns = start_ns
        while now_ns <= last_ns:
            for log in logs:
                log.begin()
            for place, log in enumerate(logs):
                try:
                    readings = log.collect()
                    garbled[place] = 0
                except UnexpectedReplyError as error:
                    readings = [Reading(math.nan, 0)]
                    garbled[place] += 1
                    ctx.note(f"{self._counters[place]}: {error.message}")
                    if garbled[place] >= _GARBLED:
                        raise
                now_ns = ctx.clock.now_ns()
                before = series[place].count
                series[place].add(now_ns, readings, quality)
                for _ in range(series[place].count - before if place == 0 else 0):
                    ctx.progress.step(self._note(series))
            self._store(ctx, series, _BATCH)
            if now_ns - asked_ns >= options.reference_every_s * 1e9:
                asked_ns, quality = now_ns, self._quality(ctx)

    def _store(self, ctx: RunContext, series: list[Series], least: int) -> None:
        for name, each in zip(self._counters, series, strict=True):
            if each.waiting < least:
                continue
            values, times, flags = each.taken()
            ctx.data.append(f"{name}/reading", np.array(values))
            ctx.data.append(f"{name}/time_ns", np.array(times, dtype=np.int64))
            ctx.data.append(f"{name}/flags", np.array(flags, dtype=np.uint8))

    def _quality(self, ctx: RunContext) -> int:
        """Ask whether the reference is locked."""
        if not self._has_reference:
            return UNKNOWN
        try:
            return 0 if ctx.station.role("reference").locked else UNLOCKED
        except (DriverError, AttributeError) as error:
            ctx.note(f"the reference does not say whether it is locked: {error}")
            return UNKNOWN

    def _note(self, series: list[Series]) -> str:
        unit = "s" if self.options.quantity == "interval" else ""
        shown = []
        for name, each in zip(self._counters, series, strict=True):
            found = ", ".join(f"{dev:.2g} at {tau:g} s" for tau, dev in each.deviation.found())
            shown.append(
                f"{name} {each.last:.6g} {unit}".rstrip() + (f"  {found}" if found else "")
            )
        return "; ".join(shown)

    # ---- within --------------------------------------------------------------------

    def _log(self, name: str, counter: Any, ctx: RunContext) -> Log:
        if self.options.quantity == "interval":
            return IntervalLog(counter, self.options, ctx.clock)
        if self._gap_free(name):
            return GateLog(counter, self.options, self._estimator(name), ctx.clock)
        return SingleLog(counter, self.options, ctx.clock)

    def _series(self, name: str) -> Series:
        interval_s = self._interval_s(name) or self.options.gate_s
        phase = self.options.quantity == "interval"
        return Series(RunningDeviation(interval_s, phase=phase))

    def _gap_free(self, name: str) -> bool:
        return hasattr(self._drivers[name], "start_gates") and self.options.interval_s == 0.0

    def _estimator(self, name: str) -> str:
        own = getattr(self._drivers[name], "estimator", None)
        if isinstance(own, str):
            return own
        return self.options.estimator or "lambda"

    def _interval_s(self, name: str) -> float | None:
        """Return the time between readings, where it is known beforehand."""
        if self.options.quantity == "interval":
            return self.options.pulse_s
        if self._gap_free(name):
            return self.options.gate_s
        return self.options.interval_s or None

    def _results(self, series: list[Series], stopped: str) -> dict[str, Any]:
        options = self.options
        found: dict[str, Any] = {
            "quantity": options.quantity,
            "unit": "s" if options.quantity == "interval" else "1",
            "stopped": stopped or None,
            "counters": {
                name: each.results() for name, each in zip(self._counters, series, strict=True)
            },
        }
        if options.quantity == "frequency":
            found["nominal_hz"] = options.nominal_hz
        return found
