"""Clocks disciplined to a distributed reference: `qlab run clock`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from drivers.core.errors import DriverError, LimitError, MisuseError
from drivers.core.registry import driver_class
from protocols.clock.control import Gains
from protocols.clock.prediction import phase_margin_deg
from protocols.clock.response import is_stable
from protocols.clock.states import Quality
from protocols.clock.tuning import tune
from qlab.context import RunAbortedError, RunContext
from qlab.errors import UsageError
from qlab.experiments.clock.asking import Asking
from qlab.experiments.clock.judgement import judged
from qlab.experiments.clock.log import LOG
from qlab.experiments.clock.options import ClockOptions, SiteOptions
from qlab.experiments.clock.records import with_records
from qlab.experiments.clock.site import Allowed, Site
from qlab.experiments.interface import RecordedData
from qlab.runfile.schema import Attribute, DatasetSpec
from qlab.station import StationFile, read_table

__all__ = ["Clock", "planned_clock"]

_LEAST_MARGIN_DEG = 30.0


def planned_clock(station: StationFile, overrides: Mapping[str, Any]) -> Clock:
    """Set up one run: what is not given, gains and the time of the start, is found now."""
    import time

    from protocols.clock.timescale import tai_ns

    options = read_table(station, "clock", ClockOptions)
    if overrides.get("duration_s") is not None:
        options = dataclasses.replace(options, duration_s=float(overrides["duration_s"]))
    if not options.start_tai_ns:
        options = dataclasses.replace(options, start_tai_ns=tai_ns(time.time_ns()))
    taken = (with_records(station, *each) for each in enumerate(options.sites))
    sites = tuple(_tuned(station, options, number, site) for number, site in enumerate(taken))
    return Clock(station, dataclasses.replace(options, sites=sites))


def _allowed(station: StationFile, target: str) -> Allowed:
    """Return what the station lets the steering of a clock do."""
    limit = station.limits.get(f"{target}.steering")
    if limit is None:
        return Allowed()
    return Allowed(
        low=-math.inf if limit.min is None else limit.min,
        high=math.inf if limit.max is None else limit.max,
        change=math.inf if limit.ramp is None else limit.ramp,
    )


def _steering_step(station: StationFile, target: str) -> float:
    """Return what one step of a clock's steering is."""
    entry = station.instruments.get(target)
    step: float = getattr(entry and driver_class(entry.driver), "steering_step", math.nan)
    if not step > 0.0:
        raise station.source.error(("roles", "local"), f"{target!r} is no steerable clock")
    return step


def _tuned(
    station: StationFile, options: ClockOptions, number: int, site: SiteOptions
) -> SiteOptions:
    if site.gains:
        dead = options.task(site).dead
        if not is_stable(site.controller, Gains(*site.gains), dead, options.period_s):
            raise station.source.error(
                ("clock", "sites", number, "gains"),
                "with these gains the loop is unstable",
                remedy="take smaller ones, or leave them out: the best are searched for",
            )
        return site
    controllers = (site.controller,) if site.controller else ("pi", "lqg")
    found = tune(options.task(site), controllers=controllers, short_ratio=site.short_ratio)
    return dataclasses.replace(site, controller=found.controller, gains=tuple(found.gains))


class _Standing:
    """Where all sites stand, as text for those who look."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites

    def __str__(self) -> str:
        return "; ".join(map(str, self._sites))


class Clock:
    """One run, set up; see `qlab.experiments.interface.Experiment`.

    Instruments come from the station by role: ``local`` and ``counter``, each a list with
    one for each site, and ``reference``, the distributed standard, where it can be asked.
    For two-way transfer ``far_counter`` lists a counter at the reference for each site; with
    a carrier ``phase_counter`` lists one that starts and stops with the sines.
    """

    name = "clock"
    secret_sources: frozenset[str] = frozenset()
    side = "both"
    terms: Mapping[str, str] = {}

    def __init__(self, station: StationFile, options: ClockOptions) -> None:
        self.options = options
        lists = ["local", "counter", *self._further(options)]
        for role in lists:
            target = station.roles.get(role)
            if target is None:
                raise station.source.error(
                    ("roles",), f"nothing plays the role {role!r}", remedy=f"add {role} = [...]"
                )
            count = 1 if isinstance(target, str) else len(target)
            if isinstance(target, str) or count != len(options.sites):
                raise station.source.error(
                    ("roles", role),
                    f"must be a list of {len(options.sites)}, one for each site",
                    remedy="give as many [[clock.sites]] as there are local clocks",
                )
        self._steps = [_steering_step(station, target) for target in station.roles["local"]]
        self._ranges = [_allowed(station, target) for target in station.roles["local"]]
        self._has_reference = isinstance(station.roles.get("reference"), str)
        if not self._has_reference and not options.reference_quality:
            raise station.source.error(
                ("roles",),
                "nothing plays the role 'reference', so nobody can ask how good it is",
                remedy='add reference = ..., or reference_quality = "good" in [clock]',
            )
        if 0 < options.duration_s < 2 * options.period_s:
            raise UsageError(
                f"{options.duration_s:g} s are less than two readings",
                remedy="choose a longer --duration",
            )

    @staticmethod
    def _further(options: ClockOptions) -> list[str]:
        """Return the further roles that these options need."""
        wanted = (("far_counter", options.two_way), ("phase_counter", options.carrier))
        return [role for role, needed in wanted if needed]

    def warnings(self) -> list[str]:
        """Return which loops are near to instability."""
        margins = [
            phase_margin_deg(self.options.task(site), site.controller, Gains(*site.gains))
            for site in self.options.sites
        ]
        return [
            f"the loop of site {number} has a phase margin of {margin:.0f} degrees, and rings: "
            "take smaller gains, or leave them out"
            for number, margin in enumerate(margins)
            if margin < _LEAST_MARGIN_DEG
        ]

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        from qlab.station.tables import plain

        found: dict[str, Any] = plain(self.options)
        return found

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare for each site its log, and local - reference as read."""
        phase: dict[str, Attribute] = {"unit": "s", "interval_s": self.options.period_s}
        found = []
        for number in range(len(self.options.sites)):
            found += [
                DatasetSpec(f"data/site{number}/log", LOG, {}, chunk=1024),
                DatasetSpec(f"data/site{number}/x", "<f8", phase, chunk=4096),
            ]
        return found

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Discipline all sites for the duration, or until Ctrl-C."""
        options = self.options
        none = [None] * len(options.sites)
        far = ctx.station.role("far_counter") if options.two_way else none
        phase = ctx.station.role("phase_counter") if options.carrier else none
        sites = [
            Site(ctx, options, number, self._ranges[number], *each)
            for number, each in enumerate(
                zip(ctx.station.role("local"), ctx.station.role("counter"), far, phase, strict=True)
            )
        ]
        for site in sites:
            site.prepare()
        start_ns = ctx.clock.now_ns()
        total = round(options.duration_s / options.period_s)
        ctx.progress.phase("readings", total)
        stopped = None
        try:
            self._discipline(ctx, sites, start_ns)
        except RunAbortedError as asked:
            if options.duration_s or asked.reason != "SIGINT":
                raise
            stopped = asked.reason
        finally:
            for site in sites:
                site.log.flush()
        logs = [site.log.rows() for site in sites]
        return judged(options, list(zip(logs, self._steps, strict=True)), stopped)

    def _discipline(self, ctx: RunContext, sites: list[Site], start_ns: int) -> None:
        options = self.options
        end_ns = start_ns + round(options.duration_s * 1e9) if options.duration_s else None
        now_ns, quality = start_ns, Quality.UNKNOWN
        asking = Asking(options.status_every)
        standing = _Standing(sites)
        while end_ns is None or now_ns < end_ns:
            for site in sites:
                site.begin()
            for site in sites:
                now_ns = site.collect(quality)
            if asking.due():
                quality = self._reference(ctx)
                asking.answered(quality is not Quality.UNKNOWN)
            ctx.progress.step(standing)

    def _reference(self, ctx: RunContext) -> Quality:
        """Return what the reference says of itself."""
        if not self._has_reference:
            return Quality[self.options.reference_quality.upper()]
        try:
            return Quality.GOOD if ctx.station.role("reference").locked else Quality.BAD
        except (LimitError, MisuseError):
            raise
        except DriverError as error:
            ctx.note(f"the reference does not answer: {error}")
            return Quality.UNKNOWN

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Judge a recorded run, also one that was stopped."""
        logs = [recorded.data(f"site{number}/log") for number in range(len(self._steps))]
        return judged(self.options, list(zip(logs, self._steps, strict=True)), None)
