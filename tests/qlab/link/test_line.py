"""The line between two parties: whole, once and in order, or an honest end."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from zmtp_proxy import CALLER, LISTENER, CutError, Proxy, is_data

from qlab.errors import ExitCode, QlabError, UsageError, exit_code
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
from qlab.link.address import endpoint
from qlab.link.sockets import Private

QUICK = Patience(meeting_s=10.0, silence_s=10.0, lost_s=5.0)
ROUNDS = 4


def converse(line, first, rounds=ROUNDS):
    """Say and hear `rounds` numbers in turn; return what was heard."""
    heard = []
    for number in range(rounds):
        if first:
            line.send(b"%d" % number)
        heard.append(line.receive())
        if not first:
            line.send(b"%d" % number)
    return heard


class Both:
    """Two ends in two threads, and how each ended."""

    def __init__(self, listening, connecting, talk=converse):
        self.lines = listening, connecting
        self.heard = [None, None]
        self.errors = [None, None]
        threads = [
            threading.Thread(target=self._run, args=(at, line, talk))
            for at, line in enumerate(self.lines)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    def _run(self, at, line, talk):
        try:
            with line:
                line.open()
                self.heard[at] = talk(line, at == 0)
        except QlabError as error:
            self.errors[at] = error


def through(act, talk=converse, patience=QUICK):
    """Let two ends talk through a proxy."""
    listening = listen("0", patience=patience)
    with Proxy(listening.port, act) as proxy:
        both = Both(listening, connect(str(proxy.port), patience=patience), talk)
        both.count, both.connections = proxy.count, proxy.connections
    return both


def honest(sender, number, message):
    return [message]


WHOLE = [b"%d" % n for n in range(ROUNDS)]


def some_of(cases, every):
    """Leave all but each so many of the cases to the slow sweeps."""
    return [
        case if at % every == 0 else pytest.param(case, marks=pytest.mark.slow)
        for at, case in enumerate(cases)
    ]


def test_bodies_arrive_in_order():
    both = through(honest)
    assert both.errors == [None, None]
    assert both.heard == [WHOLE, WHOLE]
    first, second = both.lines
    assert first.session == second.session
    assert len(first.session) == 16


def test_many_and_large_ones():
    large = os.urandom(5_000_000)

    def talk(line, first):
        line.trust()
        if first:
            for number in range(300):
                line.send(b"%d" % number)
            line.send(b"")
            line.send(large)
            return line.receive()
        for number in range(300):
            assert line.receive() == b"%d" % number
        assert line.receive() == b""
        got = line.receive()
        line.send(got)
        return got

    both = through(honest, talk)
    assert both.errors == [None, None]
    assert both.heard == [large, large]


def test_whoever_is_first():
    """The connecting side may be there long before the listening one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    connecting = connect(str(port), patience=QUICK)
    late = []
    thread = threading.Thread(target=lambda: late.append(connecting.open()))
    thread.start()
    time.sleep(0.3)
    listening = listen(str(port), patience=QUICK)
    listening.open()
    thread.join()
    both = Both(listening, connecting)
    assert both.heard == [WHOLE, WHOLE]


# ---- the connection is lost ------------------------------------------------------------------


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_cut_at_every_message(every):
    """Before or behind it: the session goes on over a new connection."""
    total = through(honest).count
    assert total >= 2 * ROUNDS + 2
    for at in sorted({*range(0, total, every), 1, total - 1}):
        for deliver in (False, True):
            cuts = []

            def act(sender, number, message, at=at, deliver=deliver, cuts=cuts):
                if number == at and not cuts:
                    cuts.append(number)
                    if not deliver:
                        raise CutError
                    return Last(message)
                return [message]

            both = through(act)
            # At the end one side may have left, which is what the other must live with.
            assert both.errors == [None, None], (at, deliver)
            assert both.heard == [WHOLE, WHOLE], (at, deliver)


class Last:
    """Delivers, then cuts."""

    def __init__(self, message):
        self._message = message

    def __iter__(self):
        yield self._message
        raise CutError


def test_cut_in_the_middle_of_a_message():
    cuts = []

    def act(sender, number, message):
        if is_data(message) and len(cuts) < 3:
            cuts.append(number)
            return Last(message[: len(message) // 2])
        return [message]

    both = through(act)
    assert both.heard == [WHOLE, WHOLE]
    assert both.connections == 4


def test_a_delay_changes_nothing():
    def act(sender, number, message):
        time.sleep(0.02)
        return [message]

    assert through(act).heard == [WHOLE, WHOLE]


def test_a_connection_that_stays_lost():
    cut = []

    def act(sender, number, message):
        if number == 4 or cut:
            cut.append(number)
            raise CutError
        return [message]

    both = through(act, patience=Patience(10.0, 10.0, 0.7))
    for error in both.errors:
        assert isinstance(error, LinkLostError)
        assert "lost for 0.7 s" in str(error)
        assert exit_code(error) is ExitCode.FAILURE


# ---- meddling --------------------------------------------------------------------------------


def nth_data(at, change):
    """Change the data message number `at`."""
    seen = []

    def act(sender, number, message):
        if not is_data(message):
            return [message]
        seen.append(number)
        return change(message) if len(seen) == at + 1 else [message]

    return act


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


# ---- strangers -------------------------------------------------------------------------------


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
    while stranger.poll(200):
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


# ---- who may listen and read -------------------------------------------------------------------


def test_private_lines():
    """A caller without the listener's key gets nowhere; the others talk, and not in clear."""
    key = Private.drawn()
    assert repr(key.secret) not in repr(key)
    seen = bytearray()

    def act(sender, number, message):
        seen.extend(message)
        return [message]

    listening = listen("0", patience=QUICK, private=key)
    short = Patience(meeting_s=0.5)
    for wrong in (None, Private.drawn()):
        with pytest.raises(LinkLostError):
            connect(str(listening.port), patience=short, private=wrong).open()
    with Proxy(listening.port, act) as proxy:
        caller = connect(str(proxy.port), patience=QUICK, private=Private(key.public))
        both = Both(listening, caller, lambda line, first: talk_secret(line, first))
    assert both.errors == [None, None] and both.lines[0].connections == 1
    assert b"a secret to nobody else" not in seen


def talk_secret(line, first):
    if first:
        line.send(b"a secret to nobody else")
        line.send(bytes(3 * frames.LARGEST_PIECE))
        return line.receive()
    heard = line.receive()
    assert len(line.receive()) == 3 * frames.LARGEST_PIECE
    line.send(heard)
    return heard


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("5555", "tcp://127.0.0.1:5555"),
        (":5555", "tcp://127.0.0.1:5555"),
        ("0.0.0.0:1", "tcp://0.0.0.0:1"),
        ("tcp://10.0.0.7:80", "tcp://10.0.0.7:80"),
        ("[::1]:5555", "tcp://[::1]:5555"),
        ("localhost:5555", "tcp://127.0.0.1:5555"),
    ],
)
def test_addresses(address, found):
    assert endpoint(address) == found


@pytest.mark.parametrize("address", ["", "host", "1:x", ":-1", "65536", ":0", "a:\u0662"])
def test_no_addresses(address):
    with pytest.raises(UsageError):
        endpoint(address)


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with pytest.raises(UsageError, match="cannot listen"):
            listen(port)
    with pytest.raises(UsageError, match="cannot listen"):
        listen("192.0.2.1:0")


# ---- ends ------------------------------------------------------------------------------------


def test_the_reason_of_an_end_arrives():
    def talk(line, first):
        if first:
            line.receive()
            raise QlabError("the laser is off", remedy="switch it on")
        line.send(b"hello")
        return line.receive()

    both = through(honest, talk)
    assert "the laser is off" in str(both.errors[0])
    assert isinstance(both.errors[1], LinkEndedError)
    assert "the other party has ended: the laser is off" in str(both.errors[1])
    assert exit_code(both.errors[1]) is ExitCode.FAILURE


def test_silence_ends():
    def talk(line, first):
        return line.receive(0.3) if first else line.receive()

    both = through(honest, talk)
    assert "has said nothing for 0.3 s" in str(both.errors[0])
    assert isinstance(both.errors[1], LinkEndedError)


def test_a_check_ends_a_wait():
    class StopError(Exception):
        pass

    calls = []

    def check():
        calls.append(1)
        if len(calls) > 3:
            raise StopError

    with pytest.raises(StopError), listen("0", check=check) as line:
        line.open()


WAITING = """
import sys
from qlab.link import Patience, connect
line = connect(sys.argv[1], patience=Patience(lost_s=5.0))
line.open()
line.send(b"ready")
line.receive()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_party_that_is_gone(number):
    listening = listen("0", patience=Patience(meeting_s=30.0, lost_s=0.5))
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(listening.port)], stderr=subprocess.PIPE
    )
    with listening:
        listening.open()
        assert listening.receive() == b"ready"
        child.send_signal(number)
        with pytest.raises(LinkLostError, match=r"lost for 0\.5 s"):
            listening.receive()
        child.communicate()
        assert child.returncode == -number or number == signal.SIGINT
