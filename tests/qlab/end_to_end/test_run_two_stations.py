"""BB84 between two stations: a served bench, split in two, and two programs in real time."""

import json
import os
import socket
import subprocess
import sys

import pytest
from end_to_end_runs import run_qlab
from small_runs import KEYED, KEYED_PLANT, bench_text

from qlab.errors import UsageError
from qlab.keystore import KeyState, KeyStore, PairStore
from qlab.replay import replay_run
from qlab.runfile.reader import RunFile
from qlab.station import load_station, parse_station
from qlab.station.split import split_station

#: A served bench keeps real time, which a busy machine does not always grant.
real_time = pytest.mark.slow

SIDES = ("alice", "bob")


#: What a session of two clocks takes more: Bob's generator holds a second, with the light.
UNCLOCKED = {"slots": 1_200_000, "block_slots": 1_200_000, "word_s": 0.25, "sync_slots": 40_000}


@pytest.fixture(scope="module", params=["bench", "unclocked"])
def session(request, tmp_path_factory):
    """Both runs of one session: their folder, and what each side printed."""
    folder = tmp_path_factory.mktemp("session")
    # The machine may be busy, and must follow the detectors' clicks in real time.
    slow = {"slots": 800_000, "block_slots": 800_000, "detector_efficiency": 0.25, "word_s": 4.0}
    plant = KEYED_PLANT | {"detector_efficiency": [0.25, 0.25]}
    if request.param == "unclocked":
        slow |= UNCLOCKED
    text = bench_text(packaged=request.param, plant=plant, **(KEYED | slow))
    PairStore(folder / "alice").init("lab", folder / "lab.pair", bits=1 << 18)
    PairStore(folder / "bob").bring(folder / "lab.pair")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "bench.toml").write_text(text)
    bench = [sys.executable, "-m", "qlab", "station", "serve", "bench.toml", "--tcp", "--seed", "4"]
    with subprocess.Popen(
        [*bench, "--write", "served.toml"], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as served:
        assert "serving" in served.stderr.readline()
        split = [sys.executable, "-m", "qlab", "station", "split", "served.toml"]
        subprocess.run(split, cwd=folder, check=True, capture_output=True)
        runs = {}
        for side, how in zip(SIDES, ("--listen", "--connect"), strict=True):
            runs[side] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "qlab", "run", "bb84", "--role", side, how, str(port)),
                    *("--station", f"served-{side}.toml", "-o", f"{side}.h5", "--json"),
                ],
                cwd=folder,
                env={**os.environ, "QLAB_KEYS": str(folder / side)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        said = {side: run.communicate(timeout=120) for side, run in runs.items()}
        served.terminate()
    assert {side: run.returncode for side, run in runs.items()} == dict.fromkeys(SIDES, 0), str(
        said
    )
    return folder, {side: json.loads(out) for side, (out, _) in said.items()}


@real_time
def test_both_give_the_same_account(session):
    _, results = session
    alice, bob = results["alice"], results["bob"]
    for name in ("session", "n_z", "n_x", "m_z", "m_x", "leak_ec_bits", "secret_bits", "verified"):
        assert alice[name] == bob[name], name
    assert alice["secret_bits"] > alice["net_secret_bits"] > 1000
    assert (alice["side"], bob["side"]) == SIDES
    assert bob["detections"] > 0
    assert alice["double_clicks"] is None


@real_time
def test_both_hold_the_same_key(session):
    folder, results = session
    stores = [KeyStore(folder / side) for side in SIDES]
    (first,), (second,) = (store.records() for store in stores)
    assert first.key_id == second.key_id == f"{results['alice']['session']}-0"
    assert first.state is second.state is KeyState.FINAL
    assert stores[0].key(first.key_id) == stores[1].key(first.key_id)
    assert first.bits == second.bits == results["bob"]["secret_bits"]
    assert not first.fit_for_use, "the instruments are simulated"
    facts = [PairStore(folder / side).facts("lab") for side in SIDES]
    assert facts[0].used == facts[1].used
    result = results["alice"]
    assert 8 * sum(facts[0].used.values()) == result["secret_bits"] - result["net_secret_bits"]
    assert facts[0].refills == (), "a rehearsal's key pays for no pads"


@real_time
def test_the_elapsed_time_ends_with_the_distillation(session):
    folder, _ = session
    for side in SIDES:
        with RunFile.open(folder / f"{side}.h5") as run:
            sources = [record.source for record in run.records()]
        last = len(sources) - 1 - sources[::-1].index("clock")
        assert not any(source.startswith("message:") for source in sources[last:])


@real_time
def test_both_replay(session):
    folder, _ = session
    for side in SIDES:
        report = replay_run(folder / f"{side}.h5")
        assert report.matched, (side, report.divergence)


@real_time
def test_each_has_its_own_instruments_only(session):
    folder, _ = session
    seen = {}
    for side in SIDES:
        station = load_station(folder / f"served-{side}.toml")
        with RunFile.open(folder / f"{side}.h5") as run:
            seen[side] = {r.source for r in run.records()} & set(
                load_station(folder / "served.toml").instruments
            )
        assert seen[side] == set(station.instruments)
        assert station.tables["bb84"]["side"] == side
    assert not seen["alice"] & seen["bob"]
    assert {"tagger", "generator_bob"} <= seen["bob"]


@real_time
def test_what_is_refused(session, capsys, tmp_path):
    folder, _ = session
    alice, keys = folder / "served-alice.toml", ("--keys", folder / "alice")
    station = ("--station", alice, "-o", tmp_path / "run.h5")
    for arguments, says in (
        ((), "Alice's alone"),
        (("--role", "bob", "--listen", "0"), "the station of Alice"),
        (("--role", "alice"), "one party listens"),
        (("--role", "alice", "--listen", "0", "--connect", "1"), "one party listens"),
        (("--listen", "0"), "for one of two parties"),
        (("--role", "alice", "--listen", "nowhere"), "no address"),
        (("--role", "alice", "--listen", "0", "--keys", folder / "bob"), "bob of the pair"),
        (("--role", "alice", "--listen", "0", "--pair", "x"), "no pair 'x'"),
    ):
        code, _, said = run_qlab(capsys, "run", "bb84", *keys, *station, *arguments)
        assert (code, says in said) == (2, True), said
    assert run_qlab(capsys, "replay", "--from-data", folder / "bob.h5")[0] == 2
    assert run_qlab(capsys, "station", "split", folder / "served.toml")[0] == 2


def test_a_simulated_bench_is_not_split():
    with pytest.raises(UsageError, match="not split between two programs"):
        split_station(load_station(), {"alice": ["laser"], "bob": ["tagger"]})


def test_an_instrument_of_both():
    text = bench_text().partition("[simulation.plant]")[0]
    station = parse_station(text, "bench.toml")
    with pytest.raises(UsageError, match="generator_alice plays roles of a and of b"):
        split_station(station, {"a": ["intensity"], "b": ["phase_alice"]})
