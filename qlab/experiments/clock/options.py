"""What `qlab run clock` can be told: the table ``[clock]`` of a station file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from protocols.clock.actuator import Actuator
from protocols.clock.clocks import named_clock
from protocols.clock.control import Gains
from protocols.clock.cycle import resolve_cycle
from protocols.clock.ledger import Correction, Delay, Way, correction
from protocols.clock.settings import LoopSettings
from protocols.clock.timescale import tai_ns
from protocols.clock.tuning import Task
from qlab.station.tables import setting

__all__ = ["ClockOptions", "DelayEntry", "SiteOptions"]


@dataclass(frozen=True, kw_only=True)
class DelayEntry:
    """One line of a site's delay ledger: x = interval + c_local - c_reference."""

    item: str = setting(doc="What it is the delay of.")
    way: str = setting(
        doc="On whose way to the counter's trigger it lies.", choices=("local", "reference")
    )
    signal: str = setting("pulse", doc="Whether of pulses or sines.", choices=("pulse", "sine"))
    value_s: float = setting(doc="The delay.", unit="s", low=-1.0, high=1.0)
    uncertainty_s: float = setting(doc="Standard uncertainty.", unit="s", low=0.0, high=1.0)
    date: str = setting(doc="When it was measured, such as 2026-11-22.")
    temperature_c: float = setting(
        23.0, doc="At which temperature.", unit="degC", low=-100.0, high=200.0
    )
    connector: str = setting(doc="From where to where.")

    def __post_init__(self) -> None:
        self.delay()

    def delay(self) -> Delay:
        """Return the entry as the ledger has it."""
        measured = datetime.fromisoformat(self.date).replace(tzinfo=UTC)
        return Delay(
            item=self.item,
            way=Way(self.way),
            value_s=self.value_s,
            uncertainty_s=self.uncertainty_s,
            calibrated_tai_ns=tai_ns(round(measured.timestamp()) * 10**9),
            temperature_c=self.temperature_c,
            connector=self.connector,
        )


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """One site: its clock, its readings, its delays."""

    clock: str = setting(doc="What the local clock is, by its name in `qlab clock predict`.")
    reading_s: float = setting(
        100e-12, doc="White noise of a reading, link included.", unit="s", low=1e-15, high=1e-6
    )
    controller: str = setting("", doc="lqg or pi; the better one if not given.")
    gains: tuple[float, ...] = setting(
        (), doc="Phase, frequency and part of the reading; tuned if not given.", low=0.0, high=10.0
    )
    short_ratio: float | None = setting(
        None,
        doc="For the search: what may be lost at 1, 2 and 5 readings; if not given the least "
        "that costs no more than a tenth later.",
        low=1.0,
        high=100.0,
    )
    pulse_reading_s: float = setting(
        1e-9,
        doc="With carrier: noise of a reading of the pulses; reading_s is that of the sines.",
        unit="s",
        low=1e-15,
        high=1e-6,
    )
    slew: float = setting(
        1e-9, doc="Largest change of frequency by one command.", low=1e-15, high=1e-6
    )
    place_above_s: float = setting(
        1e-6,
        doc="Phase from which the seconds pulse is placed, once, before the lock; where the "
        "clock can.",
        unit="s",
        low=1e-9,
        high=1.0,
    )
    accept_after_readings: int = setting(
        0,
        doc="Steady readings after which a reference that came back wrong is taken as it is; "
        "0 never.",
        low=0,
        high=10**9,
    )
    asymmetry_s: float = setting(
        0.0, doc="Two-way: delay to here less delay back.", unit="s", low=-1.0, high=1.0
    )
    asymmetry_uncertainty_s: float = setting(
        0.0, doc="Two-way: its standard uncertainty.", unit="s", low=0.0, high=1.0
    )
    asymmetry_date: str = setting("", doc="Two-way: when that was calibrated.")
    delays: tuple[DelayEntry, ...] = setting((), doc="The delay ledger.")
    ledger: tuple[str, ...] = setting(
        (), doc="Records of `qlab calibrate` that add to it, beside the station file."
    )

    def correction(self, signal: str) -> Correction:
        """Return what the ledger adds to the readings of the pulses or of the sines."""
        return correction([each.delay() for each in self.delays if each.signal == signal])

    @property
    def pulse_uncertainty_s(self) -> float:
        """Standard uncertainty of the pulses against the sines."""
        return math.hypot(
            self.pulse_reading_s,
            self.correction("pulse").uncertainty_s,
            self.correction("sine").uncertainty_s,
        )

    def __post_init__(self) -> None:
        named_clock(self.clock)
        if self.controller not in ("", "lqg", "pi"):
            raise ValueError("controller is lqg, pi or empty")
        if len(self.gains) not in (0, 2, 3) or (self.gains and not self.controller):
            raise ValueError("gains are two or three numbers, beside a controller")
        if self.asymmetry_date:
            datetime.fromisoformat(self.asymmetry_date)


@dataclass(frozen=True, kw_only=True)
class ClockOptions:
    """Clocks at one or several sites, disciplined to one distributed reference."""

    duration_s: float = setting(
        3600.0, doc="Length of the run; 0 lasts until Ctrl-C.", unit="s", low=0.0, high=1e9
    )
    reference_clock: str = setting(doc="What the reference is, by name.")
    reference_quality: str = setting(
        "",
        doc="What a reference is worth that nobody can ask; less than good makes no lock.",
        choices=("", "good", "degraded", "unknown"),
    )
    period_s: float = setting(1.0, doc="Time between pulses.", unit="s", low=0.1, high=1000.0)
    dead_s: float = setting(
        0.1, doc="Time from a reading to the command's effect.", unit="s", low=0.0, high=1.0
    )
    phase_limit_s: float = setting(
        5e-9, doc="`locked` claims to be nearer than this.", unit="s", low=1e-12, high=1e-3
    )
    status_every: int = setting(
        10, doc="Readings after which clocks are asked for their state.", low=1, high=3600
    )
    two_way: bool = setting(False, doc="Whether a counter at the reference reads the way back.")
    carrier: bool = setting(
        False, doc="Whether a second counter reads the phase of the 10 MHz, and is followed."
    )
    carrier_level_v: float = setting(
        0.0, doc="Threshold for the 10 MHz.", unit="V", low=-5.0, high=5.0
    )
    time_base: str = setting(
        "",
        doc="Time base of the counters, of those that can be told; as it is set if not given.",
        choices=("", "internal", "external"),
    )
    level_v: float = setting(1.0, doc="Threshold for the pulses.", unit="V", low=-5.0, high=5.0)
    start_tai_ns: int = setting(
        0, doc="When the run began; the computer's clock if not given.", low=0, high=2**62
    )
    sites: tuple[SiteOptions, ...] = setting(doc="The sites, in the order of the roles.")

    def __post_init__(self) -> None:
        named_clock(self.reference_clock)
        if not self.sites:
            raise ValueError("there is no site")
        if self.carrier and self.two_way:
            raise ValueError("the phase of a carrier is one-way: carrier and two_way exclude")
        for site in self.sites if self.carrier else ():
            resolve_cycle(0.0, 0.0, site.pulse_uncertainty_s)  # refuses what is too uncertain

    def task(self, site: SiteOptions) -> Task:
        """Return what has to be steered to what."""
        return Task(
            local=named_clock(site.clock),
            reference=named_clock(self.reference_clock),
            reading_s=site.reading_s,
            step_s=self.period_s,
            dead=min(self.dead_s / self.period_s, 1.0),
        )

    def loop(self, site: SiteOptions, actuator: Actuator, *, can_place: bool) -> LoopSettings:
        """Return what a site's loop is told."""
        task = self.task(site)
        return LoopSettings(
            model=task.model(),
            actuator=actuator,
            gains=Gains(*site.gains),
            controller=site.controller,
            dead_steps=task.dead,
            phase_limit_s=self.phase_limit_s,
            accept_after_readings=site.accept_after_readings,
            place_above_s=site.place_above_s if can_place else math.inf,
        )
