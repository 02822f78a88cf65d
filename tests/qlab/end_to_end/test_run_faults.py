"""Instruments that fail in a run: one line that names them, the others safe, the file kept."""

import json
import threading
import time

import pytest
from end_to_end_runs import bench_text, fault, replayed, run_qlab, start_qlab

from drivers.core.visa import VisaTransport
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runfile.writer import RunWriter

#: Instrument, fault, and what the error says. SCPI units at USB and LAN, serial units, and
#: the tagger's stream; each goes wrong when the run is under way.
FAULTS = [
    ("laser", {"kind": "silent", "after": 6}, "no answer to"),
    ("laser", {"kind": "hang_up", "after": 6, "for_good": True}, "the session broke"),
    ("laser", {"kind": "error", "matching": "STAT 1", "code": -200, "text": "Key lock"}, "-200"),
    ("attenuators", {"kind": "garbage", "after": 12}, "not text"),
    ("attenuators", {"kind": "hang_up", "matching": ":ATT [0-9]", "after": 2}, "session broke"),
    ("generator_alice", {"kind": "error", "matching": "DAC", "code": 781, "text": "Full"}, "781"),
    ("generator_alice", {"kind": "silent", "after": 60}, "no answer to"),
    ("generator_bob", {"kind": "late", "after": 40, "seconds": 60.0}, "no answer to"),
    ("monitor", {"kind": "garbage", "matching": "MEAS|READ", "after": 3}, ""),
    ("monitor", {"kind": "late", "matching": "MEAS|READ", "seconds": 60.0}, "no answer to"),
    ("counter", {"kind": "silent", "after": 2}, "no answer to"),
    ("reference", {"kind": "garbage", "after": 1}, ""),
    ("detector0", {"kind": "silent", "after": 2}, "no answer to"),
    ("detector1", {"kind": "hang_up", "after": 2, "for_good": True}, "the session broke"),
    ("bias", {"kind": "silent", "after": 3}, "no answer to"),
    ("bias", {"kind": "garbage", "after": 3}, ""),
    ("tagger", {"kind": "garbage", "matching": "(?i)counts"}, "time stamps"),
    ("tagger", {"kind": "late", "matching": "(?i)counts", "seconds": 9.0}, "no time stamp"),
    ("tagger", {"kind": "silent", "matching": "(?i)counts"}, "no time stamp"),
    ("tagger", {"kind": "hang_up", "matching": "(?i)counts"}, "the session broke"),
]


def run_with(tmp_path, capsys, *changes):
    """Run on the short bench with changes; return exit code and stderr."""
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(bench_text(None, *changes))
    arguments = ("--station", station, "--seed", 3, "-o", path, "--keys", tmp_path / "keys")
    code, out, said = run_qlab(capsys, "run", "bb84", *arguments, "--json")
    failure = json.loads(out)
    assert (failure["schema"], failure["exit_code"]) == ("qlab.error/1", code)
    assert failure["error"] in said
    return code, said


def check(tmp_path, capsys, stations, name, said):
    """Check error, file, replay, and that all instruments but one are safe."""
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert name in error
    assert "Traceback" not in said
    path = tmp_path / "run.h5"
    assert f"{path} (failed)" in said
    with RunFile.open(path) as run:
        assert (run.sealed, run.status) == (True, RunStatus.FAILED)
        results = run.results[-1]
    assert f"{results['error']}\n" in said
    steps = {step["target"]: step["error"] for step in results["safe_state"]}
    assert len(steps) == 6
    unsafe = {target.partition(".")[0] for target, failed in steps.items() if failed}
    assert unsafe <= {name}
    if unsafe:
        assert error.startswith(f"error: NOT IN THEIR SAFE STATE: {name}")
    else:
        assert error == f"error: {results['error']}"
        assert "all outputs are in their safe state" in said
    (station,) = stations
    bench, later_ns = station.bench, station.bench.time.now_ns() + 10**10
    if "laser" not in unsafe:
        assert bench.plant.truth(later_ns).peak_photons == 0.0
    if "attenuators" not in unsafe:
        channels = bench.devices["attenuators"].channels
        assert all(channels[n].loss_db(later_ns) >= 45.0 for n in (1, 3))
    code, report = replayed(capsys, path)
    assert (code, report["matched"]) == (0, True), report
    assert not list((tmp_path / "keys").glob("*"))


@pytest.mark.parametrize(
    ("name", "table", "words"), FAULTS, ids=[f"{name}-{table['kind']}" for name, table, _ in FAULTS]
)
def test_an_instrument_fails(tmp_path, capsys, stations, name, table, words):
    code, said = run_with(tmp_path, capsys, fault(name, **table))
    assert code == 3, said
    assert words in said
    check(tmp_path, capsys, stations, name, said)


def test_the_stream_breaks_in_the_middle(tmp_path, capsys, stations, monkeypatch):
    append = RunWriter.append

    def appended(self, name, rows):
        append(self, name, rows)
        stations[0].bench.devices["tagger"].sessions[-1].hang_up()

    monkeypatch.setattr(RunWriter, "append", appended)
    code, said = run_with(tmp_path, capsys)
    assert code == 3
    check(tmp_path, capsys, stations, "tagger", said)


def test_two_instruments_fail(tmp_path, capsys, stations):
    """The tagger ends the run; what switches the laser off is lost without a word."""
    silent = fault("laser", kind="silent", matching="STAT 0")
    code, said = run_with(tmp_path, capsys, fault("tagger", kind="silent", after=3), silent)
    assert code == 3
    assert "\nthe tagger gave no time stamp" in said
    assert "error: NOT IN THEIR SAFE STATE: laser.channel1.output" in said
    channels = stations[0].bench.devices["attenuators"].channels
    later_ns = stations[0].bench.time.now_ns() + 10**10
    assert [channels[n].loss_db(later_ns) for n in (1, 3)] == [45.0, 45.0]


def test_a_late_answer_is_waited_for(tmp_path, capsys):
    """Late, but within the time-out, and once lost: no reason to end a run."""
    late = fault("laser", kind="late", seconds=0.5)
    lost = fault("monitor", kind="silent", matching="MEAS|READ", times=1)
    dropped = fault("reference", kind="hang_up", after=1, times=1)
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(bench_text(None, late, lost, dropped))
    code, out, said = run_qlab(capsys, "run", "bb84", "--station", station, "-o", path, "--json")
    assert code == 7, said
    assert json.loads(out)["sifted_bits"] > 0
    assert replayed(capsys, path)[1]["matched"]


def test_in_a_process_of_its_own(tmp_path, capsys):
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(bench_text(None, fault("bias", kind="silent", after=3)))
    with start_qlab("run", "bb84", "--station", station, "-o", path) as process:
        out, said = process.communicate()
    assert (process.returncode, out) == (3, ""), said
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "bias (ASRL3::INSTR): no answer to" in error
    assert "remedy: check that it is switched on" in said
    assert replayed(capsys, path)[1] == replayed(capsys, path)[1] | {
        "matched": True,
        "status": "failed",
    }


@pytest.mark.parametrize("seconds", [0.8, 2.5], ids=["for a while", "to the end"])
def test_an_instrument_hangs(tmp_path, capsys, stations, monkeypatch, seconds):
    """Beyond all time-outs, when the laser is to be switched off at the end."""
    write = VisaTransport.write
    count = []

    def hang(self, data):
        if b"STAT 0" in data:
            count.append(data)
            if len(count) == 2:
                time.sleep(seconds)
        write(self, data)

    monkeypatch.setattr(VisaTransport, "write", hang)
    monkeypatch.setattr("qlab.runner.SAFE_STATE_S", 0.6)
    station, path = tmp_path / "station.toml", tmp_path / "run.h5"
    station.write_text(bench_text())
    code, _, said = run_qlab(capsys, "run", "bb84", "--station", station, "-o", path)
    assert code == 3, said
    assert "error: NOT IN THEIR SAFE STATE: laser.channel1.output (not done within 0.6 s)" in said
    with RunFile.open(path) as run:
        steps = run.results[-1]["safe_state"]
    assert [step["error"] for step in steps] == ["not done within 0.6 s", *[""] * 5]
    code, report = replayed(capsys, path)
    assert (code, report["matched"]) == (0, True), report
    for thread in threading.enumerate():
        if thread.name == "safe state":
            thread.join(5.0)
