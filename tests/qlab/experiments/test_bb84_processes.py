"""The two parties of a run in processes of their own: same record, and none is left over."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_runs import KEYED, KEYED_PLANT, bench_text

from protocols.errors import MessageError, ParameterError
from qlab.context import SeededEntropy
from qlab.errors import QlabError
from qlab.experiments.bb84 import errands as e
from qlab.experiments.bb84.experiment import Bb84
from qlab.experiments.bb84.parties import RunSecret, apart, together
from qlab.keystore import KeyStore
from qlab.replay import replay_run
from qlab.runfile.reader import RunFile
from qlab.runner import run_experiment
from qlab.station import parse_station

posix = pytest.mark.skipif(os.name != "posix", reason="signals and /proc")


class Unrecorded:
    def record(self, *_, **__):
        pass


@pytest.fixture(scope="module")
def options():
    return Bb84(parse_station(bench_text(**KEYED), "bench"), {}).options


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same seed with the parties in this process and in their own."""
    folder = tmp_path_factory.mktemp("runs")
    station = parse_station(bench_text(plant=KEYED_PLANT, **KEYED), "bench")
    for name in ("here", "apart"):
        run_experiment(
            "bb84",
            station,
            folder / f"{name}.h5",
            seed=1,
            key_store=KeyStore(folder / name),
            apart=name == "apart",
        )
    return folder


def test_the_record_is_the_same(runs):
    """Byte for byte and in the same order within each source, messages and entropy too."""
    found = {}
    for name in ("here", "apart"):
        with RunFile.open(runs / f"{name}.h5") as run:
            sources = {}
            for record in run.records():
                sources.setdefault(record.source, []).append((record.kind, record.data))
            found[name] = sources, run.results[-1]
    (here, results), (away, others) = found["here"], found["apart"]
    assert here.keys() == away.keys()
    assert {"message:alice-to-bob", "entropy:alice/block-seed"} <= here.keys()
    for source in here.keys() - {"run"}:
        assert here[source] == away[source], source
    assert results == others
    assert results["secret_bits"] > results["net_secret_bits"] > 1000


def test_the_key_is_the_same(runs):
    keys = [next((runs / name).glob("*.key")).read_bytes() for name in ("here", "apart")]
    assert keys[0] == keys[1]


def test_it_replays(runs):
    assert replay_run(runs / "apart.h5").matched


def test_pads_are_counted(runs):
    with RunFile.open(runs / "apart.h5") as run:
        results = run.results[-1]
        pads = [r for r in run.records() if r.source.startswith("entropy:pair/pads")]
    assert results["secret_bits"] - results["net_secret_bits"] == 128 * len(pads)


def test_errors_come_over(options):
    with apart(options, RunSecret(SeededEntropy(1, Unrecorded()))) as (alice, bob):
        entropy = SeededEntropy(1, Unrecorded())
        assert alice.start(entropy) == []
        assert not alice.finished
        with pytest.raises(MessageError, match="a party starts only once"):
            alice.start(entropy)
        with pytest.raises(MessageError, match="not finished"):
            _ = bob.result
        packets = bob.start(entropy)
        changed = packets[0][:-1] + bytes([packets[0][-1] ^ 1])
        with pytest.raises(MessageError):
            alice.receive(changed, entropy)


def test_patterns_that_contradict_themselves(options):
    settings = e.Sent(4, b"\xf0", b"\xf0", bytes([0, 1, 2, 9])).settings()
    assert settings.bit.tolist() == [1, 1, 1, 1]
    with apart(options, RunSecret(SeededEntropy(1, Unrecorded()))) as (alice, _):
        alice.add_block(settings)
        with pytest.raises(ParameterError, match="out of range"):
            alice.start(SeededEntropy(1, Unrecorded()))


@posix
def test_a_party_that_is_killed(options):
    with apart(options, RunSecret(SeededEntropy(1, Unrecorded()))) as (alice, bob):
        entropy = SeededEntropy(1, Unrecorded())
        alice.start(entropy)
        os.kill(alice._process.pid, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(QlabError, match="process of Alice ended unexpectedly, with code -9"):
            alice.receive(bob.start(entropy)[0], entropy)
        assert time.monotonic() - began < 30
        left = [alice._process, bob._process]
    assert all(process.poll() is not None for process in left)


def test_secrets_are_not_shown(options):
    secret = RunSecret(SeededEntropy(1, Unrecorded()))
    for errand in (
        e.Begin("alice", options, secret.hash_keys),
        e.Given(b"secret"),
        e.Outcome(None, {}, b"secret", 48),
    ):
        assert re.fullmatch(r"<\w+>", repr(errand))


def test_both_sides_get_the_same_pads():
    secret = RunSecret(SeededEntropy(1, Unrecorded()))
    ways = list(secret.hash_keys)
    first = [secret.pad("alice", ways[0], 16) for _ in range(3)]
    assert len(set(first)) == 3
    assert [secret.pad("bob", ways[0], 16) for _ in range(3)] == first
    assert secret.pad("bob", ways[1], 16) not in first


def test_parties_here_are_authenticated(options):
    alice, bob = together(options, RunSecret(SeededEntropy(1, Unrecorded())))
    for party in (alice, bob):
        assert not any("by the channel" in text for text in party.assumptions)


RUNNING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from small_runs import KEYED
from test_bb84_processes import Unrecorded
from qlab.context import SeededEntropy
from qlab.experiments.bb84.experiment import Bb84
from qlab.experiments.bb84.parties import RunSecret, apart
from qlab.station import parse_station
from small_runs import bench_text
options = Bb84(parse_station(bench_text(**KEYED), "bench"), {}).options
with apart(options, RunSecret(SeededEntropy(1, Unrecorded()))) as (alice, bob):
    print(alice._process.pid, bob._process.pid, flush=True)
    sys.stdin.read()
"""


@posix
def test_they_die_with_the_run(tmp_path):
    here = Path(__file__).parent
    child = subprocess.Popen(
        [sys.executable, "-c", RUNNING, "x", str(here)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [here.parent, here]))},
        text=True,
    )
    numbers = [int(word) for word in child.stdout.readline().split()]
    assert len(numbers) == 2
    child.kill()
    child.communicate()
    end = time.monotonic() + 20
    while any(alive(number) for number in numbers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(alive(number) for number in numbers)


def alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return status.exists() and ") Z" not in status.read_text()  # a zombie waits for its parent
