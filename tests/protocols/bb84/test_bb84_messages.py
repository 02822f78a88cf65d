import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bb84.messages import CODEC, Announcement, Disclosure, Pattern, TestReply
from protocols.distillation import messages as m
from protocols.distillation.codec import LARGEST_PACKET, Bits, Message
from protocols.errors import MessageError, ParameterError

bits = st.lists(st.integers(0, 1), max_size=40).map(lambda x: Bits.of(np.array(x, np.uint8)))
counts = st.integers(0, 2**48 - 1)
seeds = st.binary(min_size=32, max_size=32)
blobs = st.binary(max_size=40)
keys = st.binary(min_size=16, max_size=16)


@st.composite
def announcements(draw: st.DrawFn) -> Announcement:
    patterns = []
    for _ in range(draw(st.integers(0, 3))):
        count = draw(st.integers(1, 2**40))
        chosen = draw(st.sets(st.integers(0, count - 1), max_size=20))
        patterns.append(Pattern.of(count, np.array(sorted(chosen), np.int64)))
    size = sum(pattern.size for pattern in patterns)
    basis = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    return Announcement(tuple(patterns), Bits.of(np.array(basis, np.uint8)))


any_message = st.one_of(
    announcements(),
    st.builds(Disclosure, bits, st.lists(bits, max_size=3).map(tuple), bits, seeds),
    st.builds(TestReply, bits),
    st.builds(m.SampleDisclosure, seeds, bits),
    st.builds(m.ReconciliationStart, counts, st.text(max_size=64), seeds, counts, counts),
    st.builds(m.ReconciliationQuestion, blobs),
    st.builds(m.ReconciliationAnswer, blobs),
    st.builds(m.ReconciliationEnd),
    st.builds(m.VerificationTag, keys, st.binary(min_size=1, max_size=16)),
    st.builds(m.VerificationOutcome, st.booleans(), st.lists(counts, max_size=5).map(tuple)),
    st.builds(m.Amplification, counts, blobs),
    st.builds(m.Confirmation),
)


@settings(deadline=None)  # the first call compiles
@given(any_message)
def test_decoding_undoes_encoding(message: Message) -> None:
    body = CODEC.encode(message)
    decoded = CODEC.decode(body)
    assert type(decoded) is type(message) and decoded == message
    assert CODEC.encode(decoded) == body


@given(st.integers(0, 2**32 - 1), blobs, st.binary(max_size=16))
def test_unwrapping_undoes_wrapping(sequence: int, body: bytes, tag: bytes) -> None:
    packet = CODEC.unwrap(CODEC.wrap(sequence, body, tag))
    assert (packet.sequence, packet.body, packet.tag) == (sequence, body, tag)


@settings(deadline=None)  # the first call compiles
@given(any_message, st.data())
def test_changed_bytes_are_refused_or_are_another_message(
    message: Message, data: st.DataObject
) -> None:
    raw = bytearray(CODEC.wrap(3, CODEC.encode(message)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    try:
        decoded = CODEC.decode(CODEC.unwrap(bytes(raw)).body)
    except MessageError:
        return
    assert CODEC.decode(CODEC.encode(decoded)) == decoded


@settings(deadline=None)  # the first call compiles
@given(any_message, st.data())
def test_cut_or_lengthened_messages_are_refused(message: Message, data: st.DataObject) -> None:
    body = CODEC.encode(message)
    whole = CODEC.wrap(0, body)
    cut = data.draw(st.integers(0, len(body) - 1))
    more = data.draw(st.binary(min_size=1, max_size=9))
    for wrong in (body[:cut], body + more):
        with pytest.raises(MessageError):
            CODEC.decode(wrong)
    for wrong in (whole[:-1], whole + more):
        with pytest.raises(MessageError):
            CODEC.unwrap(wrong)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(MessageError):
        CODEC.decode(CODEC.unwrap(raw).body)
    with pytest.raises(MessageError):
        CODEC.decode(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xdd\xff\xff\xff\xff",  # an array of 2**32 − 1
        b"\x94\x01\x00\xc6\xff\xff\xff\xff",  # a body of 4 GiB
        b"\x91" * 100_000,  # arrays in arrays
        b"\x94\x01\x00\xc4\x00\xc4\x11" + bytes(17),  # too long a tag
        b"\x94\x02\x00\xc4\x00\xc4\x00",  # another version
        b"\x95\x01\x00\xc4\x00\xc4\x00\x00",  # one field more
        b"\x94\x01\x20\xa1\xff\xc4\x00",  # text where bytes are due
    ],
)
def test_packets_that_promise_too_much_are_refused(raw: bytes) -> None:
    with pytest.raises(MessageError):
        CODEC.unwrap(raw)


def test_longer_packets_than_any_are_not_looked_at() -> None:
    class Long(bytes):
        def __len__(self) -> int:
            return LARGEST_PACKET + 1

    with pytest.raises(MessageError, match="at most"):
        CODEC.unwrap(Long(b"\x94"))


def test_the_bytes_are_as_documented() -> None:
    reply = TestReply(Bits.of(np.array([1, 0, 1], np.uint8)))
    body = b"\x92\xa4test\x92\x03\xc4\x01\xa0"
    assert CODEC.encode(reply) == body
    assert CODEC.wrap(258, body, b"TT") == b"\x94\x01\xcd\x01\x02\xc4\x0b" + body + b"\xc4\x02TT"


def test_bits_do_not_show_in_texts() -> None:
    reply = TestReply(Bits.of(np.ones(5, np.uint8)))
    assert repr(reply) == "<TestReply>" and repr(reply.test_bits) == "<5 bits>"
    assert repr(CODEC.unwrap(CODEC.wrap(7, b"secret"))) == "<packet 7>"
    assert repr(Pattern.of(9, np.array([1, 4]))) == "<2 of 9 slots>"


def test_bits_and_bases_must_fit() -> None:
    with pytest.raises(ParameterError):
        Bits(3, b"\xff")
    with pytest.raises(ParameterError, match="one basis"):
        Announcement((Pattern.of(9, np.array([1, 4])),), Bits(1, b"\x80"))
    with pytest.raises(ParameterError, match="does not fit"):
        CODEC.encode(m.Amplification(2**70, b""))
    for wrong in (Pattern(9, 2, b"\0\0\0"), Pattern(2, 2, b"\0\1")):
        with pytest.raises(MessageError):
            wrong.numbers()
    for size, count in ((3, 9), (2, 1)):  # before anything of that size is made
        with pytest.raises(ParameterError, match="more slots"):
            Pattern(count, size, b"\0\0")
