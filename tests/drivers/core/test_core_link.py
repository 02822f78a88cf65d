from __future__ import annotations

import threading

import pytest
from core_devices import ADDRESSES, Wire

from drivers.core import (
    ConnectionLostError,
    InstrumentFaultError,
    LineSettings,
    Link,
    NoConnectionError,
    NotOpenError,
    ResponseTimeoutError,
    UnexpectedReplyError,
)

LINE = LineSettings(timeout_s=1.0, retries=1)


class Lost(Wire):
    """A wire that breaks at the given writes and reads, counted from 1."""

    def __init__(self, answer=lambda data: b"7\n", writes=(), reads=()):
        super().__init__(answer)
        self.broken_writes, self.broken_reads = set(writes), set(reads)
        self.writes = self.reads = 0

    def write(self, data):
        self.writes += 1
        if self.writes in self.broken_writes:
            raise ConnectionLostError("the wire broke")
        super().write(data)

    def read_until(self, end):
        self.reads += 1
        if self.reads in self.broken_reads:
            raise ConnectionLostError("the wire broke")
        return super().read_until(end)


def linked(*transports, line=LINE):
    """Return a link whose connections are these transports; an exception refuses one."""
    left = list(transports)

    def connect(address, settings):
        following = left.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    link = Link("unit", "WIRE", connect, line)
    link.open()
    return link


def told(wire):
    return b"".join(wire.sent).decode()


# ---- retries ------------------------------------------------------------------------


def test_a_query_is_repeated_once_after_silence():
    replies = iter([b"", b"7\n"])
    wire = Wire(lambda data: next(replies))
    assert linked(wire).query(b"N?") == "7"
    assert told(wire) == "N?\nN?\n"
    assert wire.calls[0] == "clear"


def test_a_query_that_stays_unanswered_says_what_and_where():
    wire = Wire()
    with pytest.raises(ResponseTimeoutError) as caught:
        linked(wire).query(b"N?")
    assert told(wire) == "N?\nN?\n"
    assert caught.value.instrument == "unit"
    assert caught.value.address == "WIRE"
    assert "no answer to b'N?'" in str(caught.value)
    assert "switched on" in str(caught.value)


def test_the_number_of_retries_is_the_lines():
    wire = Wire()
    with pytest.raises(ResponseTimeoutError):
        linked(wire, line=LineSettings(retries=0)).query(b"N?")
    assert told(wire) == "N?\n"
    wire = Wire()
    with pytest.raises(ResponseTimeoutError):
        linked(wire, line=LineSettings(retries=3)).query(b"N?")
    assert told(wire) == "N?\n" * 4


def test_a_half_reply_is_not_completed_by_the_repeated_one():
    replies = iter([b"12", b"34\n"])
    wire = Wire(lambda data: next(replies))
    assert linked(wire).query(b"N?") == "34"


@pytest.mark.parametrize("act", ["write", "query_once"])
def test_a_command_is_never_repeated(act):
    wire = Wire()
    link = linked(wire)
    if act == "write":
        link.write(b"FIRE")
    else:
        with pytest.raises(ResponseTimeoutError):
            link.query_once(b"FIRE")
    assert told(wire) == "FIRE\n"


def test_a_block_query_is_repeated_and_a_block_write_is_not():
    replies = iter([b"#15ab", b"#13abc\n"])
    wire = Wire(lambda data: next(replies))
    assert linked(wire).query_block(b"D?") == b"abc"
    assert told(wire) == "D?\nD?\n"
    wire = Wire()
    linked(wire).write_block(b"DATA ", memoryview(bytes(4)).cast("H"))
    assert wire.sent == [b"DATA #14" + bytes(4) + b"\n"]
    broken, second = Lost(writes=[1]), Lost()
    with pytest.raises(ConnectionLostError):
        linked(broken, second).write_block(b"DATA ", b"abc")
    assert broken.sent == second.sent == []


# ---- lost sessions ------------------------------------------------------------------


@pytest.mark.parametrize("where", [{"writes": [1]}, {"reads": [1]}])
def test_a_query_goes_on_in_a_new_session(where):
    first, second = Lost(**where), Lost()
    assert linked(first, second).query(b"N?") == "7"
    assert first.closed == 1
    assert told(second) == "N?\n"


def test_a_query_that_breaks_twice_is_given_up():
    link = linked(Lost(writes=[1]), Lost(writes=[1]), Lost())
    with pytest.raises(ConnectionLostError, match="the wire broke"):
        link.query(b"N?")
    assert link.query(b"N?") == "7"  # the third session


def test_a_command_on_a_broken_line_is_not_repeated_but_the_line_is_mended():
    second = Lost()
    link = linked(Lost(writes=[1]), second)
    with pytest.raises(ConnectionLostError, match="whether b'FIRE' was carried out"):
        link.write(b"FIRE")
    assert second.sent == []
    assert link.query(b"N?") == "7"


def test_a_line_that_cannot_be_mended_says_so():
    link = linked(Lost(writes=[1]), NoConnectionError("no such port"))
    with pytest.raises(ConnectionLostError, match="reconnecting failed too: no such port") as told:
        link.write(b"FIRE")
    assert "is open again" not in str(told.value)
    with pytest.raises(NotOpenError):
        link.query(b"N?")
    link = linked(Lost(writes=[1]), NoConnectionError("no such port"))
    with pytest.raises(ConnectionLostError, match="reconnecting failed too: no such port"):
        link.query(b"N?")


# ---- late replies -------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_a_late_reply_answers_no_later_question(wired, kind):
    link = Link("unit", ADDRESSES[kind], wired.connect, LINE)
    link.open()
    wired.device.heard.append("hello")
    wired.device.faults.late(1.2, matching=r"N\?", times=1)
    assert link.query(b"N?") in ("1", "2")  # asked twice, either answer will do
    assert link.query(b"SAID?") == "hello"
    assert link.query(b"SAID?") == "hello"


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_replies_that_come_after_giving_up_answer_no_later_question(wired, kind):
    link = Link("unit", ADDRESSES[kind], wired.connect, LINE)
    link.open()
    wired.device.heard.append("hello")
    wired.device.faults.late(3.0, matching=r"N\?", times=2)
    with pytest.raises(ResponseTimeoutError):
        link.query(b"N?")
    wired.time.wait_until(wired.time.now_ns() + 5_000_000_000)
    assert link.query(b"SAID?") == "hello"


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_the_answer_to_a_command_that_comes_too_late_answers_no_later_question(wired, kind):
    link = Link("unit", ADDRESSES[kind], wired.connect, LINE)
    link.open()
    wired.device.faults.late(1.5, matching=r"N\?", times=1)
    with pytest.raises(ResponseTimeoutError):
        link.query_once(b"N?")
    wired.time.wait_until(wired.time.now_ns() + 1_000_000_000)
    link.write(b"SAY hello")
    assert link.query(b"SAID?") == "hello"
    assert wired.device.asked == 1


class StopError(Exception):
    """What a run is stopped by: no error of a driver."""


class Stopping(Wire):
    """Stops behind the first write, as a recorder does in a run."""

    stops = True

    def write(self, data):
        super().write(data)
        if self.stops:
            self.stops = False
            raise StopError


@pytest.mark.parametrize("act", ["query", "query_once", "query_block"])
def test_the_answer_to_a_question_that_an_abort_cut_short_answers_no_other(act):
    wire = Stopping(lambda data: data.replace(b"?", b" is 7"))
    link = linked(wire)
    with pytest.raises(StopError):
        getattr(link, act)(b"A?")
    assert link.query(b"B?") == "B is 7"
    assert wire.calls == ["clear"]


@pytest.mark.parametrize("kind", sorted(ADDRESSES))
def test_a_reply_on_its_way_when_the_run_is_stopped_answers_no_other(wired, kind):
    stops = [True]

    def connect(address, line):
        transport = wired.connect(address, line)
        write = transport.write

        def stopping(data):
            write(data)
            if stops and stops.pop():
                raise StopError

        transport.write = stopping
        return transport

    link = Link("unit", ADDRESSES[kind], connect, LINE)
    link.open()
    wired.device.heard.append("hello")
    wired.device.faults.late(0.02, matching=r"N\?", times=1)
    with pytest.raises(StopError):
        link.query(b"N?")
    assert link.query(b"SAID?") == "hello"


# ---- torn messages --------------------------------------------------------------------


class Torn(Wire):
    """Takes half of the first message, then fails."""

    def __init__(self, failure):
        super().__init__()
        self.failure = failure

    def write(self, data):
        if self.failure is not None:
            failure, self.failure = self.failure, None
            super().write(data[: len(data) // 2])
            raise failure
        super().write(data)


@pytest.mark.parametrize("failure", [ResponseTimeoutError("it takes nothing"), StopError()])
def test_what_follows_a_torn_block_goes_into_a_new_session(failure):
    first, second = Torn(failure), Wire()
    link = linked(first, second)
    with pytest.raises(type(failure)):
        link.write_block(b"DATA ", bytes(100))
    link.write(b"OUTP1 0")
    assert told(second) == "OUTP1 0\n"
    assert (first.calls, first.closed) == (["clear"], 1)
    assert len(first.sent) == 1


def test_what_follows_a_torn_line_goes_into_a_new_session_too():
    first, second = Torn(ResponseTimeoutError("it takes nothing")), Wire(lambda data: b"7\n")
    assert linked(first, second).query(b"N?") == "7"
    assert (first.closed, told(second)) == (1, "N?\n")


def test_after_a_block_that_broke_the_session_there_is_a_new_one():
    second = Wire()
    link = linked(Lost(writes=[1]), second)
    with pytest.raises(ConnectionLostError, match="whether b'DATA ' was carried out is unknown"):
        link.write_block(b"DATA ", b"abc")
    link.write(b"OUTP1 0")
    assert told(second) == "OUTP1 0\n"


def test_a_torn_block_on_a_line_that_cannot_be_opened_again():
    link = linked(Torn(StopError()), NoConnectionError("no such port"))
    with pytest.raises(StopError):
        link.write_block(b"DATA ", b"abc")
    with pytest.raises(NoConnectionError, match="no such port"):
        link.write(b"OUTP1 0")
    with pytest.raises(NotOpenError):
        link.write(b"OUTP1 0")


def test_a_block_to_a_closed_link_opens_nothing():
    link = linked(Wire(), Wire())
    link.close()
    for _ in range(2):
        with pytest.raises(NotOpenError):
            link.write_block(b"DATA ", b"abc")


# ---- framing ------------------------------------------------------------------------


def test_terminators_are_the_lines():
    wire = Wire(lambda data: b"a\r" if data == b"Q\r" else b"")
    assert linked(wire, line=LineSettings(write_end=b"\r", read_end=b"\r")).query(b"Q") == "a"


def test_what_is_not_text_is_an_unexpected_reply():
    with pytest.raises(UnexpectedReplyError, match="not text") as caught:
        linked(Wire(lambda data: b"\xff\xfe\n")).query(b"N?")
    assert caught.value.instrument == "unit"


def test_patience_ends_with_its_block_even_after_a_failure():
    wire = Wire()
    link = linked(wire)
    with link.patience(30):
        assert wire.timeout_s == 31.0
    assert wire.timeout_s == 1.0
    with pytest.raises(InstrumentFaultError), link.patience(30):
        raise InstrumentFaultError("no")
    assert wire.timeout_s == 1.0


# ---- open and closed ----------------------------------------------------------------


def test_nothing_goes_over_a_closed_link():
    wire = Wire()
    link = linked(wire)
    link.close()
    link.close()
    assert wire.closed == 1
    assert not link.is_open
    for act in (lambda: link.write(b"X"), lambda: link.query(b"X?"), link.read):
        with pytest.raises(NotOpenError, match="call open"):
            act()
    assert wire.sent == []


def test_opening_twice_opens_once():
    wire = Wire()
    link = linked(wire)
    link.open()
    assert link.transport is wire


def test_a_refused_connection_names_the_instrument():
    def refuse(address, line):
        raise NoConnectionError("nobody there")

    with pytest.raises(NoConnectionError) as caught:
        Link("unit", "WIRE", refuse, LINE).open()
    assert caught.value.instrument == "unit"
    assert caught.value.address == "WIRE"


# ---- one line, several threads -------------------------------------------------------


def test_two_threads_do_not_mix_their_questions():
    class Careful(Wire):
        """Fails if a second question comes before the first has been answered."""

        def __init__(self):
            super().__init__(lambda data: data)
            self.mixed = False

        def write(self, data):
            self.mixed |= bool(self.incoming)
            super().write(data)

    wire = Careful()
    link = linked(wire)
    found = {}

    def ask(name):
        found[name] = [link.query(f"{name}{i}".encode()) for i in range(300)]

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wire.mixed
    assert found == {name: [f"{name}{i}" for i in range(300)] for name in "abc"}


def test_a_command_and_its_check_belong_together():
    wire = Wire(lambda data: b"0\n" if data.endswith(b"?\n") else b"")
    link = linked(wire)
    order = []
    with link.lock:
        other = threading.Thread(target=lambda: order.append(link.query(b"OTHER?")))
        other.start()
        link.write(b"SET")
        other.join(0.05)
        assert order == []
        link.query(b"CHECK?")
    other.join()
    assert told(wire) == "SET\nCHECK?\nOTHER?\n"


# ---- echo and prompt -----------------------------------------------------------------


PROMPT = LineSettings(write_end=b"\r\n", read_end=b"\r\n", prompt=b"> ")


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"N?\r\n7\r\n> ", "7"),
        (b" N?\r\n7\r\n8\r\n> ", "7\r\n8"),
        (b"N?\r\n> ", ""),
    ],
)
@pytest.mark.parametrize("ask", [Link.query, Link.query_once])
def test_a_reply_lies_between_echo_and_prompt(ask, answer, reply):
    wire = Wire(lambda data: answer)
    assert ask(linked(wire, line=PROMPT), b"N?") == reply
    assert wire.read_available() == b""


@pytest.mark.parametrize("ask", [Link.query, Link.query_once])
def test_another_echo_than_what_was_sent_is_an_error_and_its_rest_is_dropped(ask):
    answers = iter([b"M?\r\n7\r\n> ", b"N?\r\n8\r\n> "])
    link = linked(Wire(lambda data: next(answers)), line=PROMPT)
    with pytest.raises(UnexpectedReplyError, match=r"b'N\?' was echoed as 'M\?'") as caught:
        ask(link, b"N?")
    assert (caught.value.instrument, caught.value.address) == ("unit", "WIRE")
    assert ask(link, b"N?") == "8"


def test_without_its_prompt_a_reply_is_none_and_is_quoted():
    link = linked(Wire(lambda data: b"N?\r\n7\r\n"), line=PROMPT)
    with pytest.raises(ResponseTimeoutError, match=r"no answer to b'N\?'.*only b'N\?"):
        link.query(b"N?")
