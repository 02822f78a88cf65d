from __future__ import annotations

import math

import numpy as np
import pytest
from core_devices import Wire
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.core import (
    Array,
    Choice,
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LimitError,
    MisuseError,
    NoReporting,
    Number,
    Text,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)


class Unit(Instrument):
    identity_query = ""
    reporting = NoReporting()
    replies: dict
    wire: Wire

    level_v = Number("LEV?", "LEV {value}", low=-1, high=2.5, step=0.1, unit="V", doc="Level.")
    power_w = Number("POW?", "POW {value}", low=1e-6, high=1e-1, scale=1e-3, doc="Power.")
    free = Number("FREE?", "FREE {value}", doc="Anything.")
    count = Integer("COUN?", "COUN {value}", low=1, high=10, doc="Count.")
    mode = Choice(
        "MODE?",
        "MODE {value}",
        choices={"fast": "FAST", "slow": "SLOW"},
        replies={"SLOWLY": "slow"},
        doc="Mode.",
    )
    on = Flag("OUTP?", "OUTP {value}", doc="Output.")
    shut = Flag("SHUT?", "SHUT {value}", on="0", off="1", doc="Shutter, the wrong way round.")
    label = Text("LAB?", "LAB {value}", quoted=True, max_length=8, doc="Label.")
    bare = Text("BARE?", "BARE {value}", doc="Bare text.")
    points = Array("POIN?", "POIN {value}", low=-1, high=1, length=3, doc="Points.")
    loose = Array("LOOS?", "LOOS {value}", doc="Any points.")
    reading = Number("READ?", unit="V", page="p. 7", doc="Reading.")
    action = Integer(None, "ACT {value}", low=0, high=1, doc="Action.")
    held = Number("HELD?", "HELD {value}", low=0, high=9, step=0.5, read_back=True, doc="Held.")


@pytest.fixture
def unit():
    """A unit whose replies are `unit.replies`, and whose wire is `unit.wire`."""
    replies = {}

    def answer(data):
        return replies.get(data.decode().strip(), "").encode()

    wire = Wire(answer)
    made = Unit("unit", "WIRE", lambda address, line: wire).open()
    made.replies, made.wire = replies, wire
    return made


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("level_v", 0.26, "LEV 0.3"),
        ("level_v", -1, "LEV -1"),
        ("level_v", 2.5, "LEV 2.5"),
        ("level_v", -0.04, "LEV 0"),
        ("power_w", 0.05, "POW 50"),
        ("power_w", 1e-6, "POW 0.001"),
        ("free", 1 / 3, "FREE 0.333333333333"),
        ("free", np.float32(0.5), "FREE 0.5"),
        ("count", 10, "COUN 10"),
        ("count", np.int64(3), "COUN 3"),
        ("mode", "slow", "MODE SLOW"),
        ("on", True, "OUTP 1"),
        ("on", False, "OUTP 0"),
        ("shut", True, "SHUT 0"),
        ("label", "a b;c", 'LAB "a b;c"'),
        ("bare", "{value}", "BARE {value}"),
        ("points", [0, 0.5, -1], "POIN 0,0.5,-1"),
        ("action", 1, "ACT 1"),
    ],
)
def test_what_is_sent(unit, name, value, line):
    setattr(unit, name, value)
    assert unit.wire.sent == [line.encode() + b"\n"]


@pytest.mark.parametrize(
    ("name", "query", "reply", "value"),
    [
        ("level_v", "LEV?", "1.5E-1", 0.15),
        ("power_w", "POW?", "50", 0.05),
        ("count", "COUN?", "+3", 3),
        ("count", "COUN?", "3.000E+00", 3),
        ("count", "COUN?", "99", 99),  # a reading is what it is
        ("mode", "MODE?", "fast", "fast"),
        ("mode", "MODE?", ' "SLOW" ', "slow"),
        ("mode", "MODE?", "slowly", "slow"),
        ("on", "OUTP?", "ON", True),
        ("on", "OUTP?", "+0", False),
        ("shut", "SHUT?", "0", True),
        ("shut", "SHUT?", "1", False),
        ("label", "LAB?", '"x y"', "x y"),
        ("label", "LAB?", "", ""),
        ("bare", "BARE?", ' "q" ', '"q"'),
    ],
)
def test_what_is_read(unit, name, query, reply, value):
    unit.replies[query] = reply + "\n"
    found = getattr(unit, name)
    assert found == pytest.approx(value) if isinstance(value, float) else found == value
    assert type(found) is type(value)


def test_an_array_is_read(unit):
    unit.replies["POIN?"] = "1, -0.5 ,2E1\r\n"
    assert unit.points.dtype == np.float64
    assert unit.points.tolist() == [1, -0.5, 20]


@pytest.mark.parametrize(
    ("name", "query", "reply"),
    [
        ("level_v", "LEV?", "high"),
        ("level_v", "LEV?", ""),
        ("count", "COUN?", "2.5"),
        ("count", "COUN?", "1e999"),
        ("count", "COUN?", "nan"),
        ("mode", "MODE?", "MEDIUM"),
        ("on", "OUTP?", "2"),
        ("points", "POIN?", "1,2"),
        ("points", "POIN?", "1,2,x"),
        ("points", "POIN?", ""),
    ],
)
def test_what_is_no_reply(unit, name, query, reply):
    unit.replies[query] = reply + "\n"
    with pytest.raises(UnexpectedReplyError) as caught:
        getattr(unit, name)
    assert query in str(caught.value)
    assert repr(reply) in str(caught.value)
    assert caught.value.instrument == "unit"


NO_NUMBERS = [math.nan, math.inf, -math.inf, "much", None, [1], object()]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("level_v", [-1.1, 2.6, *NO_NUMBERS]),
        ("power_w", [0, 0.11, *NO_NUMBERS]),
        ("free", NO_NUMBERS),
        ("count", [0, 11, 2.5, True, "5", *NO_NUMBERS]),
        ("mode", ["FAST", "", 1, None, ["fast"], {}]),
        ("on", [1, 0, "off", None, 0.5]),
        ("label", ["too long for it", 'quo"te', "line\n", "é", 5, None, b"x"]),
        ("bare", ["a;b", "a\rb", 5]),
        (
            "points",
            [[0, 0], [0, 0, 2], [[0, 0, 0]], [0, 0, math.nan], 0, "abc", None, [0, "x", 0]],
        ),
        ("loose", [[math.inf], [math.nan], ["x"], None]),
    ],
)
def test_what_is_refused_before_it_is_sent(unit, name, values):
    for value in values:
        with pytest.raises(ValueOutOfRangeError) as caught:
            setattr(unit, name, value)
        assert name in str(caught.value), value
        assert caught.value.instrument == "unit"
    assert unit.wire.sent == []


@pytest.mark.parametrize("value", ["99", b"99", np.float64(99)])
def test_whatever_is_out_of_range_is_named_as_a_number(unit, value):
    with pytest.raises(ValueOutOfRangeError, match=r"level_v = 99 V is outside -1 to 2\.5"):
        unit.level_v = value


@given(st.floats(-1, 2.5))
def test_rounding_goes_to_the_nearest_step_within_the_range(value):
    rounded = Unit.level_v.check(value)
    assert abs(rounded - value) <= 0.05 + 1e-12
    assert abs(rounded * 10 - round(rounded * 10)) < 1e-9
    assert float(Unit.level_v.format(rounded)) == pytest.approx(rounded, abs=1e-12)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_twelve_digits_cross_the_line(value):
    assume(value == 0 or 1e-290 < abs(value) < 1e290)
    assert float(Unit.free.format(Unit.free.check(value))) == pytest.approx(value, rel=1e-11)


@given(st.sampled_from(sorted(Unit.properties())), st.text(max_size=12))
def test_what_a_person_types_is_a_value_or_refused(name, text):
    prop = Unit.properties()[name]
    try:
        value = prop.from_text(text)
    except ValueOutOfRangeError:
        return
    if prop.command is not None:
        try:
            prop.format(prop.check(value))
        except ValueOutOfRangeError:
            return


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("level_v", " 1e-1", 0.1),
        ("count", "7", 7),
        ("mode", "fast", "fast"),
        ("on", "On", True),
        ("on", "0", False),
        ("label", "abc", "abc"),
    ],
)
def test_from_text(name, text, value):
    assert Unit.properties()[name].from_text(text) == value


def test_an_array_from_text():
    assert Unit.points.from_text("0, 0.5,1").tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("level_v", "Control: Level in V, a number from -1 to 2.5 in steps of 0.1."),
        ("reading", "Get: Reading in V, a number (p. 7)."),
        ("action", "Set: Action, a whole number from 0 to 1."),
        ("mode", "Control: Mode, one of fast, slow."),
        ("on", "Control: Output, True or False."),
        ("points", "Control: Points, a list of 3 numbers from -1 to 1."),
    ],
)
def test_description(name, line):
    prop = Unit.properties()[name]
    assert prop.describe() == line
    assert prop.__doc__ == line


def test_reading_only_and_setting_only(unit):
    with pytest.raises(MisuseError, match="reading can only be read"):
        unit.reading = 1.0
    with pytest.raises(MisuseError, match="action can only be set"):
        _ = unit.action
    assert unit.wire.sent == []


def test_the_guard_sees_the_value_as_it_would_be_sent_and_can_forbid_it(unit):
    seen = []

    def guard(path, name, value):
        seen.append((path, name, value))
        if value > 1:
            raise LimitError("too high")

    unit.station_guard = guard
    unit.level_v = 0.96
    with pytest.raises(LimitError):
        unit.level_v = 1.16
    assert seen == [("unit", "level_v", 1.0), ("unit", "level_v", pytest.approx(1.2))]
    assert unit.wire.sent == [b"LEV 1\n"]


def test_a_value_out_of_the_manuals_range_never_reaches_the_guard(unit):
    unit.station_guard = lambda *_: pytest.fail("asked")
    with pytest.raises(ValueOutOfRangeError):
        unit.level_v = 3


def test_reading_back_agrees_within_half_a_step(unit):
    unit.replies["HELD?"] = "2.74\n"
    unit.held = 2.5
    unit.replies["HELD?"] = "2.76\n"
    with pytest.raises(InstrumentFaultError, match=r"held reads 2\.76 after 'HELD 2\.5'"):
        unit.held = 2.5


def test_the_declaration_itself_is_checked():
    with pytest.raises(MisuseError):
        Number(None, None, doc="Nothing.")
    with pytest.raises(MisuseError):
        Number("X?", None, doc="Cannot be read back.", read_back=True)


def test_a_property_of_the_class_is_the_declaration():
    assert Unit.level_v.unit == "V"
    assert list(Unit.properties())[:3] == ["level_v", "power_w", "free"]
