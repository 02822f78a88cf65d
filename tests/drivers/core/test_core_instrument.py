from __future__ import annotations

import pytest
from core_devices import ADDRESSES, Wire

from drivers.core import (
    Channel,
    Flag,
    IdentityMismatchError,
    InstrumentFaultError,
    LimitError,
    MisuseError,
    NoConnectionError,
    NoReporting,
    NotOpenError,
    Number,
    ResponseTimeoutError,
    ScpiQueue,
    UnexpectedReplyError,
)
from drivers.core.errors import DriverError
from drivers.core.instrument import Instrument


class Port(Channel):
    volts = Number("V{channel}?", "V{channel} {value}", low=0, high=9, doc="Volts.")


class Rack(Instrument):
    identity_pattern = r"ACME,Slate,.*"
    reporting = NoReporting()
    channels = {"port": (Port, (1, 2)), "slot": (Port, (7,))}

    ready = Flag("RDY?", doc="Whether it is ready.")

    def prepare(self):
        self.link.write(b"WAKE")


class Special(Rack):
    level = Number("LEV?", doc="Level.")


class Plain(Instrument):
    identity_pattern = r"ACME,Slate,.*"


def wire(**replies):
    table = {"*IDN?": "ACME,Slate,1,1"} | replies

    def answer(data):
        reply = table.get(data.decode().strip())
        return b"" if reply is None else f"{reply}\n".encode()

    return Wire(answer)


def rack(line, kind=Rack):
    return kind("rack", "WIRE", lambda address, settings: line)


def test_the_constructor_touches_nothing():
    def connect(address, line):
        pytest.fail("connected")

    unit = Rack("rack", "WIRE", connect)
    assert (unit.name, unit.address, unit.identity) == ("rack", "WIRE", "")
    assert repr(unit) == "<Rack rack at WIRE, closed>"
    with pytest.raises(NotOpenError):
        _ = unit.ready


def test_opening_prepares_then_identifies_then_forgets():
    line = wire()
    unit = rack(line, Plain).open()
    assert line.sent == [b"*IDN?\n", b"*CLS\n"]
    assert unit.identity == "ACME,Slate,1,1"
    line = wire()
    with rack(line) as unit:
        assert line.sent == [b"WAKE\n", b"*IDN?\n"]
        assert repr(unit) == "<Rack rack at WIRE, open>"
    assert line.closed == 1
    assert not unit.link.is_open


def test_a_with_block_opens_once():
    line = wire()
    with rack(line).open() as unit:
        assert line.sent.count(b"*IDN?\n") == 1
        assert unit.link.is_open


@pytest.mark.parametrize("identity", ["ACME,Chalk,1,1", "my ACME,Slate,1,1", ""])
def test_another_instrument_is_refused_and_let_go(identity):
    line = wire(**{"*IDN?": identity})
    unit = rack(line)
    with pytest.raises(IdentityMismatchError) as caught:
        unit.open()
    assert f"Rack expected, but {identity!r} answers" in str(caught.value)
    assert caught.value.instrument == "rack"
    assert line.closed == 1
    assert not unit.link.is_open


def test_a_failure_while_opening_closes_the_line():
    line = Wire()
    unit = rack(line)
    with pytest.raises(ResponseTimeoutError):
        unit.open()
    assert line.closed == 1
    assert not unit.link.is_open


def test_no_connection(wired):
    unit = Plain("rack", "GPIB0::1::INSTR", wired.connect)
    with pytest.raises(NoConnectionError, match=r"rack \(GPIB0::1::INSTR\)"):
        unit.open()


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_it_works_over_every_connector(wired, kind):
    class Slate(Instrument):
        identity_pattern = r"ACME,Slate,.*"
        reporting = NoReporting()
        asked = Number("N?", doc="How often it was asked.")

    with Slate("slate", ADDRESSES[kind], wired.connect) as unit:
        assert [unit.asked, unit.asked] == [1.0, 2.0]
        unit.tell("SAY hello")
        assert unit.ask("SAID?") == "hello"


def test_channels_have_their_number_and_share_the_line():
    line = wire(**{"V1?": "1.5", "V7?": "7.5"})
    with rack(line) as unit:
        assert unit.channel(1, "port").volts == 1.5
        assert unit.channel(7, "slot").volts == 7.5
        unit.channel(2, "port").volts = 3
        assert line.sent[-1] == b"V2 3\n"
        assert unit.channel(1, "port").link is unit.link
        assert repr(unit.channel(2, "port")) == "<Port rack.port2>"
    assert [end.path for end in unit.endpoints()] == [
        "rack",
        "rack.port1",
        "rack.port2",
        "rack.slot7",
    ]


@pytest.mark.parametrize(("number", "group"), [(3, "port"), (1, "slot"), (1, "channel")])
def test_a_channel_that_is_not_there(number, group):
    with pytest.raises(MisuseError, match=rf"no {group}{number}; it has port1, port2, slot7"):
        rack(wire()).channel(number, group)


def test_the_stations_guard_sees_channels_by_their_path():
    line = wire()
    seen = []

    def guard(path, name, value):
        seen.append((path, name, value))
        if value > 5:
            raise LimitError("too much")

    with rack(line) as unit:
        unit.station_guard = guard
        unit.channel(2, "port").volts = 5
        with pytest.raises(LimitError):
            unit.channel(2, "port").volts = 6
    assert seen == [("rack.port2", "volts", 5.0), ("rack.port2", "volts", 6.0)]
    assert line.sent[-1] == b"V2 5\n"


def test_properties_are_inherited_in_order():
    assert list(Special.properties()) == ["ready", "level"]
    assert list(Rack.properties()) == ["ready"]
    assert list(Port.properties()) == ["volts"]


def test_telling_is_checked_the_instruments_way():
    line = wire(**{"SYST:ERR?": '-113,"Undefined header"'})
    unit = rack(line, Plain)
    unit.reporting = ScpiQueue(depth=1)
    unit.open()
    with pytest.raises(InstrumentFaultError, match="-113"):
        unit.tell("NONSENSE")


# ---- how errors read -----------------------------------------------------------------------


def test_an_error_says_what_where_and_what_to_do():
    error = DriverError("it broke", instrument="laser", address="GPIB0::1", remedy="mend it")
    assert str(error) == "laser (GPIB0::1): it broke; mend it"
    assert str(DriverError("it broke")) == "it broke"
    assert str(DriverError("it broke", address="GPIB0::1")) == "GPIB0::1: it broke"
    assert str(DriverError("it broke", instrument="laser")) == "laser: it broke"
    assert str(DriverError("it broke", instrument="a", address="a")) == "a: it broke"


def test_where_it_happened_is_filled_in_once():
    error = UnexpectedReplyError("no", instrument="laser")
    assert error.located("other", "ADDRESS") is error
    assert (error.instrument, error.address) == ("laser", "ADDRESS")


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        ("ValueOutOfRangeError", ValueError),
        ("ResponseTimeoutError", TimeoutError),
    ],
)
def test_errors_are_also_pythons_own(ours, builtin):
    from drivers.core import errors

    assert issubclass(getattr(errors, ours), builtin)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), DriverError)


def test_a_misspelt_setting_is_refused_instead_of_kept_beside_the_instrument():
    unit = rack(wire(), Special)
    with pytest.raises(MisuseError, match=r"no 'levle' to set.*'level'") as caught:
        unit.levle = 3.0
    assert caught.value.instrument == "rack"
    with pytest.raises(MisuseError, match=r"no 'volt' to set.*'volts'"):
        unit.channel(1, "port").volt = 3.0
    assert not hasattr(unit, "levle")


def test_a_driver_s_own_state_is_what_it_annotates_or_keeps_private():
    class Counting(Special):
        count: int

        def prepare(self):
            self.count = self._count = 1

    unit = rack(wire(), Counting)
    unit.prepare()
    assert (unit.count, unit._count) == (1, 1)
