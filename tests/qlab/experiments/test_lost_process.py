"""A party's process is killed: the run fails, and its replay fails at the same place."""

import os
import signal

import pytest
from small_runs import bench_text

from qlab.experiments.bb84 import parties
from qlab.keystore import KeyStore
from qlab.replay import replay_run
from qlab.runner import run_experiment
from qlab.station import parse_station


@pytest.mark.parametrize("side", ["alice", "bob"])
@pytest.mark.parametrize(
    "turns", [0, 5, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 9))]
)
def test_a_replay_loses_what_the_run_lost(tmp_path, monkeypatch, side, turns):
    hear = parties._Apart._hear

    def heard(party):
        if party._side == side and party._turns == turns:
            os.kill(party._process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            party._process.wait()
        return hear(party)

    monkeypatch.setattr(parties._Apart, "_hear", heard)
    path = tmp_path / "run.h5"
    store = KeyStore(tmp_path / "keys")
    outcome = run_experiment(
        "bb84", parse_station(bench_text(), "bench.toml"), path, seed=3, key_store=store
    )
    assert f"the process of {side.capitalize()} ended unexpectedly" in str(outcome.error)
    report = replay_run(path)
    assert report.matched, report.summary()
    assert report.results["error"] == outcome.results["error"]
