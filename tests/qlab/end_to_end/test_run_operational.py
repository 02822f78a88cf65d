"""Runs as on real instruments: served over TCP and terminals, real time, real entropy."""

import json
import shutil
import signal
import stat
import sys

import h5py
import pytest
from end_to_end_runs import KILLED, bench_text, replayed, run_qlab, start_qlab, wait_for

from drivers.core.context import Kind
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import Heap, RunStatus

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals and signals of POSIX")

#: Sources that hold raw key material, and how long a piece of it is no coincidence.
RAW = (
    "generator_alice",
    "generator_bob",
    "tagger",
    "entropy:alice/settings",
    "entropy:bob/settings",
    "entropy:bob/double-clicks",
)
WINDOW = 64

#: Few slots, and a laser that settles sooner than real ones do.
QUICK = {
    "slots": 100_000,
    "block_slots": 50_000,
    "laser_settle_s": 0.6,
    "listen_margin_s": 0.3,  # for a busy computer
}
LASER = "[simulation.devices.laser]\n"
SOON = (LASER, f"{LASER}settling_s = 0.5\n")


def served(folder):
    """Serve the bench; return the process and the station file that reaches it."""
    bench, station = folder / "bench.toml", folder / "served.toml"
    bench.write_text(bench_text(QUICK, SOON))
    process = start_qlab("station", "serve", "--station", bench, "--seed", 7, "--write", station)
    assert wait_for(lambda: station.exists() and station.read_text().endswith("\n"), process)
    return process, station


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    process, path = served(tmp_path_factory.mktemp("served"))
    with process:
        yield path
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def finished(station):
    """One whole run: its file and its results."""
    path = station.parent / "run.h5"
    arguments = ("run", "bb84", "--station", station, "-o", path, "--json")
    with start_qlab(*arguments, keys=station.parent / "keys") as process:
        out, said = process.communicate()
    assert process.returncode == 7, said
    assert not list((station.parent / "keys").glob("*"))
    return path, json.loads(out)


def outputs(capsys, station):
    """Ask the served instruments, in sessions of their own, how they are set."""
    found = []
    for target in ("laser.channel1.output", "attenuators.channel1.attenuation_db"):
        code, out, said = run_qlab(
            capsys, "instrument", "get", target, "--station", station, "--json"
        )
        assert code == 0, said
        found.append(json.loads(out)["properties"][target]["value"])
    return found


def test_it_is_distilled_anew_with_its_companion_only(finished, capsys, tmp_path):
    path, results = finished
    keys = tmp_path / "keys"
    code, out, said = run_qlab(capsys, "key", "distill", path, "--keys", keys, "--json")
    assert code == 7, said
    found = json.loads(out)
    for name in ("n_z", "n_x", "m_z", "m_x"):
        assert sum(found[name]) == sum(results[name])
    assert found["verified"] is True and found["residual_errors"] == 0
    alone = tmp_path / "alone.h5"
    shutil.copy(path, alone)
    code, _, said = run_qlab(capsys, "key", "distill", alone, "--keys", keys)
    assert code == 2 and "companion" in said


def test_what_is_secret_lies_in_the_companion(finished, capsys):
    path, results = finished
    companion = path.with_name("run.secret.h5")
    assert stat.S_IMODE(companion.stat().st_mode) == 0o600
    assert results["fit_for_use"] is False, "the instruments are simulated ones"
    with RunFile.open(path) as run:
        assert (run.status, run.operational) == (RunStatus.COMPLETE, True)
        assert run.provenance["seed"] == ""
        raw = [
            record.data
            for record in run.records()
            if record.source in RAW and len(record.data) > 2 * WINDOW
        ]
        hidden = {run.sources[int(r["source"])] for r in run.index if r["heap"] == Heap.SECRET}
        raw += [run.read(f"data/{name}").tobytes() for name in ("timestamps", "detectors")]
    assert set(RAW) <= hidden
    assert len(raw) >= 3 * 2 + 2 * 2 + 2 + 2, "of each block its patterns, settings, clicks"
    with h5py.File(path, "r") as file:
        inside = [path.read_bytes()]
        file.visititems(lambda _, node: inside.append(contents(node)))
    for part in raw:
        for at in range(0, len(part) - WINDOW, max(WINDOW, len(part) // 64)):
            assert not any(part[at : at + WINDOW] in whole for whole in inside)


def contents(node):
    return node[()].tobytes() if isinstance(node, h5py.Dataset) and node.size else b""


def test_the_search_for_secrets_finds_them(finished):
    """What is public is found in the same way, so that nothing found means nothing there."""
    path, _ = finished
    with RunFile.open(path) as run:
        public = next(r.data for r in run.records("message:alice-to-bob") if len(r.data) > 200)
    with h5py.File(path, "r") as file:
        inside = []
        file.visititems(lambda _, node: inside.append(contents(node)))
    assert any(public[100 : 100 + WINDOW] in whole for whole in inside)


def test_it_replays_with_its_companion_only(finished, tmp_path, capsys):
    path, results = finished
    code, report = replayed(capsys, path)
    assert (code, report["matched"]) == (0, True), report
    code, out, _ = run_qlab(capsys, "replay", path, "--from-data", "--json")
    assert code == 0
    assert json.loads(out)["sifted_bits"] == results["sifted_bits"]

    alone = tmp_path / "run.h5"
    shutil.copy(path, alone)
    for more in ((), ("--from-data",)):
        code, _, said = run_qlab(capsys, "replay", alone, *more)
        assert code == 2, said
        assert "is in its secret companion run.secret.h5, which is not here" in said
        assert "remedy: put the companion beside it" in said
    code, out, _ = run_qlab(capsys, "inspect", alone, "--json")
    assert (code, json.loads(out)["companion"]) == (0, "missing")

    shutil.copy(path.with_name("run.secret.h5"), tmp_path)
    with (tmp_path / "run.secret.h5").open("r+b") as file:
        file.seek(100_000)
        byte = file.read(1)
        file.seek(100_000)
        file.write(bytes([byte[0] ^ 1]))
    code, _, said = run_qlab(capsys, "replay", alone)
    assert code == 8, said
    assert "run.secret.h5" in said


def begin(station, path, line):
    """Start a run and wait until it says that it has come to `line`."""
    process = start_qlab(
        "run", "bb84", "--station", station, "-o", path, hook="commits:0.05", keys=path.parent
    )
    said = []
    for text in process.stderr:
        said.append(text)
        if line in text:
            return process
    process.communicate()
    raise AssertionError(said)


def test_ctrl_c_in_real_time(station, tmp_path, capsys):
    path = tmp_path / "run.h5"
    with begin(station, path, "modulator bias locks") as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert "all outputs are in their safe state" in said
    assert outputs(capsys, station) == [False, 45.0]
    with RunFile.open(path) as run:
        assert (run.sealed, run.status) == (True, RunStatus.ABORTED)
        assert any(r.kind is Kind.ABORT for r in run.records())
    assert replayed(capsys, path)[1]["matched"]


def test_after_a_kill_the_light_is_on_until_it_is_made_safe(station, tmp_path, capsys):
    path = tmp_path / "run.h5"
    with begin(station, path, "blocks sent") as process:
        process.kill()
        process.communicate()
    assert process.returncode == KILLED
    lit, attenuation_db = outputs(capsys, station)
    assert lit is True
    assert attenuation_db < 45.0
    code, out, said = run_qlab(capsys, "station", "safe", "--station", station, "--json")
    assert code == 0, said
    assert not any(step["error"] for step in json.loads(out)["steps"])
    assert outputs(capsys, station) == [False, 45.0]
    code, out, _ = run_qlab(capsys, "inspect", path, "--json")
    assert (code, json.loads(out)["status"]) == (0, "interrupted")
    assert replayed(capsys, path)[1]["matched"]


def test_all_connections_drop(tmp_path, capsys):
    server, station = served(tmp_path)
    path = tmp_path / "run.h5"
    with server, begin(station, path, "modulator bias locks") as process:
        server.kill()
        server.communicate()
        _, said = process.communicate()
    assert process.returncode == 3, said
    assert "Traceback" not in said
    assert f"{path} (failed)" in said
    assert "error: NOT IN THEIR SAFE STATE: laser.channel1.output (laser (" in said
    with RunFile.open(path) as run:
        assert (run.sealed, run.status) == (True, RunStatus.FAILED)
    code, report = replayed(capsys, path)
    assert (code, report["matched"]) == (0, True), report
