"""Limits, ramps and interlocks, on simulated instruments and on invented values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.core.errors import DriverError, LimitError, ResponseTimeoutError
from qlab.errors import ExitCode, exit_code
from qlab.station import Station, parse_station
from qlab.station.check import CheckedInterlock, PathAttenuation
from qlab.station.guard import StationGuard

FIRST, SECOND = "attenuators.channel1.attenuation_db", "attenuators.channel3.attenuation_db"


def arrive(station):
    """Let the filters arrive, which takes 45 ms at full speed."""
    station.clock.sleep(0.1)


@pytest.fixture
def light(small):
    """The small station with its laser at 8 dBm and 60 dB in the path."""
    laser = small.role("laser")
    first, second = small.role("attenuators")
    laser.power_dbm = 8.0
    first.attenuation_db, second.attenuation_db = 15.0, 15.0
    arrive(small)
    return laser, first, second


def test_a_value_above_its_limit_is_not_sent(light, find_line, small_text):
    laser, _, _ = light
    laser.power_dbm = 10.0
    with pytest.raises(LimitError) as caught:
        laser.power_dbm = 13.5
    where = find_line(small_text(), "power_dbm")
    assert str(caught.value) == (
        "laser.channel1.power_dbm: 13.5 is above the station's limit of 13; "
        f"set by lab.toml, line {where}"
    )
    assert exit_code(caught.value) is ExitCode.LIMIT
    assert laser.power_dbm == pytest.approx(10.0)


def test_a_value_below_its_limit_is_not_sent(light):
    laser, _, _ = light
    with pytest.raises(LimitError, match=r"7\.5 is below the station's limit of 8"):
        laser.power_dbm = 7.5
    assert laser.power_dbm == pytest.approx(8.0)


def test_a_ramp_limits_each_change(light):
    laser, _, _ = light
    laser.power_dbm = 10.0
    with pytest.raises(LimitError, match=r"12\.5 is more than the station's ramp of 2 away"):
        laser.power_dbm = 12.5
    laser.power_dbm = 12.0
    laser.power_dbm = 12.5
    assert laser.power_dbm == pytest.approx(12.5)


def test_light_needs_its_attenuation(light, small, find_line, small_text):
    laser, first, _ = light
    first.attenuation_db = 14.9
    arrive(small)
    with pytest.raises(LimitError) as caught:
        laser.output = True
    where = find_line(small_text(), "[[interlocks]]")
    assert str(caught.value) == (
        "laser.channel1.output: interlock 'eyes': 59.9 dB in the path, 60 dB are needed while "
        f"laser.channel1.output is True; set by lab.toml, line {where}"
    )
    assert laser.output is False
    first.attenuation_db = 15.0
    arrive(small)
    laser.output = True
    assert laser.output is True


def test_attenuation_stays_while_there_is_light(light, small):
    laser, first, second = light
    laser.output = True
    second.attenuation_db = 20.0
    arrive(small)
    first.attenuation_db = 10.0
    arrive(small)
    with pytest.raises(LimitError, match="interlock 'eyes': 59 dB in the path"):
        second.attenuation_db = 19.0
    assert second.attenuation_db == pytest.approx(20.0)
    laser.output = False
    second.attenuation_db = 0.0
    assert second.attenuation_db == 0.0


def test_switching_off_and_more_attenuation_are_never_refused(light):
    laser, first, _ = light
    laser.output = True
    first.attenuation_db = 40.0
    laser.output = False


def test_what_another_program_has_set_counts(small):
    """The guard asks the instruments, so it knows what it has not set itself."""
    small.instrument("laser").tell("SOUR1:POW:STAT 1")  # behind the guard's back
    first, _ = small.role("attenuators")
    small.instrument("attenuators").tell("INP1:ATT 30DB")
    arrive(small)
    with pytest.raises(LimitError, match="interlock 'eyes': 59 dB"):
        first.attenuation_db = 29.0


def test_an_instrument_that_does_not_answer_permits_nothing(small):
    laser = small.role("laser")
    for attenuator in small.role("attenuators"):
        attenuator.attenuation_db = 20.0
    arrive(small)
    small.bench.devices["attenuators"].faults.silent()
    with pytest.raises(ResponseTimeoutError, match="attenuators"):
        laser.output = True
    assert laser.output is False


def test_a_filter_on_its_way_attenuates_nothing_yet(light, small):
    laser, first, _ = light
    first.output = True
    first.attenuation_db = 0.0
    arrive(small)
    first.speed_db_s = 1.0
    first.attenuation_db = 40.0
    with pytest.raises(LimitError, match=r"channel1\.settled is False"):
        laser.output = True
    small.clock.sleep(40.0)
    laser.output = True


def test_an_offset_is_no_attenuation(light, small):
    """45 dB on the display with an offset of 45 dB is a filter at 0 dB."""
    laser, first, second = light
    first.offset_db = 15.0
    first.attenuation_db = 45.0 - 15.0
    arrive(small)
    with pytest.raises(LimitError, match=r"channel1\.offset_db is 15\.0"):
        laser.output = True
    first.offset_db = 0.0
    laser.output = True
    with pytest.raises(LimitError, match=r"interlock 'eyes': 15\.0 would change what"):
        second.offset_db = 15.0
    second.offset_db = 0.0
    assert second.offset_db == 0.0


def test_the_filter_is_not_moved_by_the_back_door(light):
    laser, first, _ = light
    laser.output = True
    for name, value in (("power_dbm", 10.0), ("power_control", True)):
        with pytest.raises(LimitError, match=f"channel1.{name}: interlock 'eyes'"):
            setattr(first, name, value)
    assert first.power_control is False
    assert first.attenuation_db == pytest.approx(15.0)
    laser.output = False
    first.power_control = True
    with pytest.raises(LimitError, match="power_control is True"):
        laser.output = True


@pytest.mark.parametrize("reading", [math.nan, math.inf, 9.91e37, -10.0, 45.1])
def test_what_an_attenuator_cannot_have_attenuates_nothing(light, small, reading):
    laser, _, _ = light
    small.bench.devices["attenuators"].channels[1].filter_db = reading
    with pytest.raises(LimitError, match=r"45 dB in the path, .*channel1\.attenuation_db reads"):
        laser.output = True
    assert laser.output is False


def test_a_ramp_from_nowhere_is_refused(light, small):
    laser, _, _ = light
    small.bench.devices["laser"].lasers[1].power_dbm = math.nan
    with pytest.raises(LimitError, match="ramp of 2 away from nan"):
        laser.power_dbm = 9.0


GUARDED = """
[station]
name = "invented"
[instruments.a]
driver = "x"
address = "x"
[limits]
"a.set_only" = {ramp = 1.0}
[[interlocks]]
name = "i"
when = "a.on"
equals = true
path = ["a.one", "a.two"]
fixed_db = 1.0
at_least_db = 10.0
"""
FILE = parse_station(GUARDED, "x.toml")
INTERLOCK = CheckedInterlock(
    0,
    FILE.interlocks[0],
    (
        PathAttenuation("a.one", 0.0, 20.0, frozenset({"a.power"}), {"a.offset": 0.0}),
        PathAttenuation("a.two", 0.0, 20.0),
    ),
)


def guarding(values):
    return StationGuard(FILE, [INTERLOCK], ({"a.offset": 0.0} | values).get)


def allowed(values, name, value):
    try:
        guarding(values)("a", name, value)
    except LimitError:
        return False
    return True


sound = st.floats(0.0, 20.0)
# What is just beyond the range may be a rounded end of it.
wild = st.floats().filter(lambda value: not (-0.01 < value < 0.0 or 20.0 < value < 20.01))
levels = st.none() | sound | wild | st.sampled_from([math.nan, 9.9e37, -9.9e37, math.inf])


def surely(value):
    return value if value is not None and 0.0 <= value <= 20.0 else 0.0


@given(levels, levels)
def test_switching_on_needs_what_is_surely_there(one, two):
    enough = 1.0 + surely(one) + surely(two) >= 10.0 - 1e-9
    assert allowed({"a.one": one, "a.two": two}, "on", True) == enough
    assert allowed({"a.one": one, "a.two": two}, "on", False)


@given(st.sampled_from([None, True, False]), levels, levels, sound)
def test_an_unknown_state_counts_as_on(on, one, two, new):
    raised = one is not None and 0.0 <= one <= 20.0 and new >= one
    enough = 1.0 + new + surely(two) >= 10.0 - 1e-9
    expected = on is False or raised or enough
    assert allowed({"a.on": on, "a.one": one, "a.two": two}, "one", new) == expected


@given(st.sampled_from([None, True, False]), st.none() | st.floats(), sound)
def test_an_attenuation_counts_only_while_it_is_what_it_says(on, offset, new):
    holds = offset == 0.0
    values = {"a.on": on, "a.offset": offset, "a.one": 20.0, "a.two": 0.0}
    assert allowed(values, "on", True) == holds
    acts = on is not False
    assert allowed(values, "one", new) == (new == 20.0 or not acts or (holds and new >= 9.0 - 1e-9))
    assert allowed(values, "power", new) == (not acts)
    assert allowed(values, "offset", new) == (new == 0.0 or not acts)


@given(levels, st.floats(-5.0, 5.0))
def test_a_ramp_needs_to_know_where_it_starts(present, new):
    near = present is not None and abs(new - present) <= 1.0
    assert allowed({"a.set_only": present}, "set_only", new) == near


def test_other_properties_and_instruments_are_free():
    assert allowed({}, "three", 0.0)
    guarding({})("b", "one", 0.0)


def test_the_guard_lets_everything_pass_while_it_is_lifted():
    guard = guarding({})
    with guard.lifted():
        guard("a", "on", True)
    with pytest.raises(LimitError):
        guard("a", "on", True)


def test_a_guarded_property_is_checked_through_the_station_too(small_file):
    with Station(small_file(), seed=1) as station:
        station.set("laser.channel1.power_dbm", "9")
        assert station.get("laser.channel1.power_dbm") == pytest.approx(9.0)
        with pytest.raises(LimitError):
            station.set("laser.channel1.power_dbm", "13.2")
        with pytest.raises(DriverError, match="has no property 'powr_dbm'; did you mean"):
            station.get("laser.channel1.powr_dbm")
