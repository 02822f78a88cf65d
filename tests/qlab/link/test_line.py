"""The line between two parties: whole, once and in order, or an honest end."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from talking_lines import QUICK, ROUNDS, WHOLE, Both, honest, through
from zmtp_proxy import CutError, Proxy, is_data

from qlab.errors import ExitCode, QlabError, UsageError, exit_code
from qlab.link import (
    LinkEndedError,
    LinkLostError,
    Patience,
    connect,
    frames,
    listen,
)
from qlab.link.address import endpoint
from qlab.link.sockets import Private


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


# ---- the connection is lost ----


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


# ---- who may listen and read ----


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


# ---- ends ----


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
