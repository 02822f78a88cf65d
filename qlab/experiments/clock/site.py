"""One site of a clock run: its instruments, its loop, its record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from drivers.core.errors import DriverError, LimitError, MisuseError
from drivers.roles import IntervalCounter, SteerableStandard
from protocols.clock.actuator import Actuator
from protocols.clock.cycle import resolve_cycle
from protocols.clock.loop import Decision, Loop, Reading
from protocols.clock.states import Quality, State
from protocols.clock.two_way import Asymmetry, two_way
from protocols.errors import ParameterError
from qlab.context import RunContext
from qlab.experiments.clock.asking import Asking
from qlab.experiments.clock.judgement import noticed_flags
from qlab.experiments.clock.log import SiteLog
from qlab.experiments.clock.options import ClockOptions, SiteOptions
from qlab.experiments.levels import fix_levels

__all__ = ["Allowed", "Site"]

_PATIENT_S, _HURRIED = 2.5, 1.25  # periods that a reading may take
_NEAR_WRAP_S = 2e-6
_APART_S = 20e-9  # which of two pulses comes first can be told from here on
_DOUBTED = 3  # questions without an answer after which a clock counts as unwell


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a station's limits let a clock's steering do.

    Attributes
    ----------
    low, high : float
        Lowest and highest fractional frequency.
    change : float
        Largest change by one command.
    """

    low: float = -math.inf
    high: float = math.inf
    change: float = math.inf


class Site:
    """A clock at work.

    Parameters
    ----------
    ctx : RunContext
    options : ClockOptions
    number : int
        Of the site, from 0.
    allowed : Allowed
        What the station lets the steering do.
    local : SteerableStandard
        Its clock.
    counter : IntervalCounter
        Starts with the local pulse, stops with the delivered one.
    far_counter : IntervalCounter or None
        At the reference: starts with its pulse, stops with the one that comes from here.
    phase_counter : IntervalCounter or None
        Starts with the local 10 MHz, stops with the delivered one.
    """

    def __init__(
        self,
        ctx: RunContext,
        options: ClockOptions,
        number: int,
        allowed: Allowed,
        local: SteerableStandard,
        counter: IntervalCounter,
        far_counter: IntervalCounter | None,
        phase_counter: IntervalCounter | None,
    ) -> None:
        self._ctx = ctx
        self._options = options
        self._site: SiteOptions = options.sites[number]
        self._allowed = allowed
        self._local, self.counters = local, [counter]
        if far_counter is not None:
            self.counters.append(far_counter)
        self.name = f"site{number}"
        self.log = SiteLog(ctx.data, self.name, options.period_s)
        self.step = local.steering_step
        self._origin_ns = options.start_tai_ns
        self._phase_counter = phase_counter
        self._carrier_s, self._cycle = math.nan, 0
        pulses, sines = (self._site.correction(signal) for signal in ("pulse", "sine"))
        self._correction_s, self._sines_s = pulses.value_s, sines.value_s
        self._asymmetry = _asymmetry(self._site) if far_counter is not None else None
        dates = (
            pulses.oldest_tai_ns,
            sines.oldest_tai_ns,
            None if self._asymmetry is None else self._asymmetry.calibrated_tai_ns,
        )
        self._calibrated = min((date for date in dates if date is not None), default=None)
        self._confirmed, self._healthy = True, True
        self._silent: set[IntervalCounter] = set()
        self._turned: set[IntervalCounter] = set()  # those that start with the other pulse
        self._warned = False
        self._asking = Asking(options.status_every)
        self._has_sensor = hasattr(type(local), "temperature_c")
        self._within_s = _PATIENT_S * options.period_s
        self._temperature_c = math.nan
        self._placing_s = 0.0
        self.last: Decision | None = None

    def prepare(self) -> None:
        """Set the counters up, and take the loop on from where the clock is steered to."""
        for counter in self.counters:
            self._choose_time_base(counter)
            fix_levels(counter, (1, 2), self._options.level_v)
            self._prepare(counter)
        if self._phase_counter is not None:
            self._choose_time_base(self._phase_counter)
            fix_levels(self._phase_counter, (1, 2), self._options.carrier_level_v)
            self._phase_counter.prepare_intervals(1, 2, 0.5 * self._options.period_s)
        step = self.step
        low = max(self._local.steering_range[0], self._allowed.low)
        high = min(self._local.steering_range[1], self._allowed.high)
        actuator = Actuator(
            step=step,
            lower=math.ceil(low / step - 1e-6),
            upper=math.floor(high / step + 1e-6),
            slew=max(min(self._site.slew, self._allowed.change), step),
        )
        can_place = hasattr(self._local, "place_pulse")
        self._setting = round(self._local.steering / step)
        settings = self._options.loop(self._site, actuator, can_place=can_place)
        self._loop = Loop(settings, self._setting)
        self._ctx.note(f"{self.name}: steering goes on from {self._setting * step:+.4e}")

    def _choose_time_base(self, counter: Any) -> None:
        """Set a counter's time base; an external one that is not there ends the run here."""
        wanted = self._options.time_base
        if wanted and hasattr(type(counter), "reference"):
            counter.reference = wanted
            if self._can_check(counter):
                counter.check_reference()

    def _can_check(self, counter: Any) -> bool:
        return self._options.time_base == "external" and hasattr(counter, "check_reference")

    def begin(self) -> None:
        """Let the counters wait for the next pulses."""
        for counter in self.counters:
            self._tried("the counter", counter.begin_interval)

    def collect(self, quality: Quality) -> int:
        """Take the reading that was begun, decide, and steer; return the run's time.

        Parameters
        ----------
        quality : Quality
            Of the reference.
        """
        intervals = [self._interval(counter) for counter in self.counters]
        now_ns = self._ctx.clock.now_ns()
        if self._asking.due():
            self._ask()
        temperature_c = self._temperature_c
        x_s = self._phase(intervals)
        moved_s = self._moved(x_s)
        decision = self._loop.step(
            Reading(
                t_tai_ns=self._origin_ns + now_ns,
                x_s=x_s,
                quality=quality,
                temperature_c=None if math.isnan(temperature_c) else temperature_c,
                healthy=self._healthy,
                confirmed=self._confirmed,
                calibrated_tai_ns=self._calibrated,
            )
        )
        self._steer(decision)
        self._remember(decision, intervals, x_s, moved_s, temperature_c, quality)
        self._hurry(decision.state, intervals)
        self._turn(intervals)
        return now_ns

    def _ask(self) -> None:
        """Ask the clock how it is, and how warm, where it can tell.

        One that does not answer is not thought unwell at once: its line may be garbled.
        """
        locked = self._tried("the clock", lambda: self._local.locked)
        self._asking.answered(locked is not None)
        if locked is None:
            self._healthy = self._healthy and self._asking.failures < _DOUBTED
            return
        self._healthy = bool(locked)
        if self._has_sensor:
            found = self._tried("the clock's sensor", lambda: self._local.temperature_c, math.nan)  # type: ignore[attr-defined]  # where it has one
            self._temperature_c = float(found)

    def _hurry(self, state: State, intervals: list[float]) -> None:
        """Miss a pulse soon while locked; else wait until the latest that one can come."""
        wanted_s = _PATIENT_S
        if state in (State.LOCKED, State.RECOVERING):
            wanted_s = _HURRIED
            for interval_s in intervals:
                if not math.isnan(interval_s) and (
                    not _NEAR_WRAP_S < abs(interval_s) < 0.1 * self._options.period_s
                ):
                    wanted_s = _PATIENT_S  # the next may be as long as a period
        wanted_s *= self._options.period_s
        if wanted_s != self._within_s:
            self._within_s = wanted_s
            for counter in self.counters:
                self._tried("the counter", lambda c=counter: self._prepare(c))

    def _prepare(self, counter: IntervalCounter) -> None:
        inputs = (2, 1) if counter in self._turned else (1, 2)
        counter.prepare_intervals(*inputs, self._within_s)

    def _turn(self, intervals: list[float]) -> None:
        """Let a counter start with the pulse that comes first, lest it miss every second one."""
        period_s = self._options.period_s
        for counter, interval_s in zip(self.counters, intervals, strict=True):
            ahead_s = period_s - abs(interval_s)
            if not ahead_s < 0.1 * period_s:  # also where there is no interval
                continue
            if ahead_s > _APART_S:
                self._turned ^= {counter}
                self._ctx.note(
                    f"{self.name}: the pulse that should stop the counter comes first, by "
                    f"{ahead_s * 1e9:.0f} ns: from now on it starts it"
                )
                self._tried("the counter", lambda c=counter: self._prepare(c))
            elif not self._warned:
                self._warned = True
                self._ctx.note(
                    f"{self.name}: both pulses reach a counter at once, so that one often stops "
                    "the next interval and every second pulse is lost: lengthen the cable to "
                    "input 2 by some metres, and enter it in the delays"
                )

    def _interval(self, counter: IntervalCounter) -> float:
        found = float(self._tried("the counter", counter.interval_s, math.nan))
        if not math.isnan(found):
            self._silent.discard(counter)
        elif counter not in self._silent:  # the first that is missing: ask why
            self._silent.add(counter)
            if self._can_check(counter):
                self._tried("the counter's time base", counter.check_reference)  # type: ignore[attr-defined]  # where it has one
        return -found if counter in self._turned else found

    def _phase(self, intervals: list[float]) -> float | None:
        """Return local - reference; None where something is missing."""
        period_s = self._options.period_s
        x_s = _centred(intervals[0], period_s)
        if self._asymmetry is not None:
            try:
                x_s = two_way(_centred(intervals[1], period_s), x_s, self._asymmetry).x_s
            except ParameterError:  # one of both is missing
                x_s = math.nan
        x_s += self._correction_s
        if self._phase_counter is not None:
            x_s = self._on_the_carrier(self._phase_counter, x_s)
        return None if math.isnan(x_s) else x_s

    def _on_the_carrier(self, counter: IntervalCounter, pulse_s: float) -> float:
        """Return the phase of the sines in the cycle that the pulses tell, at each reading anew.

        A step of the pulses by whole cycles therefore is a step of the phase.
        """
        self._tried("the phase counter", counter.begin_interval)
        self._carrier_s = float(self._tried("the phase counter", counter.interval_s, math.nan))
        try:
            found = resolve_cycle(
                self._carrier_s + self._sines_s, pulse_s, self._site.pulse_uncertainty_s
            )
        except ParameterError:  # one of both is missing
            return math.nan
        self._cycle = found.cycle
        return found.x_s

    def _steer(self, decision: Decision) -> None:
        """Command what is new, and learn whether it was obeyed."""
        self._acts_ns = self._origin_ns + self._ctx.clock.now_ns()
        if decision.setting != self._setting or not self._confirmed:
            self._confirmed = False
            try:
                self._local.steering = decision.setting * self.step
                self._confirmed = True
                self._setting = decision.setting
            except (LimitError, MisuseError):
                raise
            except DriverError as error:
                self._ctx.note(f"{self.name}: steering was not confirmed: {error}")
        if decision.placement_s:
            later_s = -decision.placement_s % self._options.period_s
            self._tried("the pulse", lambda: self._local.place_pulse(later_s))  # type: ignore[attr-defined]  # asked for where it can
            self._placing_s = decision.placement_s

    def _moved(self, x_s: float | None) -> float:
        """Return by how much the pulse has been placed since the last reading, as it shows.

        A move that was asked for was to bring the phase to zero.
        """
        by_s = self._placing_s
        if by_s == 0.0 or x_s is None:
            return 0.0
        self._placing_s = 0.0
        moved = abs(x_s) < abs(x_s + by_s)
        said = f"by {by_s:+.9f} s" if moved else "not at all: the command was lost"
        self._ctx.note(f"{self.name}: the pulse was placed {said}")
        return by_s if moved else 0.0

    def _tried(self, what: str, action: Any, otherwise: Any = None) -> Any:
        """Do something that may fail while the loop must go on; the failure is recorded."""
        try:
            return action()
        except (LimitError, MisuseError):
            raise
        except DriverError as error:
            self._ctx.note(f"{self.name}: {what}: {error}")
            return otherwise

    # ---- the record ----------------------------------------------------------------

    def _remember(
        self,
        decision: Decision,
        intervals: list[float],
        x_s: float | None,
        moved_s: float,
        temperature_c: float,
        quality: Quality,
    ) -> None:
        last = self.last
        if last is None or last.state is not decision.state or last.reason is not decision.reason:
            noticed = "".join(f" [{flag}]" for flag in noticed_flags(int(decision.flags)))
            self._ctx.note(
                f"{self.name}: {decision.state.name.lower()}: {decision.reason.text}{noticed}"
            )
        self.last = decision
        phase_s = math.nan if x_s is None else x_s
        back_s = intervals[1] if len(intervals) > 1 else math.nan
        self.log.append(
            (
                decision.t_tai_ns,
                phase_s,
                intervals[0],
                back_s,
                self._carrier_s,
                self._cycle,
                decision.phase_s,
                decision.phase_sigma_s,
                decision.frequency,
                decision.residual_s,
                decision.bound_95_s,
                temperature_c,
                self._acts_ns,
                self._setting,
                moved_s,
                int(decision.flags),
                int(decision.alarms),
                int(decision.state),
                int(decision.reason),
                int(quality),
                self._confirmed,
                self._healthy,
            )
        )

    def __str__(self) -> str:
        """Return where the site stands, in a few words."""
        if self.last is None:
            return f"{self.name} starts"
        state = self.last.state
        shown = state.name.lower() if state is State.LOCKED else state.name
        phase_ns, bound_ns = self.last.phase_s * 1e9, self.last.bound_95_s * 1e9
        return f"{self.name} {shown} {phase_ns:+.2f} ns, within {bound_ns:.2f} ns"


def _centred(interval_s: float, period_s: float) -> float:
    """Return an interval between minus and plus half a period; nan stays."""
    if math.isnan(interval_s):
        return interval_s
    return interval_s - period_s * math.floor(interval_s / period_s + 0.5)


def _asymmetry(site: SiteOptions) -> Asymmetry:
    from datetime import UTC, datetime

    from protocols.clock.timescale import tai_ns

    date = site.asymmetry_date or "1972-01-01"
    measured = datetime.fromisoformat(date).replace(tzinfo=UTC)
    return Asymmetry(
        difference_s=site.asymmetry_s,
        uncertainty_s=site.asymmetry_uncertainty_s,
        calibrated_tai_ns=tai_ns(round(measured.timestamp()) * 10**9),
    )
