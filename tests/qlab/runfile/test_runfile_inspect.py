import dataclasses
import json
import os
import subprocess
import sys

import h5py
from runfile_makers import DATASETS, make_run, make_unfinished, start_run

from drivers.core.context import Kind
from qlab.runfile import liveness, reader
from qlab.runfile.inspect import summarize, verify
from qlab.runfile.liveness import Process, is_alive, this_process
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus, companion_path
from qlab.runfile.seal import seal


def test_a_summary_counts_and_can_be_json(tmp_path):
    ticks = iter(range(0, 10**12, 10**9))
    path = tmp_path / "run.h5"
    with start_run(path, clock=lambda: next(ticks), monotonic=lambda: 0.0) as writer:
        for _ in range(3):
            writer.record("laser", Kind.WRITE, b"four")
            writer.record("laser", Kind.READ, b"!")
        writer.record("run", Kind.LOG, "température 21 °C".encode())
        for number in range(7):
            writer.record("run", Kind.LOG, b"block %d" % number)
        writer.record("run", Kind.ABORT, b"laser off, attenuators at maximum")
        writer.append("results/qber", [0.01, 0.02, 0.03])
        writer.result({"a": 1})
    summary = summarize(path)
    assert summary.records == {"laser": {"write": 3, "read": 3}, "run": {"log": 8, "abort": 1}}
    assert summary.payload_bytes["laser"] == 15
    assert summary.status == "complete"
    assert summary.sealed
    assert summary.companion == "none"
    assert summary.duration_s == 14.0
    assert summary.committed_s == 15.0
    assert summary.commits == 2
    assert summary.problem == ""
    assert summary.file_bytes == path.stat().st_size
    assert summary.results == 1
    assert len(summary.last_words) == 5
    assert summary.last_words[-1] == "14.000 s run abort: laser off, attenuators at maximum"
    tree = {entry.name: entry for entry in summary.tree}
    assert tree["results/qber"].shape == (3,)
    assert tree["results/qber"].attributes == {"unit": "1"}
    assert {spec.name for spec in DATASETS} < set(tree)
    assert json.loads(json.dumps(dataclasses.asdict(summary)))["schema"] == "1.0"


def test_a_run_without_any_record(tmp_path):
    path = tmp_path / "run.h5"
    start_run(path, datasets=()).close()
    summary = summarize(path)
    assert summary.records == {}
    assert summary.duration_s == 0.0


def test_an_interrupted_run_says_how_far_it_got(tmp_path):
    summary = summarize(make_unfinished(tmp_path / "run.h5", records=20))
    assert summary.status == "interrupted"
    assert not summary.sealed
    assert sum(sum(kinds.values()) for kinds in summary.records.values()) == 20


def test_a_companion_that_is_there(tmp_path):
    assert summarize(make_run(tmp_path / "run.h5", operational=True)).companion == "here"


def test_this_process_is_alive_and_a_past_one_is_not():
    assert is_alive(this_process()) is True
    program = (
        "from qlab.runfile.liveness import *; import sys; p = this_process();"
        "sys.stdout.write(f'{p.pid} {p.started}'); sys.stdout.flush(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        pid = os.fspath(str(other.pid))
        said = ""
        while not said.startswith(pid + " ") or len(said) < len(pid) + 10:
            said += other.stdout.read(1)
        other.stdin.close()
        said += other.stdout.read()
        process = Process(this_process().host, other.pid, said.partition(" ")[2])
        other.wait()
    assert is_alive(process) is False


def test_a_process_of_the_same_number_but_another_start_is_another():
    assert is_alive(dataclasses.replace(this_process(), started="1999")) is False


def test_nothing_is_known_of_another_computer():
    assert is_alive(dataclasses.replace(this_process(), host="elsewhere")) is None


def test_a_file_from_another_computer_runs_while_its_commits_are_fresh(tmp_path, monkeypatch):
    path = make_unfinished(tmp_path / "run.h5", records=4)
    monkeypatch.setattr(liveness.platform, "node", lambda: "elsewhere")
    with RunFile.open(path) as run:
        assert run.status is RunStatus.RUNNING
        later = int(run.commits[-1]["wall_ns"]) + 61 * 10**9
        monkeypatch.setattr(reader.time, "time_ns", lambda: later)
        assert run.status is RunStatus.INTERRUPTED


def test_verifying_follows_every_commit_and_the_companion(tmp_path):
    path = make_run(tmp_path / "run.h5", operational=True)
    found = verify(path)
    assert found.good
    assert found.sealed
    assert found.commits == found.commit_rows >= 2
    assert found.companion == "good"
    companion_path(path).unlink()
    assert verify(path).companion == "missing"
    assert verify(make_run(tmp_path / "plain.h5")).companion == "none"
    assert verify(make_unfinished(tmp_path / "half.h5", records=10)).good


def test_a_forged_seal_does_not_deceive_the_chain(tmp_path):
    path = make_run(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        file["data/bob/timestamps"][3] += 1
    seal(path)
    found = verify(path)
    assert not found.good
    assert found.sealed
    assert "does not match" in found.problem


def test_a_companion_of_another_run_is_named(tmp_path):
    path, other = (make_run(tmp_path / f"{n}.h5", operational=True) for n in ("run", "other"))
    companion_path(other).replace(companion_path(path))
    found = verify(path)
    assert not found.good
    assert "not the companion" in found.companion
