"""Who changes, repeats or floods a line is noticed; strangers are passed over."""

import socket
import threading
import time

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from talking_lines import QUICK, ROUNDS, WHOLE, Both, converse, honest, nth_data, some_of, through
from zmtp_proxy import CALLER, LISTENER, CutError, is_data

from qlab.errors import ExitCode, exit_code
from qlab.link import (
    LinkEndedError,
    LinkLostError,
    Patience,
    TamperedError,
    connect,
    frames,
    listen,
)
from qlab.link import line as line_module


@pytest.mark.parametrize("at", [*some_of(range(2 * ROUNDS - 1), every=3), 2 * ROUNDS - 1])
def test_a_repeated_message(at):
    """The very last one, too: each side hears the other out to its last word."""
    both = through(nth_data(at, lambda message: [message, message]))
    assert any(isinstance(error, TamperedError) for error in both.errors)
    for error in both.errors:
        assert error is None or exit_code(error) is ExitCode.INSECURE


def test_a_message_of_an_earlier_connection():
    """A connection later it is of the past, and known for it."""
    kept, cuts = [], []

    def act(sender, number, message):
        if sender == CALLER and is_data(message):
            kept.append(message)
            if len(kept) == 2:
                cuts.append(number)
                raise CutError
            if len(kept) == 4:
                return [kept[0], message]
        return [message]

    both = through(act)
    assert any(isinstance(error, TamperedError) for error in both.errors)


def test_reordered_messages():
    held = []

    def act(sender, number, message):
        if sender == LISTENER and is_data(message):
            held.append(message)
            return [] if len(held) == 1 else [message, held[0]] if len(held) == 2 else [message]
        return [message]

    def talk(line, first):
        if first:
            line.send(b"0")
            line.send(b"1")
            return line.receive()
        heard = [line.receive(), line.receive()]
        line.send(b"done")
        return heard

    both = through(act, talk)
    assert both.heard == [None, None]
    for error in both.errors:
        assert exit_code(error) is ExitCode.INSECURE


@pytest.mark.parametrize("at", some_of(range(40), every=13))
def test_a_flipped_bit_in_an_envelope(at):
    """It ends the session, or hits what ZeroMQ itself sees and repairs by a new connection.

    The body stands behind the envelope: who changes that is found by the parties' tags.
    """

    def change(message):
        changed = bytearray(message)
        size = changed[1]
        changed[2 + at % size] ^= 1 << at % 8
        return [bytes(changed)]

    both = through(nth_data(2, change))
    assert any(isinstance(error, TamperedError) for error in both.errors)
    for error in both.errors:
        assert error is None or exit_code(error) is ExitCode.INSECURE


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(data):
    try:
        found = frames.decode(data)
    except TamperedError:
        return
    assert frames.decode(frames.encode(found)) == found


def test_every_envelope_comes_back():
    session = bytes(range(16))
    for envelope in (
        frames.Hello(1, session),
        frames.Welcome(1, session, session),
        frames.Resume(session, 1, 2),
        frames.Resumed(session, 1, 2),
        frames.Refusal("no"),
        frames.Data(session, 1, 2, 3, True),
        frames.Ack(session, 0, 2**62 - 1),
        frames.Close(session, 0, 1, "why", True),
    ):
        assert frames.decode(frames.encode(envelope)) == envelope
    with pytest.raises(TamperedError):
        frames.decode(bytes(frames.LARGEST_ENVELOPE + 1))


@pytest.mark.parametrize("limit", ["MOST_WAITING", "MOST_WAITING_BYTES"])
def test_more_than_anybody_waits_for(monkeypatch, limit):
    """A side that only sends fills no memory: what is not waited for ends the session."""
    monkeypatch.setattr(line_module, limit, 50)
    monkeypatch.setattr(line_module, "WINDOW_BYTES", 2_000)

    def talk(line, first):
        line.trust()
        for _ in range(200):
            line.send(bytes(100))
        return line.receive()

    both = through(honest, talk)
    assert any(isinstance(error, TamperedError) for error in both.errors)
    assert both.heard == [None, None]


def test_nobody_unproven_sends_a_long_body():
    """Four pieces are enough for a greeting; a stranger fills no memory."""
    most = 4 * frames.LARGEST_PIECE

    def talk(line, first):
        if first:
            line.send(bytes(most))
            assert line.receive() == b"proven"
            line.trust()
            line.send(bytes(20 * most))
            return line.receive()
        got = line.receive()
        line.send(b"proven")
        if len(got) == most:
            line.trust()
        return len(line.receive())

    def distrustful(line, first):
        if first:
            line.send(bytes(20 * most))
        return line.receive()

    def ended(line, first):
        length = talk(line, first)
        if not first:
            line.send(b"%d" % length)
        return length

    assert through(honest, ended).heard == [b"%d" % (20 * most), 20 * most]
    both = through(honest, distrustful)
    assert isinstance(both.errors[1], TamperedError)
    assert both.heard == [None, None]


def test_what_comes_behind_a_proof_is_not_taken_before_it_counts():
    """The other side may trust first and go on at once with a long body."""
    long = 20 * frames.LARGEST_PIECE

    def talk(line, first):
        if first:
            line.send(b"proof")
            line.send(bytes(long))
            return line.receive()
        assert line.receive() == b"proof"
        time.sleep(0.3)
        line.trust()
        line.send(b"%d" % len(line.receive()))
        return b""

    assert through(honest, talk).heard == [b"%d" % long, b""]


def test_a_frame_that_is_too_large_ends_its_connection():
    """A stranger's socket takes no more than a piece at a time, whoever it says it is."""
    listening = listen("0", patience=QUICK)
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.connect(f"tcp://127.0.0.1:{listening.port}")
    stranger.send(bytes(frames.LARGEST_PIECE))
    assert len(listening._socket.receive(5.0, 16)) == 1
    stranger.send(bytes(frames.LARGEST_PIECE + 65))
    assert listening._socket.receive(0.5, 16) == []
    stranger.close(0)
    context.term()
    listening.close()


def test_a_piece_cut_short_ends_the_session():
    session = []

    def act(sender, number, message):
        if is_data(message) and not session:
            session.append(number)
            head = 2 + message[1]
            envelope = frames.decode(message[2:head])
            more = frames.Data(
                envelope.session, envelope.epoch, envelope.received, envelope.sequence, True
            )
            changed = frames.encode(more)
            return [bytes([message[0], len(changed)]) + changed + message[head:]]
        return [message]

    both = through(act)
    assert any(isinstance(error, TamperedError) for error in both.errors)


def test_few_messages_are_taken_at_a_time():
    listening = listen("0", patience=QUICK)
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.connect(f"tcp://127.0.0.1:{listening.port}")
    for _ in range(200):
        stranger.send(b"garbage")
    counts = []
    while sum(counts) < 200:
        counts.append(len(listening._socket.receive(5.0, 16)))
    stranger.close(0)
    context.term()
    listening.close()
    assert max(counts) <= 16


def test_strangers_are_passed_over():
    """Garbage, other versions and a second party disturb nobody."""
    listening = listen("0", patience=QUICK)
    port = str(listening.port)
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.connect(f"tcp://127.0.0.1:{port}")
    session = bytes(16)
    for parts in (
        [b"garbage"],
        [frames.encode(frames.Hello(99, session))],
        [frames.encode(frames.Ack(session, 0, 0))],
        [frames.encode(frames.Resume(session, 5, 0))],
        [b"1"] * 50,
    ):
        stranger.send_multipart(parts)

    def talk(line, first):
        if not first:
            second = connect(port, patience=QUICK)
            with pytest.raises(LinkEndedError, match="busy with another party"):
                second.open()
        return converse(line, first)

    both = Both(listening, connect(port, patience=QUICK), talk)
    refusals = []
    while stranger.poll(200 if len(refusals) >= 2 else 5000):  # both are under way
        refusals.append(frames.decode(stranger.recv()))
    stranger.close(0)
    context.term()
    assert both.heard == [WHOLE, WHOLE]
    assert [type(refusal) for refusal in refusals] == [frames.Refusal] * 2


def test_raw_bytes_on_the_port():
    listening = listen("0", patience=QUICK)
    with socket.create_connection(("127.0.0.1", listening.port)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(100))
        both = Both(listening, connect(str(listening.port), patience=QUICK))
    assert both.heard == [WHOLE, WHOLE]


def test_a_party_that_began_anew():
    """Its old session is not known there: a clear end instead of a wrong one."""
    first = listen("0", patience=QUICK)
    port = first.port
    connecting = connect(str(port), patience=QUICK)
    thread = threading.Thread(target=connecting.open)
    thread.start()
    first.open()
    thread.join()
    first._socket.close()  # as a killed process would
    second = listen(str(port), patience=QUICK)
    ended = []

    def wait():
        try:
            connecting.receive()
        except LinkEndedError as error:
            ended.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(LinkLostError, match="did not appear"):
        second._patience = Patience(meeting_s=2.0)
        second.open()
    thread.join()
    assert "no such session" in ended[0]
