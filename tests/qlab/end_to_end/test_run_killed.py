"""kill -9 at any moment: no file, or one that says what happened up to its last commit."""

import json
import random
import sys
import time

import pytest
from end_to_end_runs import (
    KILLED,
    bench_text,
    data,
    is_prefix,
    records,
    replayed,
    run_qlab,
    start_qlab,
    wait_for,
)

from qlab.runfile import child as examiner
from qlab.runfile import inspect, verify

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

SEED = 11


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The run that the others would have been: its file, records, data and wall time."""
    folder = tmp_path_factory.mktemp("reference")
    station, path = folder / "station.toml", folder / "whole.h5"
    station.write_text(bench_text())
    with start(station, path) as process:
        assert wait_for(path.exists, process)
        began = time.monotonic()
        _, said = process.communicate()
    assert process.returncode == 7, said
    return station, records(path), data(path), time.monotonic() - began


def start(station, path, hook="commits:0.03"):
    arguments = ("run", "bb84", "--station", station, "--seed", SEED, "-o", path)
    return start_qlab(*arguments, hook=hook, keys=path.parent / "keys")


def check(capsys, path, reference):
    """Inspect and replay what a killed run left; return what `inspect` said."""
    _, whole, columns, _ = reference
    code, out, said = run_qlab(capsys, "inspect", path, "--verify", "--json")
    assert code == 0, said
    facts = json.loads(out)
    assert facts["status"] == ("complete" if facts["sealed"] else "interrupted")
    assert not facts["problem"]
    kept = records(path)
    assert kept == whole[: len(kept)]
    for name, rows in data(path).items():
        assert is_prefix(rows, columns[name])
    code, report = replayed(capsys, path)
    assert (code, report["matched"], report["divergence"]) == (0, True, None)
    noted = sum(facts["records"].get("run", {}).values())
    assert report["exchanges"] == report["records"] - noted == len(kept)
    return facts | {"kept": len(kept)}


@pytest.fixture
def without_child(monkeypatch):
    """Examine unsealed files in this process: the same code, without starting Python each time.

    The kills at hard moments are read as users do, by way of the child.
    """
    monkeypatch.setattr(verify, "examine_in_child", examiner.examine)
    monkeypatch.setattr(inspect, "examine_in_child", examiner.examine)


@pytest.mark.usefixtures("without_child")
def test_killed_at_twenty_random_moments(tmp_path, capsys, reference):
    """Ten moments by the clock, wherever they fall, and ten by the number of the record."""
    station, whole, _, duration_s = reference
    rng = random.Random(2)
    for number in range(10):
        path = tmp_path / f"clock{number}.h5"
        with start(station, path) as process:
            assert wait_for(path.exists, process)
            time.sleep(rng.uniform(0.0, duration_s))
            process.kill()
            process.communicate()
        check(capsys, path, reference)
    kept = []
    for number in range(10):
        path = tmp_path / f"record{number}.h5"
        nth = rng.randrange(len(whole) // 10, len(whole))
        record = f"commits:0.01;qlab.runfile.writer.RunWriter.record:after:{nth}:kill"
        with start(station, path, record) as process:
            process.communicate()
        assert process.returncode == KILLED
        kept.append(check(capsys, path, reference)["kept"])
    assert all(0 < count < len(whole) for count in kept)


HARD = {
    "before the file has its name": "qlab.runfile.placing.publish:before:1:kill",
    "after the file has its name": "qlab.runfile.placing.publish:after:1:kill",
    "before rows are written": "qlab.runfile.column.Column.settle:before:40:kill",
    "after rows are written": "qlab.runfile.column.Column.settle:after:40:kill",
    "before a commit is on the disk": "qlab.runfile.container.os.fsync:before:5:kill",
    "after a commit is on the disk": "qlab.runfile.container.os.fsync:after:5:kill",
    "on the way to the safe state": "qlab.station.Station.to_safe_state:before:2:kill",
    "before the results": "qlab.runfile.writer.RunWriter.result:before:1:kill",
    "after the status": "qlab.runfile.container.Container.set_status:after:1:kill",
    "before the seal": "qlab.runfile.container.seal:before:1:kill",
    "after the seal": "qlab.runfile.container.seal:after:1:kill",
}


@pytest.mark.parametrize("moment", HARD)
def test_killed_at_a_hard_moment(tmp_path, capsys, reference, moment):
    path = tmp_path / "run.h5"
    with start(reference[0], path, f"commits:0.03;{HARD[moment]}") as process:
        _, said = process.communicate()
    assert process.returncode == KILLED, said
    if moment == "before the file has its name":
        assert not path.exists()
        return
    facts = check(capsys, path, reference)
    assert facts["sealed"] is (moment == "after the seal")
    if moment in ("before the seal", "after the seal"):
        assert facts["kept"] == len(reference[1])
