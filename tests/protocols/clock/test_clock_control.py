"""The controllers and the actuator: windup, rounding, limits and signs."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.clock.actuator import Actuator, drive, reach
from protocols.clock.control import lqg, pi
from protocols.errors import ParameterError

RUBIDIUM = Actuator(step=1e-12, lower=-2000, upper=2000, slew=5e-11)

actuators = st.builds(
    Actuator,
    step=st.floats(1e-16, 1e-9),
    lower=st.integers(-(10**9), -1),
    upper=st.integers(1, 10**9),
    sign=st.sampled_from([-1, 1]),
    slew=st.one_of(st.just(math.inf), st.floats(1e-9, 1e-3)),
)


def driven(actuator, wanted, setting=0, carried=0.0):
    a = actuator
    return drive(wanted, setting, carried, a.step, a.lower, a.upper, a.sign, a.most)


def reached(actuator, setting):
    a = actuator
    return reach(setting, a.step, a.lower, a.upper, a.sign, a.most)


@settings(deadline=None)
@given(actuator=actuators, wanted=st.floats(-1.0, 1.0), data=st.data())
def test_no_command_leaves_range_or_slew_limit(actuator, wanted, data):
    setting = data.draw(st.integers(actuator.lower, actuator.upper))
    after, carried, steering, held = driven(actuator, wanted, setting)
    lowest, highest = reached(actuator, setting)
    assert actuator.lower <= after <= actuator.upper
    assert abs(after - setting) * actuator.step <= actuator.slew * (1.0 + 1e-12)
    assert steering == actuator.sign * (actuator.step * after)
    assert lowest <= steering <= highest
    if held:
        assert carried == 0.0
        assert steering in (lowest, highest)
    else:
        assert abs(wanted - steering) <= actuator.step * (0.5 + 1e-6)
        assert carried == wanted - steering


@settings(deadline=None)
@given(
    setting=st.integers(-2000, 2000),
    wanted=st.sampled_from([math.nan, math.inf, -math.inf]),
    carried=st.sampled_from([0.0, 3e-13]),
)
def test_what_is_no_number_changes_nothing(setting, wanted, carried):
    assert driven(RUBIDIUM, wanted, setting, carried) == (setting, 0.0, 1e-12 * setting, True)


def test_the_mean_of_rounded_commands_is_exact():
    # A third of a step: 1000 commands differ from 1000 thirds by half a step at most.
    setting, carried, total, worst = 0, 0.0, 0.0, 0.0
    for k in range(1, 1001):
        setting, carried, steering, held = driven(RUBIDIUM, 1e-12 / 3.0, setting, carried)
        total += steering
        worst = max(worst, abs(total - k * 1e-12 / 3.0))
        assert not held
    assert worst <= 0.5e-12 * (1.0 + 1e-9)


def test_what_the_limits_held_back_is_not_made_good_later():
    setting, carried = 0, 0.0
    for _ in range(100):
        setting, carried, _, held = driven(RUBIDIUM, 1e-8, setting, carried)
    assert (setting, held) == (2000, True)
    setting, _, _, held = driven(RUBIDIUM, 1.98e-9, setting, carried)
    assert (setting, held) == (1980, False)


def test_a_lower_setting_may_raise_the_frequency():
    inverse = Actuator(step=1e-12, lower=-100, upper=50, sign=-1)
    assert driven(inverse, 7.2e-12)[:3] == (-7, pytest.approx(0.2e-12), 7e-12)
    assert reached(inverse, 0) == (-5e-11, 1e-10)
    assert driven(inverse, -1.0)[2] == -5e-11


@pytest.mark.parametrize(
    "wrong",
    [{"step": 0.0}, {"step": math.nan}, {"lower": 5, "upper": 5}, {"sign": 0}, {"slew": 1e-13},
     {"slew": math.nan}, {"upper": 1 << 53}],
)  # fmt: skip
def test_an_actuator_that_cannot_be_is_refused(wrong):
    with pytest.raises(ParameterError):
        Actuator(**{"step": 1e-12, "lower": -1, "upper": 1, "slew": 1.0} | wrong)


def settled(controller, gains, offset, *, seconds=4000, actuator=RUBIDIUM, phase=0.0):
    """Run a noiseless clock that is `offset` off, each command acting a second late."""
    setting, carried, steering, pending, integral = 0, 0.0, 0.0, 0.0, 0.0
    phases = []
    for _ in range(seconds):
        met = phase + offset + steering
        if controller == "pi":
            wanted, integral = pi(*gains, met, integral, *reached(actuator, setting))
        else:
            wanted = lqg(*gains, met, offset, steering)
        setting, carried, pending, _ = driven(actuator, wanted, setting, carried)
        phase += offset + steering
        steering = pending
        phases.append(phase)
    return phases, steering


@pytest.mark.parametrize("controller, gains", [("pi", (0.1, 0.001)), ("lqg", (0.1, 1.0))])
def test_a_frequency_offset_is_taken_away(controller, gains):
    phases, steering = settled(controller, gains, 1.2345e-10)
    assert max(map(abs, phases[-1000:])) < 3e-12  # rounding: two steps for a second or two
    assert steering == pytest.approx(-1.2345e-10, abs=2e-12)


def test_lqg_takes_the_phase_away_in_its_time():
    phases, _ = settled("lqg", (0.05, 1.0), 0.0, phase=1e-8, seconds=41, actuator=Actuator(
        step=1e-16, lower=-(10**9), upper=10**9))  # fmt: skip
    # The first command acts in the second second; then 5 % a second go.
    assert phases[40] == pytest.approx(1e-8 * 0.95**40, rel=1e-6)


def test_the_integral_does_not_wind_up():
    # Ten times the range in phase: without conditional integration it would overshoot by
    # as much as it came from, and for as long.
    slow = Actuator(step=1e-12, lower=-200, upper=200, slew=1e-11)
    phases, _ = settled("pi", (0.01, 2.5e-5), 1e-10, phase=1e-6, seconds=40_000, actuator=slow)
    assert phases[0] > 9e-7
    assert min(phases) > -2e-8
    assert abs(phases[-1]) < 1e-10


def test_integration_stops_only_where_it_would_push_further():
    wanted, integral = pi(1.0, 0.1, -5.0, 2.0, -1.0, 1.0)
    assert (wanted, integral) == (7.5, 2.0)
    wanted, integral = pi(1.0, 0.1, 5.0, 2.0, -10.0, 10.0)
    assert (wanted, integral) == (-3.5, 1.5)
    # Above the limit, but the phase pulls back: the integral may shrink.
    wanted, integral = pi(1.0, 0.1, 0.5, 4.0, -1.0, 1.0)
    assert (wanted, integral) == (pytest.approx(3.45), 3.95)
