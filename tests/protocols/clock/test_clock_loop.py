"""The loop as one state machine: what it decides on any sequence of readings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from clock_cases import CASES, STEPS, day
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.clock.actuator import Actuator
from protocols.clock.alarms import Alarm
from protocols.clock.loop import Decision, Loop, Reading
from protocols.clock.rehearsal import rehearse
from protocols.clock.settings import LoopSettings
from protocols.clock.states import Flag, Quality, Reason, State
from protocols.errors import ParameterError

CASE = CASES["FS725, 100 ps"]
START_NS = 1_900_000_000 * 10**9


class Bench:
    """A loop with a clock that obeys it one step later, and a reference."""

    def __init__(self, seed: int = 1, steps: int = 4000, **others) -> None:
        self.settings = CASE.settings(**others)
        self.loop = Loop(self.settings)
        self.day = day(CASE, seed, steps)
        self.k = 0
        self.steered_s = 0.0
        self.force = self.coming = 0.0
        self.decision: Decision | None = None

    @property
    def local_s(self) -> float:
        return float(self.day.free_s[self.k]) + self.steered_s

    def step(self, obeyed: bool = True, **others) -> Decision:
        x_s = self.local_s - float(self.day.seen_s[self.k])
        reading = Reading(t_tai_ns=START_NS + self.k * 10**9, x_s=x_s)
        self.decision = self.loop.step(reading._replace(**others))
        self.force = self.coming
        if obeyed:
            self.coming = self.decision.steering
        self.steered_s += self.force + self.decision.placement_s
        self.k += 1
        return self.decision

    def until(self, state: State, most: int = 1000, **others) -> Decision:
        for _ in range(most):
            if self.step(**others).state is state:
                return self.decision
        raise AssertionError(f"not {state.name} after {most} steps")


def test_rehearsal_is_the_loop_bit_for_bit() -> None:
    bench = Bench(steps=800)
    bench.day.noise_s[[300, 420, 421, 422, 423]] = np.nan
    bench.day.noise_s[350] = 1e-3
    run = rehearse(bench.settings, bench.day.free_s, bench.day.seen_s)
    for k in range(800):
        local_s = bench.local_s
        decision = bench.step()
        assert decision.steering == run.steering[k]
        assert decision.state == run.states[k]
        assert decision.bound_95_s == run.bounds_95_s[k]
        assert local_s == run.local_s[k]
        assert int(decision.flags) & ~Flag.GARBAGE == run.flags[k]


def test_first_decisions() -> None:
    bench = Bench()
    first = bench.step()
    assert (first.state, first.reason) == (State.ACQUIRING, Reason.STARTED)
    assert not first.locked
    locked = bench.until(State.LOCKED)
    assert locked.locked
    assert locked.reason is Reason.PHASE_WITHIN_LIMIT
    assert locked.reason.text == "the phase has stayed within the limit for the lock"
    assert abs(locked.phase_s) + 4.0 * locked.phase_sigma_s < 4e-9


def test_every_reason_has_words() -> None:
    assert len({reason.text for reason in Reason}) == len(Reason)


@pytest.mark.parametrize(("lost", "kept"), [(2, True), (3, False)])
def test_missing_readings(lost: int, kept: bool) -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    for _ in range(lost):
        decision = bench.step(x_s=None)
        assert decision.flags & Flag.MISSING
    assert decision.locked is kept
    assert (Alarm.LINK in decision.alarms) is (not kept) or decision.state is State.HOLDOVER
    if not kept:
        assert decision.reason is Reason.READINGS_MISSING


def test_one_outlier_changes_nothing() -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    before = bench.step()
    after = bench.step(x_s=1e-6)
    assert after.flags & Flag.OUTLIER
    assert after.locked
    assert abs(after.steering - before.steering) < 2e-11
    assert after.residual_s == pytest.approx(1e-6, rel=0.01)
    assert bench.step().flags == Flag.NONE


def test_bad_quality_ends_the_lock_at_once() -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    decision = bench.step(quality=Quality.BAD)
    assert decision.state is State.HOLDOVER
    assert decision.reason is Reason.REFERENCE_BAD
    assert decision.flags & Flag.ROLLED_BACK


@pytest.mark.parametrize("quality", [Quality.DEGRADED, Quality.UNKNOWN])
def test_doubtful_quality_keeps_a_lock_but_makes_none(quality: Quality) -> None:
    bench = Bench()
    for _ in range(300):
        assert not bench.step(quality=quality).locked
    bench.until(State.LOCKED)
    for _ in range(300):
        assert bench.step(quality=quality).locked


@pytest.mark.parametrize("quality", [Quality.DEGRADED, Quality.UNKNOWN])
def test_doubtful_reading_counts_with_thrice_the_noise(quality: Quality) -> None:
    bench = Bench()
    good = bench.until(State.LOCKED)
    doubtful = bench.step(quality=quality)
    noise = doubtful.residual_sigma_s**2 - good.residual_sigma_s**2
    assert noise == pytest.approx(8.0 * CASE.reading_s**2, rel=0.02)


def test_every_other_reading_missing_ends_the_lock() -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    states = []
    for _ in range(8):
        bench.step(x_s=None)
        states.append(bench.decision.state)
        last = bench.decision
        bench.step()
    assert states == [State.LOCKED] * 7 + [State.HOLDOVER]
    assert last.reason is Reason.TOO_MANY_LOST


def test_unconfirmed_command_is_doubted() -> None:
    """Where it would have moved the clock, the estimate allows for both."""
    bench, twin = Bench(), Bench()
    for _ in range(3):  # commands rise by the slew limit of 1e-10, and each acts a step later
        bench.step()
        twin.step()
    sure, doubted = bench.step(x_s=None), twin.step(x_s=None, confirmed=False)
    more = doubted.phase_sigma_s**2 - sure.phase_sigma_s**2
    assert more == pytest.approx((1e-10) ** 2, rel=1e-6)


def test_holdover_relocks_and_waits_longer_after_a_relapse() -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    waits = []
    for _ in range(3):
        for _ in range(5):
            bench.step(x_s=None)
        assert bench.decision.state is State.HOLDOVER
        assert bench.step().state is State.CHECKING
        since = bench.k
        assert bench.until(State.RECOVERING).reason is Reason.REFERENCE_CONSISTENT
        waits.append(bench.k - since)
        bench.until(State.LOCKED)
    assert waits == [120, 240, 480]  # none of these locks lasted an hour


def test_an_hour_of_lock_forgives_relapses() -> None:
    bench = Bench(steps=6000)
    bench.until(State.LOCKED)
    waits = []
    for _ in range(3):
        for _ in range(5):
            bench.step(x_s=None)
        since = bench.k
        bench.until(State.RECOVERING)
        waits.append(bench.k - since)
        bench.until(State.LOCKED)
        if len(waits) == 1:
            for _ in range(3600):
                bench.step()
    assert waits == [121, 61, 121]  # one of them to see it back


def test_bound_grows_in_holdover() -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    bounds = [bench.step(x_s=None).bound_95_s for _ in range(1000)]
    assert bounds[999] > 5.0 * bounds[99] > 10.0 * bounds[9]
    assert abs(bench.local_s - bench.day.delivered_s[bench.k]) < 2.0 * bounds[-1]


def test_reference_that_returns_wrong_is_refused_until_accepted() -> None:
    bench = Bench()
    bench.until(State.LOCKED)
    for _ in range(50):
        bench.step(x_s=None)
    bench.day.delivered_s += 100e-9
    for _ in range(500):
        decision = bench.step()
        assert decision.state is State.HOLDOVER
        assert decision.flags & Flag.INCONSISTENT
        assert decision.reason is Reason.REFERENCE_INCONSISTENT
    decision = bench.step(accept=True)
    assert decision.state is State.ACQUIRING
    assert decision.reason is Reason.REFERENCE_ACCEPTED
    bench.until(State.LOCKED)
    assert bench.local_s - bench.day.delivered_s[bench.k] == pytest.approx(0.0, abs=2e-9)


def test_refused_reference_stays_refused_when_the_bound_passes_it() -> None:
    bench = Bench(steps=40_000)
    bench.until(State.LOCKED)
    bench.step(x_s=None)
    bench.day.delivered_s += 10e-9
    bench.until(State.HOLDOVER)
    decision = bench.decision
    while decision.bound_95_s < 20e-9:
        decision = bench.step()
        assert decision.state is State.HOLDOVER
    bench.day.delivered_s -= 10e-9  # it steps back to where it was
    for _ in range(3):
        decision = bench.step()
    assert decision.state is State.CHECKING
    assert decision.reason is Reason.REFERENCE_BACK


def test_outlier_does_not_free_a_refused_reference() -> None:
    bench = Bench(steps=40_000)
    bench.until(State.LOCKED)
    bench.step(x_s=None)
    bench.day.delivered_s += 10e-9
    bench.until(State.HOLDOVER)
    while bench.decision.bound_95_s < 20e-9:
        bench.step()
    for _ in range(20):
        assert bench.step(x_s=1e-6).state is State.HOLDOVER
        assert bench.step().state is State.HOLDOVER


def test_steady_reference_is_accepted_where_that_is_allowed() -> None:
    bench = Bench(accept_after_readings=300)
    bench.until(State.LOCKED)
    bench.day.delivered_s += 1e-6
    since = bench.k
    decision = bench.until(State.ACQUIRING)
    assert decision.reason is Reason.REFERENCE_ACCEPTED
    assert 300 <= bench.k - since <= 310


def test_reference_that_drifts_while_it_is_watched_is_not_believed() -> None:
    bench = Bench(steps=20_000)
    bench.until(State.LOCKED)
    for _ in range(3000):
        bench.step(x_s=None)
    assert bench.decision.bound_95_s > 2e-9
    bench.day.delivered_s += 2e-10 * np.arange(-bench.k, 20_000 - bench.k)
    reasons = set()
    for _ in range(400):
        assert bench.step().state in (State.HOLDOVER, State.CHECKING)
        reasons.add(bench.decision.reason)
    assert Reason.REFERENCE_MOVED_WHILE_WATCHED in reasons


def test_local_fault_freezes_the_steering_and_starts_again() -> None:
    bench = Bench()
    locked = bench.until(State.LOCKED)
    locked = bench.step()
    for k in range(50):
        bench.day.free_s[bench.k :] += 1e-9 * k
        decision = bench.step(healthy=False)
        assert decision.state is State.FAULT
        assert decision.reason is Reason.LOCAL_FAULT
        assert decision.flags & Flag.LOCAL_FAULT
        assert decision.setting == locked.setting
    assert bench.step().reason is Reason.LOCAL_RECOVERED
    bench.until(State.LOCKED)


def test_unconfirmed_command_is_given_again() -> None:
    """Whether it was obeyed or not, output and knowledge stay sound."""
    for obeyed in (True, False):
        bench = Bench(seed=2)
        bench.until(State.LOCKED)
        last = bench.step(obeyed=obeyed)
        for _ in range(30):
            decision = bench.step(obeyed=obeyed, confirmed=False)
            assert decision.flags & Flag.UNCONFIRMED
            assert decision.setting == last.setting
            assert decision.locked
        assert Alarm.LINK in decision.alarms
        for _ in range(60):
            assert bench.step().locked
        assert Alarm.LINK not in bench.decision.alarms
        assert abs(bench.local_s - bench.day.delivered_s[bench.k]) < 1e-9


def test_pps_is_placed_once_before_lock() -> None:
    bench = Bench(place_above_s=50e-9)
    bench.day.free_s += 2e-6
    moves = [bench.step().placement_s for _ in range(200)]
    placed = [k for k, move in enumerate(moves) if move]
    assert len(placed) == 1
    assert moves[placed[0]] == pytest.approx(-2.03e-6, abs=5e-9)
    assert bench.decision.locked
    bench.day.delivered_s += 2e-6
    assert not any(bench.step().placement_s for _ in range(300))


def test_pps_that_will_not_move_is_slewed() -> None:
    bench = Bench(place_above_s=50e-9)
    bench.day.free_s += 200e-9
    moves = []
    for _ in range(600):
        decision = bench.step()
        bench.steered_s -= decision.placement_s
        moves.append(decision.placement_s)
    assert decision.locked
    assert np.count_nonzero(moves) == 3


def test_untimely_reading_changes_nothing() -> None:
    bench, twin = Bench(), Bench()
    for _ in range(100):
        bench.step()
        twin.step()
    for back_ns in (0, 10**9, 10**18):
        decision = bench.loop.step(
            Reading(t_tai_ns=START_NS + 99 * 10**9 - back_ns, x_s=0.5, temperature_c=30.0)
        )
        assert decision.flags == Flag.UNTIMELY
        assert decision.setting == bench.decision.setting
    assert [bench.step() for _ in range(50)] == [twin.step() for _ in range(50)]


def test_gap_ends_a_lock_and_is_bridged_by_prediction() -> None:
    bench, twin = Bench(), Bench()
    for each in (bench, twin):
        each.until(State.LOCKED)
    force = bench.decision.steering
    for _ in range(600):
        twin.step(x_s=None)
    bench.k += 600
    bench.steered_s += 599 * force
    decision = bench.step()
    assert decision.flags & Flag.GAP
    assert decision.reason is Reason.REFERENCE_BACK
    assert decision.phase_sigma_s == pytest.approx(twin.decision.phase_sigma_s, rel=1e-2)
    assert decision.phase_s == pytest.approx(
        bench.local_s - force - bench.day.delivered_s[bench.k - 1], abs=4e-9
    )
    bench.until(State.LOCKED)


def test_temperature_of_a_missing_sensor_is_kept() -> None:
    bench = Bench()
    assert not bench.step().flags & Flag.NO_TEMPERATURE
    assert not bench.step(temperature_c=25.0).flags & Flag.NO_TEMPERATURE
    for none in (None, math.nan, 1e9):
        lost = bench.step(temperature_c=none)
        assert lost.flags & Flag.NO_TEMPERATURE
        assert Alarm.TEMPERATURE in lost.alarms
    assert Alarm.TEMPERATURE in bench.step(temperature_c=31.0).alarms
    assert Alarm.TEMPERATURE in bench.step(temperature_c=None).alarms
    assert Alarm.TEMPERATURE not in bench.step(temperature_c=25.0).alarms


def test_settings_are_checked() -> None:
    good = CASE.settings()
    for wrong in (
        {"controller": "fuzzy"}, {"dead_steps": 1.5}, {"phase_limit_s": 0.0},
        {"lock_readings": 0}, {"distrust_readings": -1}, {"outlier_sigmas": math.nan},
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            replace(good, **wrong)
    with pytest.raises(ParameterError, match="range"):
        Loop(good, 10**6)


numbers = st.one_of(
    st.none(), st.floats(-2e-8, 2e-8), st.floats(allow_nan=True, allow_infinity=True)
)
readings = st.tuples(
    st.sampled_from([1, 1, 1, 1, 2, 5, 300, 0, -1, 10**4, 10**9]),  # seconds since the last
    numbers,
    st.sampled_from(list(Quality)),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(10, 30)),
    st.sampled_from([True] * 9 + [False]),
    st.sampled_from([True] * 4 + [False]),
    st.sampled_from([False] * 9 + [True]),
)


@given(
    start=st.integers(0, 120),
    sequence=st.lists(readings, max_size=60),
    actuator=st.sampled_from(
        [
            STEPS,
            Actuator(step=1e-12, lower=-20_000, upper=20_000, slew=3e-12, sign=-1),
            Actuator(step=6.331991e-15, lower=-157_928, upper=157_928),
        ]
    ),
    name=st.sampled_from(list(CASES)),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_read_the_output_is_safe(start, sequence, actuator, name) -> None:
    case = CASES[name]
    loop = Loop(case.settings(actuator=actuator, place_above_s=1e-7, accept_after_readings=40))
    t_ns, last, placements = START_NS, None, 0
    calm = [(1, 1e-10, Quality.GOOD, 20.0, True, True, False)] * start
    for seconds, x_s, quality, warm, healthy, confirmed, accept in [*calm, *sequence]:
        t_ns += seconds * 10**9
        decision = loop.step(
            Reading(
                t_tai_ns=t_ns, x_s=x_s, quality=quality, temperature_c=warm,
                healthy=healthy, confirmed=confirmed, accept=accept,
            )
        )  # fmt: skip
        assert actuator.lower <= decision.setting <= actuator.upper
        assert decision.steering == actuator.sign * (actuator.step * decision.setting)
        most = actuator.most if last is None else abs(decision.setting - last.setting)
        assert most <= actuator.most
        floats = [value for value in decision if isinstance(value, float)]
        assert all(map(math.isfinite, floats))
        assert decision.bound_95_s >= abs(decision.phase_s)
        placements += decision.placement_s != 0.0
        if decision.locked and decision.flags is not Flag.UNTIMELY:
            assert healthy
            assert decision.bound_95_s < 5e-9
            assert quality is not Quality.BAD or Flag.UNTIMELY in decision.flags
            assert not decision.flags & (Flag.SUSPICIOUS | Flag.INCONSISTENT)
        last = decision
    assert placements <= 1


def test_reports_its_settings() -> None:
    assert isinstance(Bench().settings, LoopSettings)


@pytest.mark.parametrize("apart_s", [0.6, 1.25, 1.45, 2.55])
def test_time_goes_on_as_it_is_however_often_a_missing_reading_is_reported(apart_s: float) -> None:
    """The bound after 10 000 s without readings is the same, to a part of a step."""

    def bound(spacing_s: float) -> float:
        bench = Bench()
        bench.until(State.LOCKED)
        for _ in range(1000):
            bench.step()
        last_ns = START_NS + (bench.k - 1) * 10**9
        rows = [round(k * spacing_s * 1e9) for k in range(1, int(10_000 / spacing_s) + 1)]
        for since_ns in rows:
            decision = bench.loop.step(Reading(t_tai_ns=last_ns + since_ns, x_s=None))
        end_ns = last_ns + 10_001 * 10**9
        back = bench.loop.step(Reading(t_tai_ns=end_ns, x_s=0.0))
        assert not back.flags & Flag.UNTIMELY
        return decision.bound_95_s

    assert bound(apart_s) == pytest.approx(bound(1.0), rel=1e-3)
