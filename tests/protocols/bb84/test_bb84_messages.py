import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.bb84 import messages as m
from protocols.errors import MessageError, ParameterError
from protocols.reconciliation.cascade import Question

bits = st.lists(st.integers(0, 1), max_size=40).map(lambda x: np.array(x, np.uint8))
sequences = st.integers(0, 2**32 - 1)
seeds = st.binary(min_size=32, max_size=32)
short = st.binary(max_size=20)


@st.composite
def announcements(draw: st.DrawFn) -> m.Announcement:
    counts, slots = [], []
    for _ in range(draw(st.integers(0, 3))):
        count = draw(st.integers(1, 2**40))
        chosen = draw(st.sets(st.integers(0, count - 1), max_size=20))
        counts.append(count)
        slots.append(np.array(sorted(chosen), np.int64))
    size = sum(block.size for block in slots)
    basis = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    return m.Announcement(draw(sequences), tuple(counts), tuple(slots), np.array(basis, np.uint8))


@st.composite
def questions(draw: st.DrawFn) -> m.ParityQuestion:
    nodes = draw(
        st.sets(
            st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1)),
            max_size=30,
        )
    )
    row, level, index = zip(*sorted(nodes), strict=True) if nodes else ((), (), ())
    return m.ParityQuestion(
        draw(sequences),
        Question(np.array(row, np.uint8), np.array(level, np.uint8), np.array(index, np.int64)),
    )


tags = st.lists(short, max_size=4).map(tuple)
any_message = st.one_of(
    announcements(),
    questions(),
    st.builds(m.Disclosure, sequences, bits, bits, bits, seeds),
    st.builds(m.TestReply, sequences, bits),
    st.builds(
        m.ReconciliationStart,
        sequences,
        st.integers(0, 2**32 - 1),
        st.integers(0, 255),
        st.lists(st.integers(0, 255), max_size=40).map(tuple),
        seeds,
    ),
    st.builds(m.ParityAnswer, sequences, bits),
    st.builds(m.ReconciliationEnd, sequences),
    st.builds(m.FrameTags, sequences, short, tags),
    st.builds(m.FrameOutcome, sequences, bits),
    st.builds(m.FrameDisclosure, sequences, bits),
    st.builds(m.VerificationTag, sequences, short, short),
    st.builds(m.VerificationOutcome, sequences, st.booleans()),
    st.builds(m.ErrorCounts, sequences, st.lists(st.integers(0, 2**32 - 1), max_size=5).map(tuple)),
    st.builds(m.Amplification, sequences, st.integers(0, 2**32 - 1), bits),
)


@settings(deadline=None)  # the first call compiles
@given(any_message)
def test_decoding_undoes_encoding(message: m.Message) -> None:
    data = m.encode(message)
    decoded = m.decode(data)
    assert type(decoded) is type(message)
    assert decoded == message and hash(decoded) == hash(message)
    assert m.encode(decoded) == data


@settings(deadline=None)  # the first call compiles
@given(any_message, st.data())
def test_changed_bytes_are_refused_or_are_another_message(
    message: m.Message, data: st.DataObject
) -> None:
    raw = bytearray(m.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    try:
        decoded = m.decode(bytes(raw))
    except MessageError:
        return
    assert m.encode(decoded) == bytes(raw)


@settings(deadline=None)  # the first call compiles
@given(any_message, st.data())
def test_cut_or_lengthened_messages_are_refused(message: m.Message, data: st.DataObject) -> None:
    raw = m.encode(message)
    with pytest.raises(MessageError):
        m.decode(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(MessageError):
        m.decode(raw + data.draw(st.binary(min_size=1, max_size=9)))


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 20), st.binary(max_size=80))
@example(1, b"\xff\xff\xff\xff")
@example(8, b"\0\0\0\0\xff\xff\xff\xff")
@example(5, b"\0\1\0\0\xff\xff\xff\xff\0\0\0\0")
def test_arbitrary_bytes_never_do_worse(code: int, body: bytes) -> None:
    raw = b"QB\x01" + bytes([code]) + bytes(4) + body
    try:
        decoded = m.decode(raw)
    except MessageError:
        return
    assert m.encode(decoded) == raw


@settings(deadline=None)  # the first call compiles
@given(st.binary(max_size=40))
def test_foreign_bytes_are_refused(raw: bytes) -> None:
    if raw[:3] != b"QB\x01":
        with pytest.raises(MessageError):
            m.decode(raw)


def test_the_bytes_are_as_documented() -> None:
    reply = m.TestReply(258, np.array([1, 0, 1], np.uint8))
    assert m.encode(reply) == b"QB\x01\x03\x00\x00\x01\x02" + b"\x00\x00\x00\x03\xa0"
    counts = m.ErrorCounts(0, (1, 2))
    assert m.encode(counts) == b"QB\x01\x0d" + bytes(4) + b"\x02\0\0\0\x01\0\0\0\x02"


def test_bits_do_not_show_in_texts() -> None:
    reply = m.TestReply(0, np.ones(5, np.uint8))
    assert repr(reply) == "TestReply(sequence=0)"


@pytest.mark.parametrize(
    "message",
    [
        m.ErrorCounts(0, (2**32,)),
        m.ErrorCounts(0, (-1,)),
        m.ReconciliationEnd(2**32),
        m.ReconciliationStart(0, 1, 256, (), bytes(32)),
        m.ReconciliationStart(0, 1, 1, (256,), bytes(32)),
        m.TestReply(0, np.array([2], np.uint8)),
    ],
)
def test_fields_that_do_not_fit_are_refused(message: m.Message) -> None:
    with pytest.raises(ParameterError):
        m.encode(message)
