"""What the calibrations of clocks share: how each is set up, recorded and written down."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.core.errors import DriverError
from drivers.roles import IntervalCounter
from protocols.clock.timescale import mjd, tai_ns, utc_text, utc_warning
from qlab.context import RunContext
from qlab.errors import QlabError, UsageError
from qlab.experiments.interface import RecordedData
from qlab.experiments.levels import fix_levels
from qlab.runfile.schema import DatasetSpec
from qlab.station import StationFile, read_table
from qlab.station.tables import plain, setting

__all__ = ["Calibration", "Conditions", "Intervals", "Kept"]

#: Intervals by the name of their counter, in the order in which they were taken.
Intervals = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What each calibration can be told."""

    level_v: float = setting(1.0, doc="Threshold for the pulses.", unit="V", low=-5.0, high=5.0)
    temperature_c: float | None = setting(
        None,
        doc="Of the room; if not given, that within the local clock is recorded.",
        unit="degC",
        low=-100.0,
        high=200.0,
    )
    connector: str = setting("", doc="From where to where; the counter's inputs if not given.")
    start_tai_ns: int = setting(
        0, doc="When the run began; the computer's clock if not given.", low=0, high=2**62
    )


_O = TypeVar("_O", bound=Conditions)


class Kept:
    """A counter whose intervals go into the run file, too."""

    def __init__(self, counter: IntervalCounter, ctx: RunContext) -> None:
        self._counter = counter
        self._step = ctx.progress.step
        self.path = getattr(counter, "path", "")
        self.values: list[float] = []

    def prepare_intervals(self, start: int = 1, stop: int = 2, within_s: float = 2.5) -> None:
        """Set the counter up."""
        self._counter.prepare_intervals(start, stop, within_s)

    def begin_interval(self) -> None:
        """Let the counter wait for the next pulse."""
        self._counter.begin_interval()

    def interval_s(self) -> float:
        """Return the interval."""
        self.values.append(self._counter.interval_s())
        self._step()
        return self.values[-1]


class Calibration(ABC, Generic[_O]):
    """A calibration, set up for one run; see `qlab.experiments.interface.Experiment`.

    A subclass says which counters it reads, has them read, and judges the intervals.
    """

    name: ClassVar[str]
    Options: ClassVar[type[Any]]
    secret_sources: frozenset[str] = frozenset()
    side = "both"
    terms: Mapping[str, str] = {}

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        options: _O = read_table(station, self.name, self.Options)
        unknown = set(overrides) - {field.name for field in dataclasses.fields(options)}
        if unknown:
            raise UsageError(f"there is no option {', '.join(sorted(unknown))}")
        options = dataclasses.replace(options, **overrides)
        if not options.start_tai_ns:
            import time

            options = dataclasses.replace(options, start_tai_ns=tai_ns(time.time_ns()))
        self.station = station
        self.options: _O = self.resolved(options)
        self.counters = self.named_counters()

    # ---- what a subclass gives -----------------------------------------------------

    def resolved(self, options: _O) -> _O:
        """Return the options with what is to be found elsewhere filled in."""
        return options

    @abstractmethod
    def named_counters(self) -> list[str]:
        """Return the instruments that read intervals."""

    @abstractmethod
    def measure(self, ctx: RunContext, counters: list[Kept]) -> None:
        """Have the intervals taken; what a procedure makes of them is not needed."""

    @abstractmethod
    def judged(self, intervals: Intervals) -> dict[str, Any]:
        """Return what they say: ``quantity``, ``value``, ``unit``, ``standard_uncertainty`` ..."""

    @property
    def thermometer(self) -> str:
        """The instrument that knows how warm it is, if its driver can tell; or nothing."""
        local = self.station.roles.get("local", ())
        return local if isinstance(local, str) else next(iter(local), "")

    # ---- an experiment -------------------------------------------------------------

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        found: dict[str, Any] = plain(self.options)
        return found

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare the intervals of each counter."""
        return [DatasetSpec(f"data/{name}", "<f8", {"unit": "s"}) for name in self.counters]

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Measure, and return the record."""
        opened = [ctx.station.instrument(name) for name in self.counters]
        for counter in opened:
            fix_levels(counter, (1, 2), self.options.level_v)
        warmth = self._warmth(ctx)
        kept = [Kept(counter, ctx) for counter in opened]  # type: ignore[arg-type]  # role of a counter
        try:
            self.measure(ctx, kept)
        finally:
            for name, each in zip(self.counters, kept, strict=True):
                ctx.data.append(name, np.array(each.values, dtype=np.float64))
        intervals = {name: each.values for name, each in zip(self.counters, kept, strict=True)}
        identities = {
            name: instrument.identity
            for name in self.instruments()
            if (instrument := ctx.station.instrument(name)).identity
        }
        return self._results(intervals, warmth, identities)

    def instruments(self) -> list[str]:
        """Return the instruments whose serial numbers belong in the record."""
        return self.counters

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Judge recorded intervals anew; who measured them is in the run's own results."""
        intervals = {name: _listed(recorded.data(name)) for name in self.counters}
        return self._results(intervals, self._given_warmth(), {})

    def _results(
        self, intervals: Intervals, warmth: Mapping[str, Any], identities: Mapping[str, str]
    ) -> dict[str, Any]:
        start = self.options.start_tai_ns
        return {
            "calibration": self.name,
            **self.judged(intervals),
            "date": utc_text(start),
            "mjd": mjd(start),
            "utc_warning": utc_warning(start),
            **warmth,
            "instruments": dict(identities),
        }

    def _warmth(self, ctx: RunContext) -> dict[str, Any]:
        if self.options.temperature_c is not None or not self.thermometer:
            return self._given_warmth()
        probe = ctx.station.endpoint(self.thermometer)
        if not hasattr(type(probe), "temperature_c"):
            return self._given_warmth()
        try:
            found = float(probe.temperature_c)
        except DriverError as error:
            ctx.note(f"{self.thermometer} does not say how warm it is: {error}")
            return self._given_warmth()
        return {"temperature_c": found, "temperature_of": f"within {self.thermometer}"}

    def _given_warmth(self) -> dict[str, Any]:
        celsius = self.options.temperature_c
        return {
            "temperature_c": celsius,
            "temperature_of": None if celsius is None else "the room, as given",
        }

    # ---- helpers of subclasses -----------------------------------------------------

    def player(self, role: str, site: int) -> str:
        """Return which instrument plays a role at a site.

        Raises
        ------
        StationError
            If none does.
        """
        played = self.station.roles.get(role, ())
        names = [played] if isinstance(played, str) else list(played)
        if site >= len(names):
            raise self.station.source.error(
                ("roles", role) if names else ("roles",),
                f"nothing plays the role {role!r} at site {site}",
                remedy=f"add {role} = [...] with an instrument for each site",
            )
        return names[site].partition(".")[0]

    def whole(self, intervals: Sequence[float], count: int) -> Sequence[float]:
        """Return intervals that are as many as a complete run has.

        Raises
        ------
        QlabError
            If they are not.
        """
        if len(intervals) != count:
            raise QlabError(
                f"{len(intervals)} of {count} intervals were taken: the run was not complete",
                remedy="calibrate again",
            )
        return intervals


def _listed(values: NDArray[Any]) -> list[float]:
    found: list[float] = values.tolist()
    return found
