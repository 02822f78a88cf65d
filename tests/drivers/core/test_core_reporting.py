from __future__ import annotations

import pytest
from core_devices import Wire
from hypothesis import given
from hypothesis import strategies as st

from drivers.core import (
    ConnectionLostError,
    InstrumentFaultError,
    LineSettings,
    Link,
    NoReporting,
    ReplyText,
    ResponseTimeoutError,
    ScpiQueue,
    StatusBits,
    UnexpectedReplyError,
)

NO_ERROR = '+0,"No error"'


def linked(*replies):
    """Return a link on which each query takes the next reply, and the wire."""
    left = list(replies)
    wire = Wire(lambda data: (left.pop(0) + "\n").encode() if data.endswith(b"?\n") else b"")
    wire.left = left
    link = Link("unit", "WIRE", lambda address, line: wire, LineSettings(retries=0))
    link.open()
    return link, wire


# ---- the SCPI queue ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "good", [NO_ERROR, '0,"No error"', "0,No error", ' +0 , "NO ERROR"', '0,""', '+0,"Kein Fehler"']
)
def test_a_command_without_error(good):
    link, wire = linked(good)
    ScpiQueue().send(link, "VOLT 1")
    assert wire.sent == [b"VOLT 1\n", b"SYST:ERR?\n"]


def test_the_queue_is_emptied_and_its_oldest_error_raised():
    link, wire = linked('-222,"Data out of range"', '-113,"Undefined header"', NO_ERROR)
    with pytest.raises(InstrumentFaultError) as caught:
        ScpiQueue().send(link, "VOLT 99")
    error = caught.value
    assert (error.code, error.reply, error.command) == (-222, "Data out of range", "VOLT 99")
    assert (error.instrument, error.address) == ("unit", "WIRE")
    assert "error -222 \"Data out of range\", then -113 Undefined header to 'VOLT 99'" in str(error)
    assert wire.left == []


def test_an_error_text_may_hold_anything():
    link, _ = linked('-230,"Data ""corrupt"", or; stale"', NO_ERROR)
    with pytest.raises(InstrumentFaultError) as caught:
        ScpiQueue().send(link, "X")
    assert caught.value.code == -230
    assert "corrupt" in caught.value.reply


def test_an_unending_queue_is_given_up():
    link, wire = linked(*['-350,"Queue overflow"'] * 40)
    with pytest.raises(InstrumentFaultError):
        ScpiQueue(depth=5).send(link, "X")
    assert len(wire.left) == 35


@pytest.mark.parametrize("reply", ["", "what?", "1.5", '"No error"', "+,"])
def test_what_is_no_error_queue(reply):
    link, _ = linked(reply)
    with pytest.raises(UnexpectedReplyError, match="the error queue answered") as caught:
        ScpiQueue().send(link, "X")
    assert caught.value.instrument == "unit"


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=30))
def test_no_reply_breaks_the_queue(reply):
    link, _ = linked(reply, NO_ERROR)
    try:
        ScpiQueue().send(link, "X")
    except (InstrumentFaultError, UnexpectedReplyError):
        return
    assert reply.strip().lstrip("+-")[:1] == "0"


def test_another_query_and_what_is_forgotten():
    link, wire = linked(NO_ERROR)
    queue = ScpiQueue("STAT:QUE?")
    queue.forget(link)
    queue.send(link, "X")
    assert wire.sent == [b"*CLS\n", b"X\n", b"STAT:QUE?\n"]


# ---- status bytes ------------------------------------------------------------------------

BITS = StatusBits("ST?", {(1, 0): "first", (1, 7): "last"})


def test_status_bits():
    link, wire = linked("255,0", "0,1", "255,129", "255,126")
    BITS.send(link, "A")
    with pytest.raises(InstrumentFaultError, match="reported first after 'B'") as caught:
        BITS.send(link, "B")
    assert (caught.value.command, caught.value.reply) == ("B", "0,1")
    with pytest.raises(InstrumentFaultError, match="reported first, last"):
        BITS.send(link, "C")
    BITS.send(link, "D")
    assert wire.sent[:2] == [b"A\n", b"ST?\n"]


def test_status_bits_from_before_are_read_away():
    link, wire = linked("0,129")
    BITS.forget(link)
    assert wire.sent == [b"ST?\n"]


@pytest.mark.parametrize("reply", ["", "0", "0,x", "0;0"])
def test_what_is_no_status(reply):
    link, _ = linked(reply)
    with pytest.raises(UnexpectedReplyError, match="the status query answered"):
        BITS.send(link, "A")


# ---- reply text --------------------------------------------------------------------------


def answering(reply):
    wire = Wire(lambda data: reply)
    link = Link("unit", "WIRE", lambda address, line: wire, LineSettings(retries=3))
    link.open()
    return link, wire


def test_a_good_reply():
    link, wire = answering(b"OK \r\n")
    ReplyText(("OK", "Done")).send(link, "GO")
    assert wire.sent == [b"GO\n"]


def test_a_bad_reply():
    link, _ = answering(b"ERR 7\n")
    with pytest.raises(InstrumentFaultError, match="answered 'ERR 7' to 'GO'") as caught:
        ReplyText(("OK",)).send(link, "GO")
    assert caught.value.reply == "ERR 7"


@pytest.mark.parametrize("family", [ReplyText(("OK",)), NoReporting()])
def test_what_is_left_on_the_line_is_forgotten(family):
    link, wire = answering(b"")
    wire.incoming = b"old noise"
    family.forget(link)
    assert wire.incoming == b""
    assert wire.sent == []


def test_no_reporting_only_sends():
    link, wire = answering(b"unasked\n")
    NoReporting().send(link, "GO")
    assert wire.sent == [b"GO\n"]
    assert wire.incoming == b"unasked\n"


# ---- an answer that is lost ---------------------------------------------------------------


@pytest.mark.parametrize("family", [ScpiQueue(), StatusBits("ST?", {(0, 0): "refused"})])
def test_a_lost_answer_is_not_asked_for_again(family):
    """The first question took the error away: a second would be told that all is well."""
    replies = iter([b"", NO_ERROR.encode() + b"\n"])
    wire = Wire(lambda data: next(replies) if b"?" in data else b"")
    link = Link("unit", "WIRE", lambda address, line: wire, LineSettings(retries=3))
    link.open()
    with pytest.raises(ResponseTimeoutError, match="no answer to b'S"):
        family.send(link, "VOLT 99")
    assert len(wire.sent) == 2


def test_errors_read_before_an_answer_was_lost_are_raised():
    replies = iter([b"", b'-222,"Data out of range"\n', b""])
    wire = Wire(lambda data: next(replies))
    link = Link("unit", "WIRE", lambda address, line: wire, LineSettings())
    link.open()
    with pytest.raises(InstrumentFaultError, match="-222"):
        ScpiQueue().send(link, "VOLT 99")


# ---- a session that breaks between a command and its check -------------------------------


class Breaking(Wire):
    """Breaks the session when it is asked anything."""

    def write(self, data):
        super().write(data)
        if data.endswith(b"?\n"):
            raise ConnectionLostError("gone")


@pytest.mark.parametrize("family", [ScpiQueue(), StatusBits("ST?", {})])
def test_a_command_that_may_be_lost_is_not_taken_for_done(family):
    wires = [Breaking(), Wire(lambda data: f"{NO_ERROR}\n".encode() if b"?" in data else b"")]
    left = iter(wires)
    link = Link("unit", "WIRE", lambda address, line: next(left), LineSettings(retries=3))
    link.open()
    with pytest.raises(ConnectionLostError, match="is unknown: read the setting back") as caught:
        family.send(link, "VOLT 1")
    assert caught.value.instrument == "unit"
    assert link.query(b"SYST:ERR?") == NO_ERROR, "the new session can be used"
    assert wires[1].sent == [b"SYST:ERR?\n"]
