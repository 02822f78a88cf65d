"""Ctrl-C, SIGTERM and SIGHUP: outputs safe, that recorded, the file sealed, and it replays."""

import json
import os
import random
import signal
import sys
import time

import pytest
from end_to_end_runs import bench_text, records, replayed, start_qlab, wait_for

import qlab.runner
from drivers.core.context import Kind
from protocols.secret import SecretBits
from qlab.context import AbortFlag, KeyFacts, SilentProgress
from qlab.keystore import KeyStore, files
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runfile.writer import RunWriter
from qlab.runner import run_experiment
from qlab.station import Station, parse_station

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ACQUIRING = "qlab.experiments.bb84.acquisition.Acquisition._play:after:2"
DISTILLING = "qlab.experiments.bb84.experiment.Bb84._distil:before:1"
#: Where a signal is too early for a file, where it is heard, and where it is too late.
EARLY = {
    "while commands are loaded": "qlab.cli.run.bb84.run_progress:before:1:SIGINT",
    "while the bench is built": "qlab.station.simulation.build_bench:before:1:stop",
    "just before the file": "qlab.runner.provenance:before:1:SIGINT",
}
HEARD = {
    "before the file has its name": "qlab.runfile.placing.publish:before:1:stop",
    "after the file has its name": "qlab.runfile.placing.publish:after:1:SIGINT",
    "while instruments are opened": "drivers.core.instrument.Instrument.open:before:3:stop",
    "in a commit": "qlab.runfile.container.os.fsync:before:5:stop",
    "on the way to the safe state": "qlab.station.Station.to_safe_state:before:1:stop",
}
LATE = {
    "before the results": "qlab.runfile.writer.RunWriter.result:before:1:stop",
    "while the file is closed": "qlab.runfile.writer.RunWriter.close:before:1:SIGINT",
    "while it is sealed": "qlab.runfile.container.seal:before:1:stop",
}


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    path = tmp_path_factory.mktemp("station") / "station.toml"
    path.write_text(bench_text())
    return path


def start(station, path, hook=""):
    arguments = ("run", "bb84", "--station", station, "--seed", 5, "-o", path, "--json")
    return start_qlab(*arguments, hook=hook, keys=path.parent / "keys")


def check_file(capsys, path, status):
    """Check that a stopped run's file is sealed, tells how it ended, and replays."""
    with RunFile.open(path) as run:
        assert (run.sealed, run.status) == (True, status)
        results = run.results[-1]
    steps = results["safe_state"]
    assert [step["target"] for step in steps] == [
        "laser.channel1.output",
        "attenuators.channel1.attenuation_db",
        "attenuators.channel3.attenuation_db",
        "generator_alice.channel1.output",
        "generator_alice.channel2.output",
        "generator_bob.channel1.output",
    ]
    assert not any(step["error"] for step in steps)
    code, report = replayed(capsys, path)
    assert (code, report["matched"]) == (0, True), report
    return results


def check_journal(path, reason):
    """Check that the stop and the way to the safe state are in the journal, in this order."""
    found = records(path)
    stops = [n for n, r in enumerate(found) if r.kind is Kind.ABORT]
    assert [found[n].data.decode() for n in stops] == [reason]
    after = found[stops[0] + 1 :]
    sent = [(r.source, r.data) for r in after if r.kind is Kind.WRITE]
    wanted = [
        ("laser", b"OUTP1:STAT 0\n"),
        ("attenuators", b"INP1:ATT 45DB\n"),
        ("attenuators", b"INP3:ATT 45DB\n"),
        ("generator_alice", b"OUTP1 0\n"),
        ("generator_alice", b"OUTP2 0\n"),
        ("generator_bob", b"OUTP1 0\n"),
    ]
    assert [each for each in sent if each in wanted] == wanted
    closed = [r.source for r in after if r.kind is Kind.CLOSE]
    assert sorted(closed) == sorted({r.source for r in found if r.kind is Kind.OPEN})


@pytest.mark.parametrize(
    ("moment", "what", "reason", "code"),
    [
        (ACQUIRING, "stop", "SIGINT", 130),
        (DISTILLING, "stop", "SIGINT", 130),
        (ACQUIRING, "SIGTERM", "SIGTERM", 5),
        (DISTILLING, "SIGHUP", "SIGHUP", 5),
    ],
)
def test_stopped(tmp_path, capsys, station, moment, what, reason, code):
    path = tmp_path / "run.h5"
    with start(station, path, f"{moment}:{what}") as process:
        out, said = process.communicate()
    assert process.returncode == code, said
    assert f"error: the run was stopped by {reason}\n" in said
    assert "all outputs are in their safe state" in said
    assert f"{path} (aborted)" in said
    assert "Traceback" not in said
    failure = json.loads(out)
    assert (failure["schema"], failure["exit_code"]) == ("qlab.error/1", code)
    results = check_file(capsys, path, RunStatus.ABORTED)
    assert results["error"] == f"the run was stopped by {reason}"
    check_journal(path, reason)
    assert not list((tmp_path / "keys").iterdir())


class Stopping(SilentProgress):
    """Presses Ctrl-C after the second block, and notes the light until then."""

    def __init__(self, stations):
        self.stations = stations
        self.photons = []

    def step(self, note=""):
        self.photons.append(self.stations[0].bench.plant.truth().peak_photons)
        if len(self.photons) == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def pressed_again(monkeypatch):
    """Let Ctrl-C be pressed again at every step on the way to the safe state."""
    make_safe = Station._make_safe

    def pressed(self, step, timeout_s):
        os.kill(os.getpid(), signal.SIGINT)
        make_safe(self, step, timeout_s)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Station, "_make_safe", pressed)


@pytest.mark.usefixtures("pressed_again")
def test_the_light_is_really_off(tmp_path, stations):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    path = tmp_path / "run.h5"
    display = Stopping(stations)
    outcome = run_experiment(
        "bb84", parse_station(bench_text(), "bench"), path, seed=5, progress=display
    )
    assert display.photons == [pytest.approx(0.5, rel=0.1)] * 2
    assert outcome.status is RunStatus.ABORTED
    assert outcome.unsafe is None
    (station,) = stations
    bench = station.bench
    later_ns = bench.time.now_ns() + 10**10
    assert bench.plant.truth(later_ns).peak_photons == 0.0
    assert not bench.devices["laser"].output(1)
    for number in (1, 3):
        assert bench.devices["attenuators"].channels[number].loss_db(later_ns) == 45.0
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == before


@pytest.mark.parametrize("moment", EARLY)
def test_too_early_for_a_file(tmp_path, station, moment):
    with start(station, tmp_path / "run.h5", EARLY[moment]) as process:
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("moment", HEARD)
def test_heard(tmp_path, capsys, station, moment):
    path = tmp_path / "run.h5"
    with start(station, path, f"commits:0.03;{HEARD[moment]}") as process:
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    check_file(capsys, path, RunStatus.ABORTED)
    check_journal(path, "SIGINT")


@pytest.mark.parametrize("moment", LATE)
def test_too_late_to_matter(tmp_path, capsys, station, moment):
    """The run is over: its file is as complete as without the signal."""
    path = tmp_path / "run.h5"
    with start(station, path, LATE[moment]) as process:
        out, said = process.communicate()
    assert process.returncode == 7, said
    assert "Traceback" not in said
    assert json.loads(out)["sifted_bits"] > 0
    check_file(capsys, path, RunStatus.COMPLETE)


def test_at_random_moments(tmp_path, capsys, station):
    """Whatever the moment: no traceback, and no file but a sealed one that says it."""
    rng = random.Random(8)
    for number, sent in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)):
        path = tmp_path / f"run{number}.h5"
        with start(station, path, "commits:0.03") as process:
            assert wait_for(path.exists, process)
            time.sleep(rng.uniform(0.0, 1.0))
            process.send_signal(sent)
            time.sleep(rng.uniform(0.0, 0.1))
            process.send_signal(sent)
            _, said = process.communicate()
        assert "Traceback" not in said
        stopped = 130 if sent == signal.SIGINT else 5
        with RunFile.open(path) as run:
            status = run.status
        check_file(capsys, path, status)
        ended = {RunStatus.ABORTED: stopped, RunStatus.COMPLETE: 7}[status]
        # The second signal may come after the run, and ends the process as any other.
        late = 130 if sent == signal.SIGINT else -sent
        assert process.returncode in (ended, late), said


def test_an_ignored_signal_stays_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with qlab.runner._signals(flag := AbortFlag()):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not flag.reason


@pytest.fixture
def press_at(monkeypatch):
    """Return a function that has Ctrl-C pressed at the N-th record of the next run."""
    record = RunWriter.record
    state = {"count": 0, "nth": 0}

    def counted(self, *arguments, **more):
        record(self, *arguments, **more)
        state["count"] += 1
        if state["count"] == state["nth"]:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RunWriter, "record", counted)
    return lambda nth: state.update(count=0, nth=nth)


def test_at_any_record(tmp_path, capsys, press_at):
    """Also between a question and its answer, or with an error not yet read."""
    file = parse_station(bench_text(), "bench")
    whole = tmp_path / "whole.h5"
    assert run_experiment("bb84", file, whole, seed=5, apart=False).status is RunStatus.COMPLETE
    found = records(whole)
    end = next(n for n, r in reversed(list(enumerate(found))) if r.kind is Kind.MESSAGE)
    asked = [n for n in range(end) if found[n].kind is Kind.WRITE and found[n].data[-2:] == b"?\n"]
    rng = random.Random(4)
    for nth in [*rng.sample(asked, 8), *rng.sample(range(end), 8)]:
        path = tmp_path / f"run{nth}.h5"
        press_at(found[nth].sequence + 1)
        outcome = run_experiment("bb84", file, path, seed=5, apart=False)
        assert outcome.status is RunStatus.ABORTED, found[nth]
        check_file(capsys, path, RunStatus.ABORTED)
        assert records(path)[: nth + 1] == found[: nth + 1]


class Giving:
    """An experiment that does nothing but give a key."""

    name = "bb84"
    secret_sources = frozenset()
    side = "both"
    table = {}

    def __init__(self, station, overrides):
        pass

    def datasets(self):
        return []

    def run(self, ctx):
        ctx.keys.deposit(SecretBits(bytes(range(4)), 32), KeyFacts(1e-9, 1e-15, "none"))
        return {"no_key": None}


def test_while_the_key_is_stored(tmp_path, monkeypatch):
    write = files.write_new

    def pressed(path, data):
        os.kill(os.getpid(), signal.SIGINT)
        write(path, data)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(files, "write_new", pressed)
    monkeypatch.setattr(qlab.runner, "experiment", lambda name: Giving)
    outcome = run_experiment(
        "bb84",
        parse_station(bench_text(), "bench"),
        tmp_path / "run.h5",
        key_store=KeyStore(tmp_path / "keys"),
    )
    assert outcome.status is RunStatus.COMPLETE
    assert sorted(p.suffix for p in (tmp_path / "keys").iterdir()) == ["", ".json", ".key"]
