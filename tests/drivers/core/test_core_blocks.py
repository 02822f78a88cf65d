from __future__ import annotations

import pytest
from core_devices import Wire
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.core.blocks import block_header, read_block
from drivers.core.errors import MisuseError, ResponseTimeoutError, UnexpectedReplyError

PAYLOADS = st.binary(max_size=300)


def block(payload):
    return block_header(len(payload)) + payload


@given(PAYLOADS, st.sampled_from([b"\n", b"\r\n"]))
@example(b"#15\n\n\n\n\n", b"\n")
@example(b"\n", b"\n")
@example(b"", b"\n")
def test_a_block_is_read_with_its_line_end_and_not_further(payload, end):
    wire = Wire()
    wire.incoming = block(payload) + end + b"next\n"
    assert read_block(wire) == payload
    assert wire.incoming == b"next\n"


def test_an_indefinite_block_is_read():
    wire = Wire()
    wire.incoming = b"#0abc\n"
    assert read_block(wire) == b"abc"


@pytest.mark.parametrize(
    ("count", "header"), [(0, b"#10"), (9, b"#19"), (10, b"#210"), (999999999, b"#9999999999")]
)
def test_header(count, header):
    assert block_header(count) == header


@pytest.mark.parametrize("count", [-1, 10**9])
def test_a_count_that_has_no_header(count):
    with pytest.raises(MisuseError):
        block_header(count)


@st.composite
def spoilt_blocks(draw):
    """A block with one byte changed."""
    spoilt = bytearray(block(draw(PAYLOADS)))
    spoilt[draw(st.integers(0, len(spoilt) - 1))] = draw(st.integers(0, 255))
    return bytes(spoilt)


@given(st.one_of(st.binary(max_size=60), spoilt_blocks()))
@example(b"")
@example(b"#")
@example(b"#0")
@example(b"#1")
@example(b"#15ab")
@example(b"#1a")
@example(b"#:1")
@example(b"#9999999999")
@example(b"#3 12abc")
@example(b"#2+1a")
@example(b"#12abc")
@example("#²12".encode("latin-1"))
def test_garbage_is_an_unexpected_reply_and_nothing_else(message):
    wire = Wire()
    wire.incoming = message
    try:
        payload = read_block(wire)
    except UnexpectedReplyError:
        return
    except ResponseTimeoutError:  # it ended too early
        return
    assert message.startswith(b"#")
    assert payload in message


@pytest.mark.parametrize("message", [b"#15abcdef\n", b"abc\n", b"#a1\n"])
def test_a_wrong_length_or_header(message):
    wire = Wire()
    wire.incoming = message
    with pytest.raises(UnexpectedReplyError):
        read_block(wire)


def test_too_much_behind_a_block():
    wire = Wire()
    wire.incoming = b"#13abcdef\n"
    with pytest.raises(UnexpectedReplyError, match="too many after a block of 3"):
        read_block(wire)
