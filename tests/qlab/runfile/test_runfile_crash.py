import random
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from runfile_makers import expected_records, tags

from qlab.runfile import child, verify
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus

HERE = Path(__file__).parent
KILLED = (-9, 1) if sys.platform == "win32" else (-9,)


def start(path, operational, *where):
    mode = "operational" if operational else "simulated"
    return subprocess.Popen(
        [sys.executable, str(HERE / "runfile_victim.py"), str(path), mode, *where],
        stdout=subprocess.PIPE,
        text=True,
    )


def check(path, said):
    """Check what a killed writer left against the same records made anew."""
    committed = [int(line.split()[1]) for line in said if line.startswith("commit")]
    if not path.exists():
        assert "start" not in said
        return None
    with RunFile.open(path) as run:
        got = list(run.records())
        assert len(got) >= max(committed, default=0)
        for record, step in zip(got, islice(expected_records(1), len(got)), strict=True):
            assert (record.source, record.data) == (step["source"], step["data"])
            assert (record.kind, record.status) == (step["kind"], step["status"])
            assert (record.session, record.requested) == (step["session"], step["requested"])
        for column, name in enumerate(("data/bob/timestamps", "data/bob/detectors")):
            rows = run.read(name)
            blocks = [tags(n)[column] for n in range(len(rows) // 700)]
            assert np.array_equal(rows, np.concatenate(blocks) if blocks else [])
        assert not run.trust.problem
        if not run.sealed:
            assert run.status is RunStatus.INTERRUPTED
        return run.status


@pytest.fixture
def without_child(monkeypatch):
    """Examine unsealed files in this process: the same code, without starting Python each time.

    The kills between companion and run file, and in a long run, go through the child.
    """
    monkeypatch.setattr(verify, "examine_in_child", child.examine)


@pytest.mark.usefixtures("without_child")
@pytest.mark.parametrize("operational", [False, True], ids=["simulated", "operational"])
def test_killed_at_ten_random_moments(tmp_path, operational):
    rng = random.Random(operational)
    for number in range(10):
        path = tmp_path / f"run{number}.h5"
        with start(path, operational) as victim:
            assert victim.stdout is not None
            first = victim.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.25))
            victim.kill()
            said = [first, *victim.stdout.readlines()]
        assert check(path, [line.strip() for line in said]) is RunStatus.INTERRUPTED


HARD = [
    "container._write_skeleton:after:1",
    "placing.publish:before:1",
    "placing.publish:after:1",
    "placing.discard:after:1",
    "column.Column.settle:after:14",
    "column.Column._write:after:9",
    "column.Column._extend_to:after:9",
    "container.commit_digest:before:4",
    "container.commit_digest:after:4",
    "container.os.fsync:before:5",
    "container.os.fsync:after:5",
    "container.Container.set_status:after:1",
    "container.Container.close:before:1",
    "container.seal:before:1",
    "container.seal:after:1",
]


@pytest.mark.usefixtures("without_child")
@pytest.mark.parametrize("where", HARD)
def test_killed_at_a_hard_moment(tmp_path, where):
    path = tmp_path / "run.h5"
    with start(path, False, where) as victim:
        said = [line.strip() for line in victim.stdout]
    assert victim.returncode in KILLED
    status = check(path, said)
    if where == "container.seal:after:1":
        assert status is RunStatus.COMPLETE
    elif path.exists():
        assert status is RunStatus.INTERRUPTED


@pytest.mark.parametrize(
    "where",
    [
        "placing.publish:after:1",
        "placing.publish:after:2",
        "container.Container.commit:before:5",
        "container.Container.commit:after:5",
        "container.seal:after:1",
    ],
)
def test_killed_between_companion_and_run_file(tmp_path, where):
    path = tmp_path / "run.h5"
    with start(path, True, where) as victim:
        said = [line.strip() for line in victim.stdout]
    assert victim.returncode in KILLED
    assert check(path, said) in (None, RunStatus.INTERRUPTED)


def lines_of_a_run(tmp_path):
    with start(tmp_path / "whole.h5", False, "line:0") as victim:
        said = victim.stdout.read().split()
    return int(said[said.index("lines") + 1])


@pytest.mark.slow
@pytest.mark.usefixtures("without_child")
def test_killed_at_any_line_that_touches_the_disk(tmp_path):
    """A hundred lines spread over the whole run, and every line of its end."""
    total = lines_of_a_run(tmp_path)
    for line in (*range(1, total - 60, total // 100), *range(total - 60, total)):
        path = tmp_path / f"run{line}.h5"
        with start(path, False, f"line:{line}") as victim:
            said = [text.strip() for text in victim.stdout]
        assert victim.returncode in KILLED
        check(path, said)


@pytest.mark.usefixtures("without_child")
def test_killed_at_some_lines_that_touch_the_disk(tmp_path):
    total = lines_of_a_run(tmp_path)
    for line in random.Random(3).sample(range(1, total), 6):
        path = tmp_path / f"run{line}.h5"
        with start(path, False, f"line:{line}") as victim:
            said = [text.strip() for text in victim.stdout]
        assert victim.returncode in KILLED
        check(path, said)


def test_killed_in_a_long_run_of_large_payloads(tmp_path):
    """Chunks in flight through the workers are lost whole, never half believed."""
    path = tmp_path / "run.h5"
    with start(path, False) as victim:
        victim.stdout.readline()
        time.sleep(1.0)
        victim.kill()
        said = [line.strip() for line in victim.stdout]
    assert check(path, ["start", *said]) is RunStatus.INTERRUPTED
