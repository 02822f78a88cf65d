import os
import stat
import sys

import h5py
import numpy as np
import pytest
from runfile_makers import START, expected_records, fill, make_run, make_unfinished, start_run

from drivers.core.context import Kind
from qlab.runfile.errors import (
    CompanionMissingError,
    DamagedFileError,
    ForeignFileError,
    RunFileExistsError,
)
from qlab.runfile.export import journal_digest
from qlab.runfile.inspect import summarize
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import Heap, RunStatus, companion_path

SECRET = b"the raw key of this very test run"


@pytest.fixture
def run_path(tmp_path):
    path = tmp_path / "run.h5"
    with start_run(path, operational=True) as writer:
        writer.record("laser", Kind.WRITE, b"SOUR:POW 0.1")
        for _ in range(5000):
            writer.record("entropy:alice", Kind.ENTROPY, SECRET, requested=len(SECRET))
        writer.append("data/bob/timestamps", [1, 2, 3])
        writer.append("data/bob/detectors", np.array([1, 2, 1], np.uint8))
    return path


def test_secrets_are_in_the_companion_alone(run_path):
    with h5py.File(run_path) as file:
        assert SECRET not in file["journal/heap"][:].tobytes()
        assert "data/bob/detectors" not in file
        assert "data/bob/timestamps" not in file
    with h5py.File(companion_path(run_path)) as file:
        assert file["journal/heap"][:].tobytes() == 5000 * SECRET
        assert file["data/bob/detectors"][:].tolist() == [1, 2, 1]


def test_both_together_give_the_whole_run(run_path):
    with RunFile.open(run_path) as run:
        records = list(run.records())
        assert records[0].data == b"SOUR:POW 0.1"
        assert {record.data for record in records[1:]} == {SECRET}
        assert run.read("data/bob/detectors").tolist() == [1, 2, 1]
        assert run.datasets[-1] == "data/bob/detectors"
        assert set(run.index["heap"].tolist()) == {Heap.MAIN, Heap.SECRET}


def test_the_run_file_alone_says_what_is_missing(run_path):
    companion_path(run_path).unlink()
    with RunFile.open(run_path) as run:
        assert run.status is RunStatus.COMPLETE
        assert run.payload(0) == b"SOUR:POW 0.1"
        assert len(list(run.records("laser"))) == 1
        for ask in (
            lambda: run.payload(1),
            lambda: list(run.records()),
            lambda: run.read("data/bob/timestamps"),
            lambda: run.read("data/bob/detectors"),
            lambda: journal_digest(run),
        ):
            with pytest.raises(CompanionMissingError, match=r"run\.secret\.h5"):
                ask()
    assert summarize(run_path).companion == "missing"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists, not modes")
def test_only_the_owner_may_read_it_from_the_first_moment(tmp_path, monkeypatch):
    opened = []
    real_open = os.open

    def watched(path, flags, mode=0o777, **more):
        if flags & os.O_CREAT:
            opened.append((os.fspath(path), flags & os.O_EXCL, mode))
        return real_open(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        make_run(tmp_path / "run.h5", operational=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run.secret.h5").stat().st_mode) == 0o600
    assert all(exclusive for _, exclusive, _ in opened)
    assert [mode for path, _, mode in opened if "secret" in path] == [0o600]


def test_a_simulated_run_is_one_file(tmp_path):
    path = make_run(tmp_path / "run.h5", operational=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]
    with RunFile.open(path) as run:
        assert run.companion is None


def test_neither_file_is_overwritten(tmp_path):
    for name in ("run.h5", "run.secret.h5"):
        taken = tmp_path / name
        taken.write_bytes(b"precious")
        with pytest.raises(RunFileExistsError, match=name):
            start_run(tmp_path / "run.h5", operational=True)
        assert taken.read_bytes() == b"precious"
        assert list(tmp_path.iterdir()) == [taken]
        taken.unlink()


def test_the_companion_of_another_run_is_refused(tmp_path, run_path):
    other = make_run(tmp_path / "other.h5", operational=True)
    companion_path(other).replace(companion_path(run_path))
    with RunFile.open(run_path) as run, pytest.raises(DamagedFileError, match="companion"):
        run.payload(1)


def test_a_twin_of_the_run_has_another_companion(tmp_path):
    """The same run id and the same secrets, but another salt: bound by digest, not by name."""
    ours, twin = (make_run(tmp_path / f"{n}.h5", operational=True) for n in ("ours", "twin"))
    companion_path(twin).replace(companion_path(ours))
    with RunFile.open(ours) as run, pytest.raises(DamagedFileError, match="companion"):
        list(run.records())


def test_a_flipped_bit_in_the_companion_is_found(run_path):
    secret = companion_path(run_path)
    content = bytearray(secret.read_bytes())
    content[len(content) // 2] ^= 4
    secret.write_bytes(content)
    with RunFile.open(run_path) as run, pytest.raises(DamagedFileError, match="seal"):
        run.payload(1)


def test_a_companion_is_not_a_run_file(run_path):
    with pytest.raises(ForeignFileError, match="companion"):
        RunFile.open(companion_path(run_path))


def test_digests_in_the_run_file_do_not_tell_short_secrets(tmp_path):
    """Commits of the same guessable secret differ from run to run."""
    seen = set()
    for number in range(2):
        path = tmp_path / f"run{number}.h5"
        with start_run(path, operational=True) as writer:
            writer.record("entropy:bob", Kind.ENTROPY, b"\x01")
        with RunFile.open(path) as run:
            seen.add(run.commits[-1]["companion"].tobytes())
    assert len(seen) == 2


def test_an_unfinished_pair_is_read_up_to_its_common_commit(tmp_path):
    path = make_unfinished(tmp_path / "run.h5", records=60, operational=True)
    with RunFile.open(path) as run:
        assert run.status is RunStatus.INTERRUPTED
        half = [step["data"] for step, _ in zip(expected_records(1), range(30), strict=False)]
        assert [record.data for record in run.records()] == half + half


def test_where_payloads_lie_does_not_change_the_digest(tmp_path):
    digests = set()
    for operational in (False, True):
        with RunFile.open(make_run(tmp_path / f"{operational}.h5", operational=operational)) as run:
            digests.add(journal_digest(run))
    assert len(digests) == 1


def test_the_digest_forgets_times_and_place_and_nothing_else(tmp_path):
    def digest(name, *, extra=b"", **changes):
        path = tmp_path / name
        with start_run(path, **changes) as writer:
            fill(writer, 2, 40)
            if extra:
                writer.record("laser", Kind.READ, extra)
        with RunFile.open(path) as run:
            return journal_digest(run)

    base = digest("a.h5")
    later = START.replace(year=2030)
    elsewhere = {"argv": "qlab run bench -o elsewhere.h5"}
    assert digest("b.h5", clock=lambda: 77, start_utc=later, provenance=elsewhere) == base
    assert digest("c.h5", extra=b"x") != base
    assert digest("d.h5", experiment="other") != base
    assert digest("e.h5", extra=b"y") != digest("f.h5", extra=b"x")
