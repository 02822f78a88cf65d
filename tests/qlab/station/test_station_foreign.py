"""The station's resource manager for foreign drivers, on its bench and on a served one."""

import pytest
from pyvisa.errors import InvalidSession

from drivers.core.context import Kind, Status
from drivers.core.errors import LimitError, NoConnectionError
from qlab.errors import UsageError
from qlab.station import Station, parse_station
from qlab.station.connections import visa_names
from qlab.station.entries import InstrumentEntry
from qlab.station.serving import serve

ATTENUATORS = "TCPIP0::192.168.10.12::inst0::INSTR"


class Records:
    def __init__(self):
        self.made = []

    def record(self, source, kind, data=b"", *, session=0, requested=0, status=Status.OK):
        self.made.append((source, kind, bytes(data)))


def entry(address):
    return InstrumentEntry(driver="keysight-33600a", address=address)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("socket://10.0.0.5:5025", "TCPIP0::10.0.0.5::5025::SOCKET"),
        ("SOCKET://counter.lab:5025/", "TCPIP0::counter.lab::5025::SOCKET"),
        ("TCPIP::10.0.0.5::5025::SOCKET", "TCPIP0::10.0.0.5::5025::SOCKET"),
        ("/dev/ttyUSB0", "ASRL/dev/ttyUSB0::INSTR"),
        ("ASRL/dev/ttyUSB0", "ASRL/dev/ttyUSB0::INSTR"),
        ("COM3", "ASRL3::INSTR"),
        ("ASRL3", "ASRL3::INSTR"),
        ("GPIB::7", "GPIB0::7::INSTR"),
        ("USB::2391::22279::MY1::INSTR", "USB0::0x0957::0x5707::MY1::0::INSTR"),
    ],
)
def test_addresses_have_visa_names(address, name):
    assert visa_names({"unit": entry(address)}) == {name: "unit"}


@pytest.mark.parametrize("address", ["rfc2217://10.0.0.5:2217", "the laser"])
def test_an_address_without_a_visa_name_is_left_out(address):
    assert visa_names({"unit": entry(address)}) == {}


def test_foreign_and_own_drivers_talk_to_the_same_instruments(small):
    manager = small.resource_manager()
    assert small.resource_manager() is manager
    assert manager.list_resources() == ("TCPIP0::192.168.10.11::inst0::INSTR", ATTENUATORS)
    with manager.open_resource(ATTENUATORS, read_termination="\n") as unit:
        assert unit.query("*IDN?").split(",")[1] == "N7764A"
        small.set("attenuators.channel1.attenuation_db", 12.0)
        assert float(unit.query(":INP1:ATT?")) == pytest.approx(12.0)
        # above the station's limit of 40 dB, which nobody checks here ...
        unit.write(":INP1:ATT 44DB")
        assert small.get("attenuators.channel1.attenuation_db") == pytest.approx(44.0)
        unit.write(":INP1:ATT 1DB;:INP3:ATT 1DB")
        unit.query("*OPC?")
        # ... but an interlock counts what foreign drivers have set
        with pytest.raises(LimitError):
            small.set("laser.channel1.output", True)
        assert not any(step.error for step in small.to_safe_state())
        assert float(unit.query(":INP1:ATT?")) == pytest.approx(40.0)


def test_nothing_but_the_station_can_be_opened(small):
    with pytest.raises(NoConnectionError, match=r"there are laser at TCPIP0::192\.168\.10\.11::"):
        small.resource_manager().open_resource("TCPIP0::192.168.10.13::inst0::INSTR")


def test_closing_the_station_closes_what_foreign_drivers_left_open(small_file):
    records = Records()
    station = Station(small_file(), seed=1, recorder=records)
    manager = station.resource_manager()
    unit = manager.open_resource(ATTENUATORS)
    manager.open_bare_resource(ATTENUATORS)
    station.close()
    with pytest.raises(InvalidSession):
        unit.write("*RST")
    assert [made[:2] for made in records.made] == [
        ("attenuators", kind) for kind in (Kind.OPEN, Kind.OPEN, Kind.CLOSE, Kind.CLOSE)
    ]
    again = station.resource_manager()
    assert again is not manager
    again.open_resource(ATTENUATORS).close()
    station.close()
    station.close()


def test_a_station_without_instruments_says_so(small_file):
    station = Station(small_file(), connect=lambda name: None)
    with pytest.raises(UsageError, match="no instruments here"):
        station.resource_manager()


def test_a_real_station_goes_through_its_own_visa_library(small_file):
    records = Records()
    with serve(small_file(), seed=1) as served:
        text = served.station_text().replace("[station]\n", '[station]\nvisa = "@py"\n', 1)
        file = parse_station(text, "served.toml")
        with Station(file, recorder=records) as station:
            manager = station.resource_manager()
            names = manager.list_resources("?*")
            assert len(names) == 2
            ends = {"read_termination": "\n", "write_termination": "\n", "timeout": 3000}
            with manager.open_resource(names[0], **ends) as unit:
                assert unit.query("*IDN?").split(",")[1] == "N7714A"
    assert [made[1:] for made in records.made if made[1] in (Kind.WRITE, Kind.CLOSE)] == [
        (Kind.WRITE, b"*IDN?\n"),
        (Kind.CLOSE, b""),
    ]
    assert {made[0] for made in records.made} == {"laser"}


def test_a_library_that_is_not_there():
    text = '[station]\nname = "lab"\nschema = 1\nvisa = "@nowhere"\n'
    station = Station(parse_station(text, "lab.toml"))
    with pytest.raises(NoConnectionError, match="'@nowhere' cannot be loaded"):
        station.resource_manager()
