import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.scpi.errors import ERRORS, ScpiError, event_bit
from drivers.simulated.scpi.headers import HeaderTree, parse_pattern, split_header
from drivers.simulated.scpi.messages import MessageScanner, split_message


def units(message: bytes):
    found, error = split_message(message)
    return [(header, [bytes(token) for token in tokens]) for header, tokens in found], error


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", []),
        (b" ; ;", []),
        (b"*CLS", [(b"*CLS", [])]),
        (b"FREQ 1 , 2;*WAI\r", [(b"FREQ", [b"1", b"2"]), (b"*WAI", [])]),
        (b"FREQ\t1 kHz", [(b"FREQ", [b"1 kHz"])]),
        (b"A ,1", [(b"A", [b"", b"1"])]),
        (b"A 1,", [(b"A", [b"1", b""])]),
        (b'A "x;y,""z",\'#1\';B', [(b"A", [b'"x;y,""z"', b"'#1'"]), (b"B", [])]),
        (b"A (@1,2:3) , 7;B?", [(b"A", [b"(@1,2:3)", b"7"]), (b"B?", [])]),
        (b"A #13;,\n , 5;B", [(b"A", [b";,\n", b"5"]), (b"B", [])]),
        (b"A x,#0rest;of it\n", [(b"A", [b"x", b"rest;of it"])]),
        (b"A #H1F,#b01", [(b"A", [b"#H1F", b"#b01"])]),
        (b"A #10;B", [(b"A", [b""]), (b"B", [])]),
    ],
)
def test_messages_fall_into_units_and_elements(message, expected):
    assert units(message) == (expected, None)


@pytest.mark.parametrize(
    ("message", "code", "kept"),
    [
        (b'A 1;B "open', -151, 1),
        (b"A #15abc", -161, 0),
        (b"A #2x1abc", -161, 0),
        (b"A #9", -161, 0),
        (b"A (@1", -171, 0),
        (b'A "x" y', -103, 0),
        (b"A #11xy", -103, 0),
    ],
)
def test_unreadable_data_is_an_error_behind_the_units_before_it(message, code, kept):
    found, error = split_message(message)
    assert (len(found), error.code) == (kept, code)


def test_block_payload_is_a_view_of_the_message():
    message = b"DATA #800000004abcd"
    (_, [payload]), *_ = split_message(message)[0]
    assert isinstance(payload, memoryview)
    assert payload.obj is message


@given(st.binary(max_size=60))
def test_any_bytes_can_be_split(message):
    found, error = split_message(message)
    assert error is None or error.code in ERRORS
    assert sum(len(h) + sum(map(len, t)) for h, t in found) <= len(message)


def blocks():
    return st.binary(max_size=20).map(
        lambda data: b"#%d%d%b" % (len(str(len(data))), len(data), data)
    )


def strings():
    return st.text(alphabet='ab;,#"1 ', max_size=8).map(
        lambda text: b'"' + text.replace('"', '""').encode() + b'"'
    )


def messages():
    data = st.one_of(blocks(), strings(), st.just(b"12"), st.just(b"(@1,2)"), st.just(b"#HFF"))
    unit = st.lists(data, max_size=3).map(lambda d: b"X:Y" + (b" " + b", ".join(d) if d else b""))
    return st.lists(unit, min_size=1, max_size=3).map(b";".join)


@given(st.lists(messages(), max_size=4), st.lists(st.integers(1, 7), min_size=1), st.booleans())
def test_messages_are_found_however_the_bytes_come(sent, sizes, strange_end):
    """Cut into chunks of any size, the same messages come out as went in."""
    ends = b"\r" if strange_end else b"\n"
    sent = [message for message in sent if ends not in message or b"#" in message]
    stream = b"".join(message + ends for message in sent)
    scanner, buffer, found = MessageScanner(ends), bytearray(), []
    position = step = 0
    while position < len(stream):
        size = sizes[step % len(sizes)]
        step += 1
        buffer += stream[position : position + size]
        position += size
        while (at := scanner.find(buffer)) >= 0:
            found.append(bytes(buffer[:at]))
            del buffer[: at + 1]
    assert found == sent
    assert not buffer


@given(st.binary(max_size=80))
def test_scanner_survives_any_bytes_and_loses_none(data):
    scanner, buffer, out = MessageScanner(), bytearray(), b""
    for index in range(len(data)):
        buffer += data[index : index + 1]
        while (at := scanner.find(buffer)) >= 0:
            out += bytes(buffer[: at + 1])
            del buffer[: at + 1]
    assert out + bytes(buffer) == data


def test_block_of_unknown_length_runs_to_the_end_mark():
    data = b"A #0line\nline\n"
    assert MessageScanner(b"\n", to_end=True).find(data) == -1
    assert MessageScanner(b"\n").find(data) == 8


def test_scanning_a_long_block_in_small_pieces_is_not_quadratic():
    """The scanner jumps over a block of known length without looking at it again."""
    scanner, buffer = MessageScanner(), bytearray(b"D #6999999")
    looks = 0

    class Counting(bytearray):
        def __getitem__(self, index):
            nonlocal looks
            looks += 1
            return super().__getitem__(index)

    buffer = Counting(buffer)
    for _ in range(1000):
        assert scanner.find(buffer) == -1
        buffer += bytes(999)
    assert looks < 20


@pytest.mark.parametrize("pattern", ["", "[A]", "A::B]", "[A:B", "A 1", "[SOUR]:[VOLT]"])
def test_wrong_patterns_are_refused(pattern):
    with pytest.raises(ValueError, match="pattern"):
        parse_pattern(pattern)


def test_pattern_parts():
    source, frequency, cw = parse_pattern("[SOURce[1-3]]:FREQuency[:CW]")
    assert (source.long, source.short, source.suffixes, source.optional) == (
        "SOURCE", "SOUR", (1, 2, 3), True,
    )  # fmt: skip
    assert (frequency.long, frequency.short, frequency.suffixes) == ("FREQUENCY", "FREQ", ())
    assert cw.optional


PATTERNS = {
    "[SOURce[1|2]]:FREQuency[:CW]": "frequency",
    "[SOURce[1|2]]:FREQuency:MODE": "mode",
    "[SOURce[1|2]]:FUNCtion:ARBitrary:SRATe": "rate",
    "OUTPut[1-4][:STATe]": "state",
    "OUTPut:SYNC": "sync",
    "*RST": "reset",
    "INPut[1|3|5|7]:ATTenuation": "attenuation",
}


def tree():
    grown = HeaderTree()
    for pattern, name in PATTERNS.items():
        grown.add(pattern, name, query=False)
    return grown


@st.composite
def header_and_meaning(draw):
    """Draw a header in any legal form and the suffixes that its handler gets."""
    pattern = draw(st.sampled_from(sorted(PATTERNS)))
    words, suffixes = [], []
    for node in parse_pattern(pattern):
        chosen = node.suffixes[0] if node.suffixes else None
        if not node.optional or draw(st.booleans()):
            word = draw(st.sampled_from([node.long, node.short]))
            word = "".join(draw(st.sampled_from([c.lower(), c.upper()])) for c in word)
            if node.suffixes and draw(st.booleans()):
                chosen = draw(st.sampled_from(node.suffixes))
                word += str(chosen)
            words.append(word)
        if chosen is not None:
            suffixes.append(chosen)
    return ":".join(words), PATTERNS[pattern], tuple(suffixes)


def split(header):
    if header.startswith("*"):
        return [("*" + header[1:].upper(), None)]
    return split_header(header.encode())


@given(header_and_meaning())
def test_every_short_long_and_mixed_form_means_the_same(case):
    header, name, suffixes = case
    words = split(header)
    entry = tree().find(words, query=False)
    assert entry.attribute == name
    assert entry.select([number for _, number in words]) == suffixes


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("FREQU", -113),
        ("FRE", -113),
        ("SOUR:FREQ:CW:MODE", -113),
        ("MODE", -113),
        ("SOUR", -113),
        ("VERYLONGMNEMONIC", -112),
        ("SOUR3:FREQ", -114),
        ("FREQ2", -114),
        ("OUTP2:SYNC", -114),
        ("OUTP5", -114),
        ("INP2:ATT", -114),
        ("INP99999999999999:ATT", -114),
        ("FR$Q", -101),
        ("FREQ::CW", -102),
        ("2FREQ", -102),
    ],
)
def test_wrong_headers(header, code):
    with pytest.raises(ScpiError) as caught:
        words = split_header(header.encode())
        tree().find(words, query=False).select([number for _, number in words])
    assert caught.value.code == code


def test_two_words_with_one_short_form_are_refused():
    grown = tree()
    with pytest.raises(ValueError, match="FREQ is short for both"):
        grown.add("[SOURce[1|2]]:FREQuently", "other", query=False)


def test_a_header_can_be_taken_out():
    grown = tree()
    grown.remove("[SOURce[1|2]]:FREQuency[:CW]", query=False)
    with pytest.raises(ScpiError):
        grown.find(split_header(b"FREQ"), query=False)
    assert grown.find(split_header(b"FREQ:MODE"), query=False).attribute == "mode"


@pytest.mark.parametrize(
    ("code", "bit"),
    [(-100, 0x20), (-113, 0x20), (-199, 0x20), (-200, 0x10), (-222, 0x10), (-310, 0x08),
     (-350, 0x08), (-410, 0x04), (-440, 0x04), (7, 0x08), (1300, 0x08)],
)  # fmt: skip
def test_error_classes(code, bit):
    assert event_bit(code) == bit
