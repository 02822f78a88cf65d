from __future__ import annotations

import pytest
from core_devices import Wire
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.core.blocks import (
    block_header,
    decode_block,
    encode_block,
    read_block,
)
from drivers.core.errors import MisuseError, ResponseTimeoutError, UnexpectedReplyError

PAYLOADS = st.binary(max_size=300)


@given(PAYLOADS)
@example(b"\n")
@example(b"")
def test_a_definite_block_comes_back(payload):
    assert decode_block(encode_block(payload)) == payload
    assert decode_block(encode_block(payload) + b"\r\n") == payload


@given(PAYLOADS)
@example(b"#15\n\n\n\n\n")
def test_a_block_is_read_with_its_line_end_and_not_further(payload):
    wire = Wire()
    wire.incoming = encode_block(payload) + b"\n" + b"next\n"
    assert read_block(wire) == payload
    assert wire.incoming == b"next\n"


@given(PAYLOADS)
def test_an_indefinite_block_is_all_to_the_end_of_the_message(payload):
    assert decode_block(b"#0" + payload + b"\n") == payload


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


def test_a_view_of_wider_items_counts_in_bytes():
    view = memoryview(bytes(8)).cast("H")
    assert encode_block(view) == b"#18" + bytes(8)


@st.composite
def spoilt_blocks(draw):
    """A block with one byte changed."""
    block = bytearray(encode_block(draw(PAYLOADS)))
    block[draw(st.integers(0, len(block) - 1))] = draw(st.integers(0, 255))
    return bytes(block)


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
    try:
        payload = decode_block(message)
    except UnexpectedReplyError:
        payload = None
    assert payload is None or (message.startswith(b"#") and payload in message)
    wire = Wire()
    wire.incoming = message
    try:
        again = read_block(wire)
    except UnexpectedReplyError:
        return
    except ResponseTimeoutError:  # it ended too early
        return
    assert again in message


@pytest.mark.parametrize("message", [b"#15abcd", b"#15abcdef", b"abc", b"#a1"])
def test_a_wrong_length_or_header(message):
    with pytest.raises(UnexpectedReplyError):
        decode_block(message)


def test_too_much_behind_a_block():
    wire = Wire()
    wire.incoming = b"#13abcdef\n"
    with pytest.raises(UnexpectedReplyError, match="too many after a block of 3"):
        read_block(wire)
