from __future__ import annotations

import pytest
from replay_makers import ADDRESS, MemoryRun, Scripted, record_talk, replayed, talk

from drivers.core.context import Kind, Status
from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.link import LineSettings, Link
from drivers.core.recording import recording_connector
from qlab.context import AbortFlag, RunAbortedError, Tap
from qlab.replay.errors import DivergenceError
from qlab.replay.transport import replay_connector

LATE = "nothing complete within 3 s"


def recorded(*script):
    """Record (call, outcome) pairs; return the run, the calls and what they gave."""
    run = MemoryRun()
    calls = [call for call, _ in script]
    said = record_talk(run, calls, [outcome for _, outcome in script])
    return run, calls, said


def line_run(*lines: bytes) -> MemoryRun:
    """Return a run in which each of `lines` was read after a write of its number."""
    run = MemoryRun()
    run.record("meter", Kind.OPEN, ADDRESS.encode())
    for number, line in enumerate(lines):
        run.record("meter", Kind.WRITE, b"%d\n" % number)
        run.record("meter", Kind.READ, line, requested=-1, status=Status.END)
    run.record("meter", Kind.CLOSE)
    return run


def stream_run(*pieces: bytes, status: Status = Status.AVAILABLE) -> MemoryRun:
    """Return a run in which `pieces` were read one after another as they came."""
    run = MemoryRun()
    run.record("meter", Kind.OPEN, ADDRESS.encode())
    for piece in pieces:
        run.record("meter", Kind.READ, piece, requested=0, status=status)
    run.record("meter", Kind.CLOSE)
    return run


def test_the_same_calls_give_the_same_answers_and_errors():
    run, calls, said = recorded(
        (("write", b"*IDN?\n"), None),
        (("read_until", b"\n"), b"a meter\n"),
        (("read_exactly", 4), b"#14a"),
        (("read_exactly", 0), b""),
        (("read_available", 0.0), b""),
        (("read_available", 0.1), b"xyz"),
        (("status_byte",), 0x44),
        (("clear",), None),
        (("trigger",), None),
        (("read_until", b"\n"), ResponseTimeoutError(LATE, partial=b"ha\nlf")),
        (("read_exactly", 9), ResponseTimeoutError(LATE, partial=b"\n12")),
        (("read_available", 0.1), ResponseTimeoutError(LATE)),
        (("write", b"slow"), ResponseTimeoutError("the instrument does not take data")),
        (("clear",), ResponseTimeoutError("it does not clear")),
        (("status_byte",), CommunicationError("a serial line has no status byte")),
        (("trigger",), CommunicationError("a serial line has no trigger message")),
        (("read_until", b"\n"), CommunicationError("VISA failed: µ")),
        (("read_exactly", 3), ConnectionLostError("the line broke")),
        (("write", b"gone"), ConnectionLostError("the session broke")),
        (("status_byte",), ConnectionLostError("the session broke")),
    )
    journal = run.journal()
    transport = replayed(journal)
    assert talk(transport, calls) == said
    transport.close()
    transport.close()
    assert journal.unused(frozenset()) is None
    assert journal.stopped is None


@pytest.mark.parametrize("name, wrong", [("write", b"*IDN\n"), ("write", b""), ("clear", None)])
def test_what_is_done_to_the_instrument_must_match(name, wrong):
    run = line_run(b"a meter\n")
    transport = replayed(run.journal())
    with pytest.raises(DivergenceError) as caught:
        getattr(transport, name)(*([] if wrong is None else [wrong]))
    assert caught.value.divergence.exchange == 1
    assert caught.value.divergence.expected in (r"b'0\n'", r"write b'0\n'")


@pytest.mark.parametrize("pieces", [(8,), (1,) * 8, (3, 5), (7, 1)])
def test_lines_can_be_read_in_other_pieces(pieces):
    transport = replayed(line_run(b"a meter\n", b"1.5\n").journal())
    transport.write(b"0\n")
    assert b"".join(transport.read_exactly(count) for count in pieces) == b"a meter\n"
    transport.write(b"1\n")
    assert transport.read_available() == b"1.5\n"


def test_a_stream_can_be_read_by_lines_and_counts():
    transport = replayed(stream_run(b"", b"ab", b"c\nd", b"", b"ef\n").journal())
    assert transport.read_until(b"\n") == b"abc\n"
    assert transport.read_exactly(1) == b"d"
    assert transport.read_until(b"\n") == b"ef\n"
    transport.close()


def test_an_end_mark_ends_a_line_as_in_the_run():
    run = line_run(b"first", b"second\nthird")
    transport = replayed(run.journal())
    transport.write(b"0\n")
    assert transport.read_until(b"\n") == b"first"
    transport.write(b"1\n")
    assert transport.read_until(b"\n") == b"second\nthird"


def test_an_end_mark_ends_what_is_left_of_a_line():
    run = MemoryRun()
    run.record("meter", Kind.OPEN, b"")
    for line in (b"1,2,3", b"4", b""):
        run.record("meter", Kind.READ, line, requested=-1, status=Status.END)
    run.record("meter", Kind.READ, b"5", requested=0, status=Status.AVAILABLE)
    transport = replayed(run.journal())
    assert transport.read_exactly(2) == b"1,"
    assert transport.read_until(b",") == b"2,"
    assert transport.read_until(b",") == b"3"
    assert transport.read_exactly(2) == b"45"
    assert replayed(run.journal()).read_exactly(7) == b"1,2,345"


def test_end_marks_within_what_is_left_are_kept():
    run = MemoryRun()
    run.record("meter", Kind.OPEN, b"")
    run.record("meter", Kind.READ, b"#1", requested=2)
    for line in (b"ab", b"cd"):
        run.record("meter", Kind.READ, line, requested=-1, status=Status.END)
    transport = replayed(run.journal())
    assert transport.read_exactly(5) == b"#1abc"
    assert transport.read_until(b"\n") == b"d"


def test_an_end_mark_that_was_read_past_is_over():
    run = MemoryRun()
    run.record("meter", Kind.OPEN, b"")
    run.record("meter", Kind.READ, b"ab", requested=-1, status=Status.END)
    run.record("meter", Kind.READ, b"cd", requested=2)
    transport = replayed(run.journal())
    assert transport.read_exactly(1) + transport.read_exactly(1) == b"ab"
    assert transport.read_until(b"d") == b"cd"


def test_a_late_reply_can_be_read_in_other_pieces():
    run, _, _ = recorded((("read_exactly", 9), ResponseTimeoutError(LATE, partial=b"12\n4")))
    transport = replayed(run.journal())
    assert transport.read_until(b"\n") == b"12\n"
    with pytest.raises(ResponseTimeoutError, match=LATE) as caught:
        transport.read_until(b"\n")
    assert caught.value.partial == b"4"
    assert replayed(run.journal()).read_available() == b"12\n4"
    transport = replayed(run.journal())
    assert transport.read_exactly(4) == b"12\n4"
    assert transport.read_available() == b""
    transport.close()


def test_a_time_out_that_newer_code_did_not_meet_is_over_with_the_next_command():
    run, _, _ = recorded(
        (("read_exactly", 9), ResponseTimeoutError(LATE, partial=b"ab")),
        (("write", b"again"), None),
        (("read_until", b"\n"), b"cd"),
    )
    transport = replayed(run.journal())
    assert transport.read_exactly(2) == b"ab"
    transport.write(b"again")
    assert transport.read_exactly(1) == b"c"
    assert transport.read_until(b"\n") == b"d"


def test_a_lost_session_is_lost_after_what_arrived_before():
    run, _, _ = recorded(
        (("read_available",), b"abc"),
        (("read_available",), ConnectionLostError("the line broke")),
    )
    transport = replayed(run.journal())
    assert transport.read_exactly(2) == b"ab"
    with pytest.raises(ConnectionLostError, match="the line broke"):
        transport.read_exactly(2)


def test_fewer_looks_at_a_silent_line_are_the_same_stream():
    run = stream_run(b"", b"ab", b"", b"")
    run.record("meter", Kind.WRITE, b"next")
    transport = replayed(run.journal())
    assert transport.read_exactly(2) == b"ab"
    transport.close()
    transport = replayed(stream_run(b"", b"ab").journal())
    with pytest.raises(DivergenceError) as caught:
        transport.close()
    assert caught.value.divergence.expected == "read b'ab'"
    assert caught.value.divergence.exchange == 2


def test_more_looks_than_recorded_diverge():
    transport = replayed(stream_run(b"ab").journal())
    assert transport.read_available() == b"ab"
    with pytest.raises(DivergenceError) as caught:
        transport.read_available()
    assert (caught.value.divergence.expected, caught.value.divergence.got) == ("close", "reads")


def test_bytes_that_were_never_recorded_diverge():
    transport = replayed(line_run(b"a\n").journal())
    transport.write(b"0\n")
    with pytest.raises(DivergenceError):
        transport.read_exactly(3)


def test_a_device_clear_drops_what_is_left():
    run, _, _ = recorded(
        (("read_until", b"\n"), b"a\n"),
        (("clear",), None),
        (("read_until", b"\n"), b"b\n"),
    )
    transport = replayed(run.journal())
    assert transport.read_exactly(1) == b"a"
    transport.clear()
    assert transport.read_until(b"\n") == b"b\n"


def test_a_device_clear_drops_end_marks_too():
    run, _, _ = recorded(
        (("read_until", b"\n"), b"abcd"),
        (("clear",), None),
        (("read_until", b"\n"), b"efgh"),
    )
    transport = replayed(run.journal())
    assert transport.read_exactly(1) == b"a"
    transport.clear()
    assert transport.read_exactly(1) == b"e"
    assert transport.read_until(b"\n") == b"fgh"


def test_a_refused_open_is_refused_in_the_same_words():
    run = MemoryRun()

    def refuse(address, line):
        raise NoConnectionError("nothing can be opened there: µ", address=address, remedy="plug")

    connect = recording_connector("meter", refuse, run)
    with pytest.raises(NoConnectionError):
        connect(ADDRESS, LineSettings())
    with pytest.raises(NoConnectionError, match="nothing can be opened there: µ") as caught:
        replayed(run.journal())
    assert caught.value.address == ADDRESS


def test_a_lost_session_is_opened_again():
    """The link repeats a query in a new session, in the run and in its replay."""
    run = MemoryRun()
    sessions = iter(
        [
            Scripted([None, ConnectionLostError("the session broke")]),
            NoConnectionError("not yet"),
            Scripted([None, b"1.5\n"]),
        ]
    )

    def connect(address, line):
        session = next(sessions)
        if isinstance(session, Exception):
            raise session
        return session

    def converse(connect):
        link = Link("meter", ADDRESS, connect, LineSettings())
        link.open()
        said = []
        try:
            said.append(link.query(b"READ?"))
        except ConnectionLostError as error:
            said.append(str(error))
        link.open()
        said.append(link.query(b"READ?"))
        link.close()
        return said

    said = converse(recording_connector("meter", connect, run))
    assert said[1] == "1.5"
    assert "not yet" in said[0]
    assert sorted({int(s) for s in run.index["session"]}) == [0, 1, 2]
    journal = run.journal()
    assert converse(replay_connector("meter", journal)) == said
    assert journal.unused(frozenset()) is None


@pytest.mark.parametrize("at", range(5))
def test_an_abort_comes_at_the_same_exchange(at):
    """The flag is set before call number `at`; reads and writes notice it, polls do not."""
    calls = [("write", b"a"), ("read_until", b"\n"), ("status_byte",), ("read_exactly", 2)]
    outcomes = [None, b"b\n", 3, ResponseTimeoutError(LATE, partial=b"x"), None]
    run, flag = MemoryRun(), AbortFlag()
    tap = Tap(flag)
    tap.attach(run)

    def converse(transport, before=lambda number: None):
        said = []
        for number, call in enumerate(calls):
            before(number)
            try:
                said += talk(transport, [call])
            except RunAbortedError as stop:
                said.append(stop.reason)
                break
        with tap.shielded():  # the way to the safe state
            said += talk(transport, [("write", b"off")])
            transport.close()
        return said

    connect = recording_connector("meter", lambda *_: Scripted(outcomes), tap)
    transport = connect(ADDRESS, LineSettings())
    said = converse(transport, lambda n: flag.request("SIGINT") if n == at else None)
    assert ("SIGINT" in said) == (at < 4)
    journal = run.journal()
    assert converse(replayed(journal)) == said
    assert journal.unused(frozenset()) is None
