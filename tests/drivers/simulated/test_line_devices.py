import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_examples import Console, Rubidium, Tagger, ask, collect

from drivers.simulated.device import SerialLine
from drivers.simulated.line import LineDevice, line
from drivers.simulated.port import SessionLost
from drivers.simulated.time import RealTime, VirtualTime


def opened(kind, connector="serial"):
    time = VirtualTime()
    device = kind("unit", time, {})
    return device, device.port(connector).open(), time


def test_commands_are_silent_and_queries_answer_with_their_end():
    device, session, time = opened(Rubidium)
    assert ask(session, time, b"SF-245\r") == b""
    assert ask(session, time, b"sf?\r") == b"-245\r"
    assert ask(session, time, b"SF 1\rXX\r\r") == b""  # errors are never printed
    assert device.offset == -245


def test_only_the_unit_s_own_line_end_counts():
    _, session, time = opened(Rubidium)
    assert ask(session, time, b"SF?\nSF?\r") == b""
    assert ask(session, time, b"SF?\r") == b"0\r"


def test_a_line_may_come_in_pieces():
    _, session, time = opened(Rubidium)
    for byte in b"SF12\rSF?\r":
        time.wait_until(session.write(bytes([byte]), False))
    assert collect(session, time) == b"12\r"


def test_bytes_take_ten_bits_each():
    _, session, time = opened(Rubidium)
    time.wait_until(session.write(b"SF?\r", False))
    assert time.now_ns() == -(-4 * 10**10 // 9600)
    start_ns = time.now_ns()
    collect(session, time)
    assert time.now_ns() - start_ns == 10**6 + -(-2 * 10**10 // 9600)


def test_replies_queue_up_on_the_line():
    _, session, time = opened(Rubidium)
    session.write(b"SF?\r" * 50, False)
    assert session.ready_at(100) >= 300 * 10**10 // 9600
    assert collect(session, time) == b"0\r" * 50


def test_a_late_reply_keeps_those_behind_it_in_order():
    _, session, time = opened(Rubidium)
    session.write(b"TT?\rSF?\rSF?\r", False)
    assert collect(session, time) == b"13\r0\r0\r"
    assert time.now_ns() > 10**9


def test_echo_prompt_chaining_and_trailer():
    _, session, time = opened(Console)
    assert ask(session, time, b"ver;bogus\r\n") == (
        b"ver;1.0\r\nDone\r\n> bogus\r\nwhat?\r\nDone\r\n> "
    )


def test_other_connectors_neither_echo_nor_prompt():
    _, session, time = opened(Console, "lan")
    time.wait_until(session.write(b"ver", True))
    time.wait_until(session.ready_at())
    reading = session.read(100)
    assert (reading.data, reading.end) == (b"1.0\r\nDone\r\n", True)


def test_a_stream_comes_as_time_passes_and_stops_on_command():
    _, session, time = opened(Tagger)
    time.wait_until(session.write(b"go;", False))
    start_ns = time.now_ns()
    due_ns = session.ready_at(400)
    assert due_ns - start_ns == pytest.approx(1e6, abs=10)
    time.wait_until(start_ns + 10 * 10**6)
    assert session.waiting() == 36  # the tenth piece has yet to cross the line
    time.wait_until(time.now_ns() + 10**5)
    assert session.read(12).data == b"\x01\0\0\0\x02\0\0\0\x03\0\0\0"
    assert session.waiting() == 28
    time.wait_until(session.write(b"stop;*IDN?\r\n", False))
    assert collect(session, time) == b"".join(n.to_bytes(4, "little") for n in range(4, 11)) + (
        b"Tagger\r\n"
    )
    assert not session.streams


def test_a_stream_that_nobody_reads_is_lost_beyond_the_host_s_buffer(monkeypatch):
    monkeypatch.setattr("drivers.simulated.session.STREAM_LIMIT", 100)
    _, session, time = opened(Tagger)
    session.write(b"go;", False)
    time.wait_until(10**9)
    assert session.waiting() == 100
    assert session.read(1000).data[-4:] == (25).to_bytes(4, "little")
    time.wait_until(time.now_ns() + 2 * 10**6)
    assert int.from_bytes(session.read(4).data, "little") > 900


def test_a_stream_of_many_pieces_is_read_in_order_however_it_is_looked_at():
    _, session, time = opened(Tagger)
    session.write(b"go;", False)
    read = b""
    for step in range(1, 200):
        time.wait_until(time.now_ns() + step * 10**6)
        waiting = session.waiting()
        taken = session.read(waiting // 2 + 1).data
        assert session.waiting() >= waiting - len(taken)
        read += taken
    read += session.read(1 << 20).data
    counted = [int.from_bytes(read[i : i + 4], "little") for i in range(0, len(read) - 3, 4)]
    assert counted == list(range(1, len(counted) + 1))
    assert len(counted) > 10_000


def test_long_lines_are_thrown_away():
    _, session, time = opened(Rubidium)
    session.write(b"x" * 5000, False)
    assert ask(session, time, b"SF?\r") == b"0\r"


def test_a_wrong_baud_rate_lets_nothing_through():
    _, session, time = opened(Rubidium)
    session.configure(19200)
    assert ask(session, time, b"SF?\r") == b""
    session.configure(9600)
    assert ask(session, time, b"SF?\r") == b"0\r"
    _, session, time = opened(Tagger)
    session.configure(300)
    assert ask(session, time, b"*IDN?\r\n") == b"Tagger\r\n"


def test_patterns_of_a_base_class_are_inherited_and_overridden():
    class Better(Rubidium):
        def get_offset(self):
            return "better"

        @line(r"ID\?")
        def identity(self):
            return b"raw"

    _, session, time = opened(Better)
    assert ask(session, time, b"SF?\rID?\r") == b"better\rraw"


def test_a_closed_session_is_lost():
    _, session, _ = opened(Rubidium)
    session.close()
    for call in (
        lambda: session.write(b"x", False),
        session.ready_at,
        lambda: session.read(1),
        session.waiting,
        session.status_byte,
        session.clear,
        session.trigger,
        session.service_request_at,
    ):
        with pytest.raises(SessionLost):
            call()


@settings(max_examples=200)
@given(
    st.sampled_from([Rubidium, Console]),
    st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"SF?\r", b"ver;", b"TT?\r"]))),
)
def test_no_bytes_crash_a_line_device(kind, writes):
    _, session, time = opened(kind)
    for data in writes:
        session.write(data, False)
    collect(session, time)
    assert b"0\r" in ask(session, time, b"\rver\rSF0\rSF?\r").replace(b"1.0\r", b"0\r")


class Slow(LineDevice):
    connectors = ("serial",)
    serial = SerialLine(1200, reply_end=b"\n")

    @line(r"q")
    def reply(self):
        return "0123456789"


@given(st.lists(st.integers(1, 30_000_000), max_size=40))
def test_waiting_ready_at_and_read_agree_at_any_time(steps):
    """However time passes, what is announced is what is read, and nothing is lost."""
    _, session, time = opened(Slow)
    session.write(b"q\nq\n", False)
    got = b""
    for step in steps:
        time.wait_until(time.now_ns() + step)
        waiting = session.waiting()
        due_ns = session.ready_at(1)
        assert (waiting > 0) == (due_ns is not None and due_ns <= time.now_ns())
        data = session.read(3).data
        assert len(data) == min(3, waiting)
        got += data
    assert got + collect(session, time) == b"0123456789\n0123456789\n"


def test_virtual_time_stands_still_and_jumps_forward_only():
    time = VirtualTime()
    time.wait_until(5)
    time.wait_until(3)
    assert time.now_ns() == 5
    assert time.poll(9)
    assert time.now_ns() == 9
    assert not time.poll(9)
    assert not time.poll(None)


def test_real_time_sleeps():
    time = RealTime()
    start_ns = time.now_ns()
    time.wait_until(start_ns + 3_000_000)
    assert time.now_ns() - start_ns >= 3_000_000
    assert time.poll(None)
    assert not time.poll(start_ns)
