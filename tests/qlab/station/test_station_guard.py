"""Limits, ramps and interlocks, on simulated instruments and on invented values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.core.errors import DriverError, LimitError, ResponseTimeoutError
from qlab.errors import ExitCode, exit_code
from qlab.station import Station, parse_station
from qlab.station.guard import StationGuard

FIRST, SECOND = "attenuators.channel1.attenuation_db", "attenuators.channel3.attenuation_db"


@pytest.fixture
def light(small):
    """The small station with its laser at 8 dBm and 60 dB in the path."""
    laser = small.role("laser")
    first, second = small.role("attenuators")
    laser.power_dbm = 8.0
    first.attenuation_db, second.attenuation_db = 15.0, 15.0
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


def test_light_needs_its_attenuation(light, find_line, small_text):
    laser, first, _ = light
    first.attenuation_db = 14.9
    with pytest.raises(LimitError) as caught:
        laser.output = True
    where = find_line(small_text(), "[[interlocks]]")
    assert str(caught.value) == (
        "laser.channel1.output: interlock 'eyes': 59.9 dB in the path, 60 dB are needed while "
        f"laser.channel1.output is True; set by lab.toml, line {where}"
    )
    assert laser.output is False
    first.attenuation_db = 15.0
    laser.output = True
    assert laser.output is True


def test_attenuation_stays_while_there_is_light(light):
    laser, first, second = light
    laser.output = True
    second.attenuation_db = 20.0
    first.attenuation_db = 10.0
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
    with pytest.raises(LimitError, match="interlock 'eyes': 59 dB"):
        first.attenuation_db = 29.0


def test_an_instrument_that_does_not_answer_permits_nothing(small):
    laser = small.role("laser")
    for attenuator in small.role("attenuators"):
        attenuator.attenuation_db = 20.0
    small.bench.devices["attenuators"].faults.silent()
    with pytest.raises(ResponseTimeoutError, match="attenuators"):
        laser.output = True
    assert laser.output is False


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


def allowed(values, name, value):
    try:
        StationGuard(FILE, values.get)("a", name, value)
    except LimitError:
        return False
    return True


levels = st.none() | st.floats(0.0, 20.0)


@given(levels, levels)
def test_switching_on_needs_what_is_surely_there(one, two):
    surely = 1.0 + (one or 0.0) + (two or 0.0)
    assert allowed({"a.one": one, "a.two": two}, "on", True) == (surely >= 10.0 - 1e-9)
    assert allowed({"a.one": one, "a.two": two}, "on", False)


@given(st.sampled_from([None, True, False]), levels, levels, st.floats(0.0, 20.0))
def test_an_unknown_state_counts_as_on(on, one, two, new):
    raised = one is not None and new >= one
    enough = 1.0 + new + (two or 0.0) >= 10.0 - 1e-9
    expected = on is False or raised or enough
    assert allowed({"a.on": on, "a.one": one, "a.two": two}, "one", new) == expected


def test_other_properties_and_instruments_are_free():
    assert allowed({}, "three", 0.0)
    StationGuard(FILE, {}.get)("b", "one", 0.0)


def test_the_guard_lets_everything_pass_while_it_is_lifted():
    guard = StationGuard(FILE, {}.get)
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
