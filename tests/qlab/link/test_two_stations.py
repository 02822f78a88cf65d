"""Two paired stations as processes, with faults at every message between them.

Whatever happens: no unequal keys, no pad used twice, no key final on one side that the
other does not hold, and the next meeting settles what is pending.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from zmtp_proxy import LISTENER, CutError, Proxy, is_data

from qlab.keystore import KeyState, KeyStore, PairStore
from qlab.keystore.carried import DIRECTIONS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

HERE = Path(__file__).parent
LIVE = (KeyState.PENDING, KeyState.FINAL)


class Stations:
    """Both processes, their stores, and what they must never do."""

    def __init__(self, folder):
        self.folder = folder
        self.stores = {side: KeyStore(folder / side) for side in ("alice", "bob")}
        PairStore(folder / "alice").init("lab", folder / "lab.pair", bits=1 << 24)
        PairStore(folder / "bob").bring(folder / "lab.pair")
        self.processes = {}
        self.seed = 0
        self.settled = set()
        for side in self.stores:
            (folder / f"{side}.pads").touch()
            self.start(side)

    def start(self, side):
        process = subprocess.Popen(
            [sys.executable, str(HERE / "party_process.py"), side, str(self.folder / side)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        self.processes[side] = process

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.communicate()

    def session(self, act=None, lost_s=5.0):
        """Run one session through a proxy; return how each side ended (None: killed)."""
        self.seed += 1
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with Proxy(port, act or (lambda sender, number, message: [message])) as proxy:
            for side, where in (("alice", port), ("bob", proxy.port)):
                order = {"port": where, "seed": self.seed, "lost_s": lost_s}
                self.processes[side].stdin.write(json.dumps(order) + "\n")
                self.processes[side].stdin.flush()
            ends = {}
            for side, process in self.processes.items():
                line = process.stdout.readline()
                ends[side] = json.loads(line) if line else None
            self.messages = proxy.count
        for side, end in ends.items():
            if end is None:
                self.processes[side].communicate()
                self.start(side)
        self.check()
        return ends

    def check(self):
        """What holds after every session, however it went."""
        records = {
            side: {r.key_id: r for r in store.records()} for side, store in self.stores.items()
        }
        for side, other in (("alice", "bob"), ("bob", "alice")):
            for key_id, record in records[side].items():
                theirs = records[other].get(key_id)
                if record.state is KeyState.FINAL:
                    assert theirs is not None, f"{key_id} is final at {side} alone"
                    assert theirs.state in LIVE
                    assert self.stores[side].key(key_id) == self.stores[other].key(key_id)
                    assert record.bits == theirs.bits > 100
        pending = {
            key_id
            for known in records.values()
            for key_id, record in known.items()
            if record.state is KeyState.PENDING
        }
        for side in self.stores:
            log = (self.folder / f"{side}.pads").read_text()
            taken = [line.split() for line in log.splitlines()]
            for direction in DIRECTIONS:
                spans = [(int(start), int(n)) for way, start, n in taken if way == direction]
                for (start, count), (after, _) in pairwise(spans):
                    assert after >= start + count, f"{side} used a pad twice"
        return pending

    def settle(self):
        """A clean session: what was pending is not any more, and a key is made."""
        before = self.check()
        ends = self.session()
        assert {end["code"] for end in ends.values()} == {0}, ends
        assert self.check() == set()
        records = [{r.key_id: r.state for r in s.records()} for s in self.stores.values()]
        for key_id in before:
            states = {known.get(key_id, KeyState.ERASED) for known in records}
            assert states in ({KeyState.FINAL}, {KeyState.ERASED})
        session = ends["alice"]["session"]
        assert session == ends["bob"]["session"]
        for known in records:
            assert known[f"{session}-0"] is KeyState.FINAL


@pytest.fixture(scope="module")
def stations(tmp_path_factory):
    both = Stations(tmp_path_factory.mktemp("stations"))
    yield both
    both.stop()


@pytest.fixture(scope="module")
def total(stations):
    """Messages of a clean session, acknowledgements included."""
    stations.settle()
    assert stations.messages > 15
    return stations.messages


def once(at, change):
    """Do something to message number `at`, once."""
    done = []

    def act(sender, number, message):
        if number >= at and not done:
            done.append(number)
            return change(sender, message)
        return [message]

    return act


def sweep(every):
    """Meddle with one message of so many, and with all of them where time is not short."""
    return pytest.mark.parametrize("every", [every, pytest.param(1, marks=pytest.mark.slow)])


class Then:
    """Deliver, then cut."""

    def __init__(self, message):
        self._message = message

    def __iter__(self):
        yield self._message
        raise CutError


def cut(sender, message):
    raise CutError


@sweep(12)
def test_a_cut_at_every_message(stations, total, every):
    """A session outlives its connection, or what it left is settled by the next one."""
    for at in sorted({*range(0, total, every), 1, total - 1}):
        change = cut if at % 2 else lambda sender, message: Then(message)
        ends = stations.session(once(at, change))
        if any(end["code"] for end in ends.values()):
            stations.settle()
    stations.settle()


@sweep(20)
def test_a_connection_that_ends_for_good_at_every_message(stations, total, every):
    """Both end with an error, and the next meeting makes final or erases."""
    for at in range(4, total, every):

        def act(sender, number, message, at=at):
            if number >= at:
                raise CutError
            return [message]

        ends = stations.session(act, lost_s=0.3)
        assert {end["code"] for end in ends.values()} <= {0, 1}
    stations.settle()


def test_a_delay(stations, total):
    def act(sender, number, message):
        time.sleep(0.01)
        return [message]

    ends = stations.session(act)
    assert {end["code"] for end in ends.values()} == {0}
    stations.settle()


class WithData:
    """Changes the message number `at` of those that have a body."""

    def __init__(self, at, change):
        self._at = at
        self._change = change
        self.bodies = 0

    def __call__(self, sender, number, message):
        if not is_data(message):
            return [message]
        self.bodies += 1
        return self._change(message) if self.bodies == self._at + 1 else [message]


def changed_sessions(stations, change, every):
    """Change one body after another; give how each session ended until there are no more."""
    for at in range(0, 1000, every):
        act = WithData(at, change)
        ends = stations.session(act, lost_s=0.5)
        if act.bodies <= at:
            return
        yield at, ends
    raise AssertionError("sessions without end")


@sweep(5)
def test_every_message_twice(stations, every):
    """Also the last: each side reads on until the other one has said its last word."""
    for at, ends in changed_sessions(stations, twice, every):
        assert 7 in {end["code"] for end in ends.values()}, (at, ends)
    stations.settle()


def test_the_last_message_twice(stations, total):
    """It is noticed, and harmless: Alice's key is final before it, and Bob's with the next one."""
    meddled = []

    def act(sender, number, message):
        if sender == LISTENER and is_data(message) and b"confirm" in message:
            meddled.append(number)
            return twice(message)
        return [message]

    before = set(stations.stores["alice"].ids())
    ends = stations.session(act)
    assert len(meddled) == 1
    assert 7 in {end["code"] for end in ends.values()}
    (key_id,) = set(stations.stores["alice"].ids()) - before
    stations.settle()
    for store in stations.stores.values():
        assert store.record(key_id).state is KeyState.FINAL


def twice(message):
    return [message, message]


def flipped(message):
    """Flip one bit of the body, at another place for each length."""
    changed = bytearray(message)
    head = 2 + message[1]
    start = head + (9 if message[head] & 2 else 2)
    place = start + (7 * len(message)) % (len(message) - start)
    changed[place] ^= 1 << place % 8
    return [bytes(changed)]


@sweep(6)
def test_a_flipped_bit_in_every_message(stations, every):
    """It is noticed, or spoils the key, which then nobody gets."""
    for at, ends in changed_sessions(stations, flipped, every):
        noticed = [end["code"] == 7 or end.get("reason") for end in ends.values()]
        assert any(noticed), (at, ends)
    stations.settle()


@pytest.mark.parametrize("side", ["alice", "bob"])
@sweep(40)
def test_a_side_that_is_killed(stations, total, side, every):
    """The other one ends with an error of its own."""
    for at in range(15 if side == "alice" else 18, total, every):

        def kill(sender, message):
            os.kill(stations.processes[side].pid, signal.SIGKILL)
            raise CutError

        ends = stations.session(once(at, kill), lost_s=0.3)
        assert ends[side] is None or at >= stations.messages - 4
        stations.check()
    stations.settle()


def test_what_the_line_shows(stations, total):
    """No pad, no hash key and no key crosses."""
    crossed = bytearray()

    def act(sender, number, message):
        crossed.extend(message)
        return [message]

    secrets = {}
    for side in stations.stores:
        for way in DIRECTIONS:
            path = stations.folder / side / "pairs" / f"lab.{way}"
            secrets[side, way] = path.read_bytes()
    used = PairStore(stations.folder / "alice").facts("lab").used
    ends = stations.session(act)
    for (_, way), whole in secrets.items():
        assert whole[:16] not in crossed and whole[16:32] not in crossed
        at = 32 + used[way]
        assert whole[at + 16 : at + 32] not in crossed, "the hash key of the conversation"
        assert any(whole[at : at + 16])
        assert whole[at : at + 16] not in crossed
    key = stations.stores["bob"].key(f"{ends['bob']['session']}-0").reveal()
    assert key[:16] not in crossed
    assert ends["alice"]["session"].encode() not in crossed
