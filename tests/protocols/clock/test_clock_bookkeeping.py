"""Delays, two-way transfer, the 10 MHz cycle, the steering log and alarms."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.clock.alarms import Alarm, AlarmLevels, Levels, Watched, alarms_after
from protocols.clock.cycle import resolve_cycle
from protocols.clock.ledger import Delay, Way, correction, skew_by_swapping
from protocols.clock.steering_log import free_running, steered_phase
from protocols.clock.two_way import Asymmetry, two_way
from protocols.errors import ParameterError

DATE_NS = 1_800_000_000 * 10**9
small = st.floats(-1e-3, 1e-3)


@given(x_s=small, way_there_s=st.floats(1e-9, 1e-3), way_back_s=st.floats(1e-9, 1e-3))
def test_two_way_finds_the_difference_of_the_clocks(x_s, way_there_s, way_back_s) -> None:
    """A pulse that leaves when A's clock says 0 shows on B's at the way plus x_B - x_A."""
    asymmetry = Asymmetry(
        difference_s=way_there_s - way_back_s, uncertainty_s=0.0, calibrated_tai_ns=DATE_NS
    )
    found = two_way(way_back_s - x_s, way_there_s + x_s, asymmetry)
    assert found.x_s == pytest.approx(x_s, abs=1e-17)
    assert found.round_trip_s == pytest.approx(way_there_s + way_back_s, abs=1e-17)
    assert found.calibrated_tai_ns == DATE_NS


def test_two_way_uncertainty_by_simulation() -> None:
    rng = np.random.default_rng(1)
    true = Asymmetry(difference_s=2e-9, uncertainty_s=0.4e-9, calibrated_tai_ns=DATE_NS)
    differences = true.difference_s + true.uncertainty_s * rng.standard_normal(40_000)
    noise_a, noise_b = 0.2e-9 * rng.standard_normal((2, 40_000))
    found = [
        two_way(1e-6 + a, 1e-6 + d + b, true).x_s
        for a, b, d in zip(noise_a, noise_b, differences, strict=True)
    ]
    stated = two_way(1e-6, 1e-6, true, reading_uncertainty_s=0.2e-9).uncertainty_s
    assert np.std(found) == pytest.approx(stated, rel=0.02)  # four standard errors


def test_asymmetry_of_white_rabbit() -> None:
    """Alpha 2.65e-4 on 50 km of fibre, 490 us there and back: 65 ns, of which half counts."""
    found = Asymmetry.from_ratio(2.65e-4, 1e-6, 490e-6, DATE_NS)
    back_s = 490e-6 / (2.0 + 2.65e-4)
    assert found.difference_s == pytest.approx(2.65e-4 * back_s, rel=1e-12)
    assert found.uncertainty_s == pytest.approx(1e-6 * back_s, rel=1e-3)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_two_way_refuses_what_is_no_number(wrong: float) -> None:
    good = Asymmetry(difference_s=0.0, uncertainty_s=0.0, calibrated_tai_ns=0)
    for call in (
        lambda: two_way(wrong, 0.0, good),
        lambda: two_way(0.0, wrong, good),
        lambda: two_way(0.0, 0.0, good, reading_uncertainty_s=wrong),
        lambda: two_way(0.0, 0.0, good, reading_uncertainty_s=-1.0),
        lambda: Asymmetry(difference_s=wrong, uncertainty_s=0.0, calibrated_tai_ns=0),
        lambda: Asymmetry(difference_s=0.0, uncertainty_s=wrong, calibrated_tai_ns=0),
        lambda: Asymmetry.from_ratio(-2.0, 0.0, 1.0, 0),
        lambda: Asymmetry.from_ratio(0.0, 0.0, 0.0, 0),
    ):
        with pytest.raises(ParameterError):
            call()


@given(
    cycle=st.integers(-(10**6), 10**6),
    phase_s=st.floats(0.0, 100e-9, exclude_max=True),
    off=st.floats(-0.49, 0.49),
)
def test_cycle_is_resolved_within_half_of_it(cycle: int, phase_s: float, off: float) -> None:
    true_s = cycle * 100e-9 + phase_s
    found = resolve_cycle(phase_s, true_s + off * 100e-9, 15e-9)
    assert found.cycle == cycle
    assert found.x_s == pytest.approx(true_s, abs=1e-15)
    assert found.margin_s == pytest.approx((0.5 - abs(off)) * 100e-9, abs=1e-14)


def test_cycle_of_an_uncertain_pulse_is_refused() -> None:
    assert resolve_cycle(30e-9, 128e-9, 15e-9).cycle == 1
    for uncertainty_s in (15.001e-9, math.nan, -1e-9):
        with pytest.raises(ParameterError, match="cannot choose"):
            resolve_cycle(30e-9, 128e-9, uncertainty_s)
    assert resolve_cycle(30e-9, 128e-9, 25e-9, period_s=200e-9).cycle == 0
    for wrong in (math.nan, math.inf):
        with pytest.raises(ParameterError):
            resolve_cycle(wrong, 0.0, 1e-9)
        with pytest.raises(ParameterError):
            resolve_cycle(0.0, wrong, 1e-9)


def test_fifteen_nanoseconds_choose_wrongly_once_in_a_thousand() -> None:
    rng = np.random.default_rng(2)
    wrong = sum(
        resolve_cycle(50e-9, 50e-9 + error, 15e-9).cycle != 0
        for error in 15e-9 * rng.standard_normal(100_000)
    )
    assert 40 < wrong < 130  # 86 expected, five deviations


def _delay(item: str = "cable", way: Way = Way.LOCAL, value_s: float = 5e-9, **others) -> Delay:
    given_ = {"uncertainty_s": 0.1e-9, "calibrated_tai_ns": DATE_NS, "temperature_c": 23.0}
    return Delay(item=item, way=way, value_s=value_s, connector="J1 to A", **{**given_, **others})


def test_ledger_adds_local_and_subtracts_reference() -> None:
    ledger = [
        _delay("antenna cable", Way.REFERENCE, 30e-9, uncertainty_s=0.3e-9),
        _delay("cable", Way.LOCAL, 5e-9, uncertainty_s=0.4e-9, calibrated_tai_ns=DATE_NS - 7),
    ]
    found = correction(ledger)
    assert found.value_s == pytest.approx(-25e-9)
    assert found.uncertainty_s == pytest.approx(0.5e-9)
    assert found.oldest_tai_ns == DATE_NS - 7
    assert correction([]) == correction(())
    assert correction([]).oldest_tai_ns is None


def test_ledger_counts_the_temperature() -> None:
    warm = _delay(per_kelvin_s=40e-12, expected_k=10.0, uncertainty_s=0.3e-9)
    assert warm.total_uncertainty_s == pytest.approx(0.5e-9)
    assert correction([warm]).uncertainty_s == pytest.approx(0.5e-9)


def test_ledger_refuses_nonsense() -> None:
    with pytest.raises(ParameterError, match="cable twice on the local way"):
        correction([_delay(), _delay()])
    for wrong in (
        {"value_s": math.nan}, {"uncertainty_s": -1.0}, {"uncertainty_s": math.inf},
        {"item": ""}, {"temperature_c": math.inf}, {"per_kelvin_s": math.nan},
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            _delay(**wrong)


@given(x_s=small, skew_s=small)
def test_swapping_shows_the_skew_and_not_the_clocks(x_s: float, skew_s: float) -> None:
    found = skew_by_swapping(x_s - skew_s, -x_s - skew_s)
    assert found == pytest.approx(skew_s, abs=1e-18)
    assert (x_s - skew_s) + found == pytest.approx(x_s, abs=1e-17)


@given(
    spans=st.lists(st.integers(1, 10**13), min_size=1, max_size=30),
    settings=st.lists(st.integers(-(10**6), 10**6), min_size=30, max_size=30),
    asked=st.lists(st.integers(-(10**12), 4 * 10**14), min_size=1, max_size=20),
    sign=st.sampled_from([-1, 1]),
)
def test_steering_is_summed_exactly(spans, settings, asked, sign) -> None:
    starts = np.cumsum([0, *spans])[:-1]
    settings = settings[: len(spans)]
    found = steered_phase(np.array(asked), starts, settings, 1e-12, sign)
    for t_ns, phase_s in zip(asked, found.tolist(), strict=True):
        ends = [*starts[1:].tolist(), 10**18]
        whole = sum(
            setting * max(min(end, t_ns) - start, 0)
            for start, end, setting in zip(starts.tolist(), ends, settings, strict=True)
        )
        exact = sign * Fraction(1e-12) * whole / 10**9
        assert phase_s == pytest.approx(float(exact), rel=1e-15, abs=0.0)


def test_free_clock_is_rebuilt_from_the_steered_one() -> None:
    """To 1e-21 s: a single rounding, however long the log."""
    rng = np.random.default_rng(3)
    times_ns = np.arange(2000) * 10**9
    free_s = rng.integers(-(2**20), 2**20, 2000) * 2.0**-40
    settings = rng.integers(-1000, 1000, 2000)
    step = 2.0**-40
    steered_s = free_s + np.concatenate(([0.0], np.cumsum(settings[:-1]) * step))
    found = free_running(times_ns, steered_s, times_ns, settings, step)
    np.testing.assert_allclose(found, free_s, rtol=0.0, atol=2.0**-70)


def test_steering_log_is_checked() -> None:
    times = np.array([0, 1])
    assert np.all(steered_phase(times, [], [], 1e-12) == 0.0)
    for starts, settings in (([0, 0], [1, 2]), ([1, 0], [1, 2]), ([0, 1], [1])):
        with pytest.raises(ParameterError):
            steered_phase(times, starts, settings, 1e-12)


@pytest.mark.parametrize(
    ("alarm", "low", "between", "high"),
    [
        (Alarm.PHASE, {"phase_s": 1e-9}, {"phase_s": 4.5e-9}, {"phase_s": 6e-9}),
        (Alarm.FREQUENCY, {"frequency": -1e-10}, {"frequency": -9e-10}, {"frequency": -2e-9}),
        (Alarm.ACTUATOR, {"actuator": 0.5}, {"actuator": 0.75}, {"actuator": 0.81}),
        (Alarm.LINK, {"link": 0}, {"link": 2}, {"link": 3}),
        (
            Alarm.CALIBRATION,
            {"calibration_s": 0.0},
            {"calibration_s": 365.5 * 86400},
            {"calibration_s": 367.0 * 86400},
        ),
        (
            Alarm.TEMPERATURE,
            {"temperature_k": -1.0},
            {"temperature_k": -4.5},
            {"temperature_k": -6.0},
        ),
    ],
)
def test_alarm_is_set_and_cleared_at_its_levels(alarm, low, between, high) -> None:
    levels = AlarmLevels()

    def after(standing: Alarm, values: dict[str, float]) -> Alarm:
        return alarms_after(levels, standing, Watched(**values))

    assert after(Alarm.NONE, low) == after(Alarm.NONE, between) == Alarm.NONE
    assert after(Alarm.NONE, high) == after(alarm, between) == after(alarm, high) == alarm
    assert after(alarm, low) == Alarm.NONE
    others = ~alarm & Alarm((1 << len(Alarm)) - 1)
    assert after(others, high) == alarm


def test_alarm_of_no_number_is_raised() -> None:
    assert alarms_after(AlarmLevels(), Alarm.NONE, Watched(phase_s=math.nan)) is Alarm.PHASE


def test_alarm_needs_a_gap_between_its_levels() -> None:
    for clear_at in (1.0, 2.0, math.nan):
        with pytest.raises(ParameterError):
            Levels(1.0, clear_at)
