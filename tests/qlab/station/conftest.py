"""A small simulated station, as text to be changed at will."""

import pytest

from qlab.station import Station, parse_station

SMALL = """\
[station]
name = "small"
schema = 1

[instruments.laser]
driver = "keysight-n7714a"
address = "TCPIP0::192.168.10.11::inst0::INSTR"

[instruments.attenuators]
driver = "keysight-n7764a"
address = "TCPIP0::192.168.10.12::inst0::INSTR"

[roles]
laser = "laser.channel1"
attenuators = ["attenuators.channel1", "attenuators.channel3"]
source = "laser"

[limits]
"laser.channel1.power_dbm" = { min = 8.0, max = 13.0, ramp = 2.0 }
"attenuators.channel1.attenuation_db" = { max = 40.0 }

[[interlocks]]
name = "eyes"
when = "laser.channel1.output"
equals = true
path = ["attenuators.channel1.attenuation_db", "attenuators.channel3.attenuation_db"]
fixed_db = 30.0
at_least_db = 60.0

[safe]
steps = [
    ["laser.channel1.output", false],
    ["attenuators.channel1.attenuation_db", "max"],
    ["attenuators.channel3.attenuation_db", 45],
]

[simulation.plant]
fibre_length_km = 5.0

[simulation.devices.laser]
terminals = { output1 = "laser" }

[simulation.devices.attenuators]
terminals = { channel1 = "attenuators.0", channel3 = "attenuators.1" }
"""


def changed(*changes):
    """Return the small station's text with (old, new) replaced, each of which must occur."""
    text = SMALL
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def line_of(text, needle):
    """Return the number of the first line that contains `needle`."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if needle in line)


@pytest.fixture
def small_text():
    return changed


@pytest.fixture
def find_line():
    return line_of


@pytest.fixture
def small_file():
    return lambda *changes: parse_station(changed(*changes), "lab.toml")


@pytest.fixture
def small(small_file):
    with Station(small_file(), seed=1) as station:
        yield station
