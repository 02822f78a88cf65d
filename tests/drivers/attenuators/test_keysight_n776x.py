from __future__ import annotations

import math

import pytest
from driver_bench import Calls, joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.attenuators.keysight_n776x import KeysightN776x, KeysightN7762A, KeysightN7764A
from drivers.core import InstrumentFaultError, MisuseError, ValueOutOfRangeError
from drivers.simulated.devices.keysight_n776x import KeysightN7762ADevice, KeysightN7764ADevice
from drivers.simulated.time import VirtualTime

IDENTITY = "Keysight Technologies,N7764A,DE49300071,V1.500"


class Path(Calls):
    """The light path, with 1 mW at the attenuator's input."""

    def power_w(self, t_ns):
        loss_db = math.inf
        for _, at_ns, decibels in self.made:
            if at_ns <= t_ns:
                loss_db = decibels
        return 1e-3 * 10 ** (-loss_db / 10)


def attenuators(**more):
    paths = {f"channel{number}": Path() for number in (1, 3, 5, 7)}
    return KeysightN7764ADevice("voa", VirtualTime(), paths, **more)


@pytest.fixture(scope="module")
def bench():
    device = attenuators()
    with joined(KeysightN7764A, device) as unit:
        yield unit, device


@pytest.fixture
def fresh(bench):
    unit, device = bench
    unit.tell("*RST")
    device.time.wait_until(device.time.now_ns() + 1_000_000_000)
    for path in device.terminals.values():
        path.made.clear()
    return unit, device


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("attenuation_db", 14.0, "INP5:ATT 14DB"),
        ("offset_db", -2.5, "INP5:OFFS -2.5DB"),
        ("speed_db_s", 80.0, "INP5:ATT:SPE 80"),
        ("wavelength_m", 1.55e-6, "INP5:WAV 1.55e-06"),
        ("output", True, "OUTP5:STAT 1"),
        ("open_at_power_on", False, "OUTP5:STAT:APOW 0"),
        ("power_dbm", -20.0, "OUTP5:POW -20DBM"),
        ("power_offset_db", 1.0, "OUTP5:POW:OFFS 1DB"),
        ("power_control", True, "OUTP5:POW:CONTR 1"),
        ("averaging_s", 0.1, "OUTP5:ATIM 0.1S"),
    ],
)
def test_command(scripted, set_pairs, name, value, command):
    unit = scripted(KeysightN7764A, *set_pairs(command), identity=IDENTITY)
    setattr(unit.channel(5), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("attenuation_db", "INP7:ATT?", "+1.40000000E+001", 14.0),
        ("highest_attenuation_db", "INP7:ATT? MAX", "+4.50000000E+001", 45.0),
        ("wavelength_m", "INP7:WAV?", "+1.55000000E-006", 1.55e-6),
        ("output", "OUTP7:STAT?", "0", False),
        ("settled", "SLOT7:OPC?", "1", True),
        ("monitor_dbm", "OUTP7:POW:UN DBM;:FETC7:POW?", "-1.23450000E+001", -12.345),
    ],
)
def test_query(scripted, name, query, reply, value):
    unit = scripted(KeysightN7764A, (query, reply), identity=IDENTITY)
    assert getattr(unit.channel(7), name) == value


def test_shutters_close_together(scripted, set_pairs):
    scripted(KeysightN7764A, *set_pairs("OUTP:STAT:ALL OFF"), identity=IDENTITY).close_shutters()


def test_any_model_answers_the_common_driver(scripted):
    scripted(KeysightN776x, identity="Agilent Technologies, N7762A, DE1, V1.0")


def test_there_are_no_even_channels(scripted):
    with pytest.raises(MisuseError, match="channel7"):
        scripted(KeysightN7764A, identity=IDENTITY).channel(2)


def test_what_the_manual_excludes_is_not_sent(scripted):
    with pytest.raises(ValueOutOfRangeError):
        scripted(KeysightN7764A, identity=IDENTITY).channel(1).attenuation_db = 45.1


# ---- against the simulated attenuators ---------------------------------------------


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_setting_comes_back(bench, data):
    unit, _ = bench
    unit.tell("*RST")
    port = unit.channel(data.draw(st.sampled_from([1, 3, 5, 7])))
    known = settable(port)
    name = data.draw(st.sampled_from(sorted(known)))
    value = data.draw(values_of(known[name]))
    setattr(port, name, value)
    actual = getattr(port, name)
    assert actual == (pytest.approx(value, rel=1.3e-7) if isinstance(value, float) else value)


def test_the_filter_moves_at_its_speed(fresh):
    unit, device = fresh
    port, path = unit.channel(1), device.terminals["channel1"]
    port.output = True
    device.time.wait_until(device.time.now_ns() + 100_000_000)
    port.speed_db_s = 10.0
    path.made.clear()
    port.attenuation_db = 20.0
    start_ns, end_ns = path.made[0][1], path.made[-1][1]
    assert end_ns - start_ns == 2_000_000_000
    for _, at_ns, decibels in path.made:
        assert decibels == pytest.approx(10.0 * (at_ns - start_ns) * 1e-9)
    assert path.last[2] == 20.0
    assert not port.settled
    device.time.wait_until(end_ns)
    assert port.settled


def test_a_new_setting_starts_from_where_the_filter_is(fresh):
    unit, device = fresh
    port, path = unit.channel(1), device.terminals["channel1"]
    port.output = True
    device.time.wait_until(device.time.now_ns() + 100_000_000)
    port.speed_db_s = 10.0
    port.attenuation_db = 40.0
    device.time.wait_until(device.time.now_ns() + 1_000_000_000)
    path.made.clear()
    port.attenuation_db = 0.0
    assert path.made[0][2] == pytest.approx(10.0, abs=0.2)
    assert path.last[2] == 0.0


def test_the_shutter_closes_at_full_speed_and_opens_at_the_filters(fresh):
    unit, device = fresh
    port, path = unit.channel(3), device.terminals["channel3"]
    port.speed_db_s = 45.0
    path.made.clear()
    port.output = True
    assert path.last[2] == 0.0
    assert path.last[1] - path.made[0][1] == 1_000_000_000
    device.time.wait_until(path.last[1])
    path.made.clear()
    port.output = False
    assert math.isinf(path.last[2])
    assert path.last[1] - path.made[0][1] == 45_000_000


def test_the_monitor_sees_what_leaves(fresh):
    unit, device = fresh
    port = unit.channel(1)
    port.output = True
    port.attenuation_db = 20.0
    device.time.wait_until(device.time.now_ns() + 1_000_000_000)
    assert port.monitor_dbm == pytest.approx(-20.0, abs=1e-5)
    port.power_dbm = -33.0
    assert port.attenuation_db == pytest.approx(33.0, abs=1e-5)


def test_offset_shifts_the_display_and_not_the_filter(fresh):
    unit, device = fresh
    port, path = unit.channel(1), device.terminals["channel1"]
    port.output = True
    port.attenuation_db = 10.0
    moves = len(path.made)
    port.offset_db = 3.0
    assert port.attenuation_db == pytest.approx(13.0)
    assert port.highest_attenuation_db == pytest.approx(48.0)
    assert len(path.made) == moves
    with pytest.raises(InstrumentFaultError) as caught:
        port.attenuation_db = 1.0
    assert caught.value.code == -222


def test_both_ports_of_an_attenuator_answer(fresh):
    unit, _ = fresh
    unit.tell("INP4:ATT 12dB")
    assert unit.channel(3).attenuation_db == 12.0
    unit.tell("INP:ATT:ALL 7")
    assert [unit.channel(port).attenuation_db for port in (1, 3, 5, 7)] == [7.0] * 4
    with pytest.raises(InstrumentFaultError) as caught:
        unit.tell("INP:ATT:ALL 50")
    assert caught.value.code == -224


def test_a_missing_port_is_reported():
    paths = {"channel1": Path(), "channel3": Path()}
    with joined(KeysightN7762A, KeysightN7762ADevice("voa", VirtualTime(), paths)) as unit:
        with pytest.raises(InstrumentFaultError) as caught:
            unit.tell("INP5:ATT 3")
        assert caught.value.code == -303


def test_minimum_and_maximum_are_words(fresh):
    unit, _ = fresh
    unit.tell("INP1:ATT MAX")
    assert unit.channel(1).attenuation_db == 45.0
    unit.tell("INP1:ATT DEF")
    assert unit.channel(1).attenuation_db == 0.0
    assert unit.ask("INP1:ATT:SPE? MAX") == "+1.00000000E+003"


_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("attenuation_db"), st.floats(0, 45)),
        st.tuples(st.just("output"), st.booleans()),
        st.tuples(st.just("speed_db_s"), st.floats(0.1, 1000)),
        st.tuples(st.just("wait"), st.floats(0, 3)),
    ),
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@given(moves=_MOVES)
def test_the_light_path_follows_any_order_of_moves(bench, moves):
    unit, device = bench
    unit.tell("*RST")
    device.time.wait_until(device.time.now_ns() + 10**9)
    port, path = unit.channel(1), device.terminals["channel1"]
    path.made.clear()
    for name, value in moves:
        if name == "wait":
            device.time.wait_until(device.time.now_ns() + round(value * 1e9))
            continue
        planned = len(path.made)
        setattr(port, name, value)
        times = [at_ns for _, at_ns, _ in path.made[planned:]]
        assert times == sorted(times)  # what is told later never lies before the present
        assert all(at_ns >= device.time.now_ns() - 10_000_000 for at_ns in times)
        assert all(-1e-9 <= decibels <= 45 + 1e-9 for _, _, decibels in path.made[planned:-1])
    if path.made:
        expected = port.attenuation_db if port.output else math.inf
        assert path.last[2] == pytest.approx(expected, rel=1e-6)
