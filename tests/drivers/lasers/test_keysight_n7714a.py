from __future__ import annotations

import pytest
from driver_bench import Calls, joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import IdentityMismatchError, InstrumentFaultError
from drivers.lasers.keysight_n7714a import KeysightN7711A, KeysightN7714A
from drivers.simulated.devices.keysight_n7714a import KeysightN7714ADevice
from drivers.simulated.time import VirtualTime

IDENTITY = "Keysight Technologies,N7714A,DE49300071,V1.500"


def laser(**more):
    outputs = {f"output{number}": Calls() for number in (1, 2, 3, 4)}
    return KeysightN7714ADevice("laser", VirtualTime(), outputs, **more)


@pytest.fixture(scope="module")
def bench():
    device = laser()
    with joined(KeysightN7714A, device) as unit:
        yield unit, device


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("output", True, "OUTP3:STAT 1"),
        ("power_dbm", 10.5, "SOUR3:POW 10.5DBM"),
        ("wavelength_m", 1.55012e-6, "SOUR3:WAV 1.55012e-06"),
        ("frequency_hz", 193.4e12, "SOUR3:FREQ 1.934e+14"),
        ("auto_mode", False, "SOUR3:WAV:AUTO 0"),
        ("grid_reference_hz", 193.1e12, "SOUR3:FREQ:REF 1.931e+14"),
        ("grid_spacing_hz", 50e9, "SOUR3:FREQ:GRID 50000000000"),
        ("grid_channel", -20, "SOUR3:FREQ:CHAN -20"),
        ("grid_offset_hz", 1e8, "SOUR3:FREQ:OFFS 100000000"),
        ("linewidth_modulation", True, "SOUR3:MODU:INT 1"),
    ],
)
def test_command(scripted, set_pairs, name, value, command):
    unit = scripted(KeysightN7714A, *set_pairs(command), identity=IDENTITY)
    setattr(unit.channel(3), name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("power_dbm", "SOUR1:POW:UNIT DBM;:SOUR1:POW?", "+1.00000000E+001", 10.0),
        ("highest_power_dbm", "SOUR1:POW:UNIT DBM;:SOUR1:POW? MAX", "+1.55000000E+001", 15.5),
        ("wavelength_m", "SOUR1:WAV?", "+1.60000000E-006", 1.6e-6),
        ("frequency_hz", "SOUR1:FREQ?", "+1.88000000E+014", 188e12),
        ("settled", "SLOT1:OPC?", "0", False),
        ("output", "OUTP1:STAT?", "1", True),
    ],
)
def test_query(scripted, name, query, reply, value):
    unit = scripted(KeysightN7714A, (query, reply + "\r"), identity=IDENTITY)
    assert getattr(unit.channel(1), name) == value


def test_the_single_laser_is_another_model(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(KeysightN7711A, ("*IDN?", IDENTITY))


# ---- against the simulated source --------------------------------------------------

C_BAND = {"power_dbm": (7.0, 15.5), "wavelength_m": (1.5277e-6, 1.5654e-6)}
C_BAND |= {"frequency_hz": (191.5e12, 196.25e12), "grid_reference_hz": (191.5e12, 196.25e12)}
C_BAND |= {"grid_channel": (-30, 60), "grid_offset_hz": (-6e9, 6e9)}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_setting_comes_back(bench, data):
    unit, _ = bench
    unit.tell("*RST")
    port = unit.channel(data.draw(st.integers(1, 4)))
    known = settable(port)
    name = data.draw(st.sampled_from(sorted(known)))
    port.auto_mode = not name.startswith("grid")
    low, high = C_BAND.get(name, (None, None))
    value = data.draw(values_of(known[name], low=low, high=high))
    setattr(port, name, value)
    actual = getattr(port, name)
    if isinstance(value, float):  # 32-bit floats, and steps of 100 MHz: half of one is 0.4 pm
        slack = {"wavelength_m": 5e-13, "frequency_hz": 6e7, "grid_channel": 0.5}.get(name, 0.0)
        assert actual == pytest.approx(value, rel=1.3e-7, abs=slack + 1e-30)
    else:
        assert actual == value


def test_light_comes_when_the_laser_has_settled(bench):
    unit, device = bench
    unit.tell("*RST")
    port, fibre = unit.channel(1), device.terminals["output1"]
    port.power_dbm = 10.0
    port.wavelength_m = 1550e-9
    before = len(fibre.made)
    port.output = True
    dark, light = fibre.made[before:]
    assert dark[2] == 0.0
    assert light[1] - dark[1] == 5_000_000_000
    assert light[2] == pytest.approx(10e-3)
    assert light[3] == pytest.approx(1550e-9, abs=0.5e-12)
    assert not port.settled
    device.time.wait_until(light[1])
    assert port.settled
    port.power_dbm = 13.0  # needs no settling
    assert fibre.last[2] == pytest.approx(19.95e-3, rel=1e-3)
    assert port.settled
    port.output = False
    assert fibre.last[2] == 0.0


def test_the_limits_can_be_asked(bench):
    unit, _ = bench
    port = unit.channel(2)
    assert (port.lowest_power_dbm, port.highest_power_dbm) == (7.0, 15.5)
    assert port.shortest_wavelength_m == pytest.approx(1527.60e-9, abs=1e-11)
    assert port.longest_wavelength_m == pytest.approx(1565.50e-9, abs=1e-11)


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("power_dbm", 20.0, -222, "TooLarge"),
        ("power_dbm", 0.0, -222, "TooSmall"),
        ("wavelength_m", 1.6e-6, -222, "TooLarge"),
        ("grid_spacing_hz", 100e9, -221, "auto mode is on"),
    ],
)
def test_what_the_source_refuses_is_raised(bench, name, value, code, words):
    unit, _ = bench
    unit.tell("*RST")
    with pytest.raises(InstrumentFaultError, match=words) as caught:
        setattr(unit.channel(1), name, value)
    assert caught.value.code == code


def test_grid_and_laser_lock_one_another(bench):
    unit, _ = bench
    unit.tell("*RST")
    port = unit.channel(1)
    port.auto_mode = False
    with pytest.raises(InstrumentFaultError, match="auto mode is off"):
        port.wavelength_m = 1550e-9
    port.grid_reference_hz = 193.1e12
    port.grid_spacing_hz = 100e9
    port.grid_channel = 4
    assert port.frequency_hz == pytest.approx(193.5e12)
    port.output = True
    with pytest.raises(InstrumentFaultError, match="laser is on"):
        port.grid_spacing_hz = 50e9


def test_units_may_be_written_behind_a_value(bench):
    unit, _ = bench
    unit.tell("*RST")
    unit.tell("SOUR1:POW 20mW")
    assert unit.channel(1).power_dbm == pytest.approx(13.01, abs=1e-2)
    unit.tell("SOUR1:WAV:CW 1550 nm")
    assert unit.channel(1).wavelength_m == pytest.approx(1550e-9, abs=0.5e-12)
    unit.tell("SOUR1:POW:UNIT 1")
    assert unit.ask("SOUR1:POW?") == "+1.99999996E-002"
    assert unit.ask("SOUR1:POW:UNIT?") == "+1"
    assert unit.channel(1).power_dbm == pytest.approx(13.01, abs=1e-2)


def test_the_error_queue_holds_thirty():
    with joined(KeysightN7714A, laser()) as unit:
        for _ in range(40):
            unit.link.write(b"SOUR1:POW 99DBM")
        errors = [unit.ask("SYST:ERR?") for _ in range(31)]
    assert errors[28] == '-222,"Data out of range (StatParmTooLarge)"'
    assert errors[29:] == ['-350,"Queue overflow"', '+0,"No error"']


def test_completion_is_told_and_not_awaited():
    device = laser()
    with joined(KeysightN7714A, device) as unit:
        unit.channel(1).output = True
        assert unit.ask("*OPC?") == "0"
        device.time.wait_until(device.time.now_ns() + 5_000_000_000)
        assert unit.ask("*OPC?") == "1"
        assert unit.ask("SLOT1:IDN?").startswith("Keysight Technologies, N7714A, DE493")
