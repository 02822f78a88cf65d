import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.scpi import (
    Block,
    Boolean,
    Channels,
    Choice,
    Many,
    Number,
    ScpiError,
    Text,
    block,
    exponent,
    fixed,
    quoted,
)
from drivers.simulated.scpi.errors import ERRORS
from drivers.simulated.scpi.replies import encode

FREQUENCY = Number("HZ", 1.0, 1e9, 1e3)
LENGTH = Number("M")
POWER = Number("W", others={"DBM": lambda dbm: 1e-3 * 10 ** (dbm / 10)})
BARE = Number()
COUNT = Number(low=1, high=100, integer=True)


def read(kind, token, suffixes=()):
    return kind.read(token, None, suffixes)


@pytest.mark.parametrize(
    ("kind", "token", "value"),
    [
        (FREQUENCY, b"1", 1.0),
        (FREQUENCY, b"+2.5E3", 2500.0),
        (FREQUENCY, b"2.5 e +3", 2500.0),
        (FREQUENCY, b".5kHz", 500.0),
        (FREQUENCY, b"10 MHz", 1e7),
        (FREQUENCY, b"10MAHZ", 1e7),
        (FREQUENCY, b"1e3mhz", 1e9),
        (FREQUENCY, b"MIN", 1.0),
        (FREQUENCY, b"maximum", 1e9),
        (FREQUENCY, b"Def", 1e3),
        (LENGTH, b"1550 nm", 1550e-9),
        (LENGTH, b"2M", 2.0),
        (LENGTH, b"3 MM", 3e-3),
        (POWER, b"2mW", 2e-3),
        (POWER, b"10dBm", 1e-2),
        (POWER, b"-30 DBM", 1e-6),
        (Number("HZ"), b"188THz", 1.88e14),
        (BARE, b"#HFF", 255.0),
        (BARE, b"#q17", 15.0),
        (BARE, b"#B101", 5.0),
        (COUNT, b"2.5", 3),
        (COUNT, b"1.4E1", 14),
        (Number("OHM", 1, 1e4, words={"INFinity": math.inf}), b"inf", math.inf),
        (Number("OHM", 1, 1e4, words={"INFinity": math.inf}), b"INFINITY", math.inf),
        (Number("V", step=0.05), b"1.02", 1.0),
        (Boolean(), b"ON", True),
        (Boolean(), b"off", False),
        (Boolean(), b"0.4", False),
        (Boolean(), b"-3", True),
        (Choice("IMMediate", "EXTernal"), b"ext", "EXT"),
        (Choice("IMMediate", "EXTernal"), b"Immediate", "IMM"),
        (Choice("DBM", "Watt", numbers={0: "DBM", 1: "W"}), b"1", "W"),
        (Text(), b'"a""b"', 'a"b'),
        (Text(), b"'it''s'", "it's"),
        (Text(bare=True), b"name_1", "name_1"),
        (Channels(1, 2, 3), b"(@1)", (1,)),
        (Channels(1, 2, 3), b"( @3, 1 )", (3, 1)),
        (Channels(1, 2, 3), b"(@1:3)", (1, 2, 3)),
        (Channels(1, 2, 3), b"(@3:2)", (3, 2)),
    ],
)
def test_what_is_understood(kind, token, value):
    if isinstance(value, float) and math.isfinite(value):
        assert read(kind, token) == pytest.approx(value, rel=1e-15)
    else:
        assert read(kind, token) == value


@pytest.mark.parametrize(
    ("kind", "token", "code"),
    [
        (FREQUENCY, b"0.5", -222),
        (FREQUENCY, b"1.1GHZ", -222),
        (FREQUENCY, b"1 V", -131),
        (FREQUENCY, b"1 XHZ", -131),
        (BARE, b"1 V", -138),
        (FREQUENCY, b"1..2", -121),
        (FREQUENCY, b"1 $", -121),
        (FREQUENCY, b"+-1", -121),
        (BARE, b"#HXY", -121),
        (FREQUENCY, b"1e99999", -123),
        (FREQUENCY, b"1e9999999999999", -123),
        (FREQUENCY, b"0" * 300, -124),
        (FREQUENCY, b"BOGUS", -141),
        (BARE, b"BOGUS", -148),
        (BARE, b"MIN", -148),
        (FREQUENCY, b'"1"', -158),
        (FREQUENCY, b"(@1)", -178),
        (FREQUENCY, memoryview(b"1"), -168),
        (FREQUENCY, b"", -120),
        (COUNT, b"1e400", -222),
        (Number(integer=True), b"1e400", -222),
        (Boolean(), b"MAYBE", -224),
        (Boolean(), b'"ON"', -158),
        (Choice("IMMediate"), b"IMME", -224),
        (Choice("IMMediate"), b"5", -128),
        (Choice("IMMediate"), b"IM$", -141),
        (Choice("IMMediate"), b"ABCDEFGHIJKLM", -144),
        (Choice("IMMediate"), b'"IMM"', -158),
        (Choice("IMMediate"), b"@", -104),
        (Text(), b"word", -148),
        (Text(), b"5", -128),
        (Text(), memoryview(b""), -168),
        (Channels(1, 2), b"(@3)", -222),
        (Channels(1, 2), b"(1)", -171),
        (Channels(1, 2), b"(@)", -171),
        (Channels(1, 2), b"(@1:2:1)", -171),
        (Channels(1, 2), b"(@1:99999)", -171),
        (Channels(1, 2), b"1", -128),
        (Channels(1, 2), b"CH1", -148),
        (Block(), b"1", -128),
        (Block(), b"word", -148),
        (Block(), b"'x'", -158),
    ],
)
def test_what_is_refused_and_with_which_error(kind, token, code):
    with pytest.raises(ScpiError) as caught:
        read(kind, token)
    assert caught.value.code == code


KINDS = [
    FREQUENCY, LENGTH, POWER, BARE, COUNT, Boolean(), Choice("ONE", "TWo"), Text(),
    Text(bare=True), Channels(1, 2), Block(), Number("OHM", words={"INFinity": 9.9e37}),
]  # fmt: skip


@given(st.sampled_from(KINDS), st.one_of(st.binary(max_size=20), st.binary().map(memoryview)))
def test_any_element_is_read_or_refused(kind, token):
    try:
        read(kind, token.strip() if isinstance(token, bytes) else token)
    except ScpiError as error:
        assert error.code in ERRORS


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_being_written_and_read(value):
    assert read(BARE, exponent(16)(value).encode()) == value


@given(st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\n\r")))
def test_texts_survive_being_quoted_and_read(text):
    assert read(Text(), quoted(text).encode("latin-1")) == text


def test_limits_may_depend_on_the_device_and_the_suffix():
    class Unit:
        top = 10.0

    kind = Number("V", low=0, high=lambda unit, channel: unit.top * channel)
    assert kind.read(b"15", Unit(), (2,)) == 15.0
    with pytest.raises(ScpiError):
        kind.read(b"15", Unit(), (1,))
    assert kind.read(b"MAX", Unit(), (3,)) == 30.0


def test_many_values_or_a_block():
    kind = Many(Number(low=0, high=10), or_block=True)
    assert kind.read_all([b"1", b"2"], None, ()) == [1.0, 2.0]
    payload = memoryview(b"xyz")
    assert kind.read_all([payload], None, ()) is payload
    with pytest.raises(ScpiError):
        kind.read_all([b"1", payload], None, ())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (exponent(15)(1000.0), "+1.000000000000000E+03"),
        (exponent(8, 3)(2e-2), "+2.00000000E-002"),
        (exponent(14, 3)(1000000.52795438), "+1.00000052795438E+006"),
        (exponent(3)(-0.0), "-0.000E+00"),
        (exponent(3)(math.inf), "+INF"),
        (fixed(3)(5.4204), "5.420"),
        (fixed(1, sign=True)(2.0), "+2.0"),
        (quoted('say "x"'), '"say ""x"""'),
    ],
)
def test_how_values_are_written(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ("text", b"text"), (b"raw", b"raw"), (True, b"1"), (False, b"0"), (7, b"7"),
        (1.5, b"+1.50000000E+00"), ([1, "a", 2.0], b"1,a,+2.00000000E+00"),
        (memoryview(b"view"), b"view"), (bytearray(b"array"), b"array"),
    ],
)  # fmt: skip
def test_what_a_query_may_answer(answer, sent):
    assert encode(answer) == sent


def test_blocks_have_the_length_in_front():
    assert encode(block(b"")) == b"#10"
    assert encode(block(bytes(10))) == b"#210" + bytes(10)
    assert encode(block(memoryview(b"abc")), b";", b"\n") == b";#13abc\n"
    assert encode(block(memoryview(array("h", [1, 2])))).startswith(b"#14")
