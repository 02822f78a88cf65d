import errno
import os
import subprocess
import sys
import textwrap
import threading
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
from runfile_makers import expected_records, fill, make_run, make_unfinished, start_run

from drivers.core.context import Kind
from qlab.runfile import column, container, declaring, placing, seal, verify
from qlab.runfile.errors import (
    DamagedFileError,
    ForeignFileError,
    NewerSchemaError,
    RunFileExistsError,
    RunFileMisuseError,
    RunFileNotFoundError,
    RunFileWriteError,
)
from qlab.runfile.inspect import summarize
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus

HERE = Path(__file__).parent


def test_an_existing_file_is_never_overwritten(tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(b"precious")
    with pytest.raises(RunFileExistsError) as caught:
        start_run(path)
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.remedy
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    really_publish = placing.publish

    def late(draft, final):
        final.write_bytes(b"precious")
        return really_publish(draft, final)

    monkeypatch.setattr(placing, "publish", late)
    with pytest.raises(RunFileExistsError):
        start_run(path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need rights on Windows")
def test_a_dangling_link_is_not_written_through(tmp_path):
    path = tmp_path / "run.h5"
    path.symlink_to(tmp_path / "elsewhere.h5")
    with pytest.raises(RunFileExistsError):
        start_run(path)
    assert not (tmp_path / "elsewhere.h5").exists()


@pytest.mark.parametrize("operational", [False, True])
def test_a_file_system_without_hard_links(tmp_path, monkeypatch, operational):
    def refused(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    path = make_run(tmp_path / "run.h5", operational=operational)
    with RunFile.open(path) as run:
        assert [r.data for r in run.records()] == [
            step["data"] for step in islice(expected_records(1), 60)
        ]
    with pytest.raises(RunFileExistsError):
        start_run(path)
    names = {"run.h5", "run.secret.h5"} if operational else {"run.h5"}
    assert {entry.name for entry in tmp_path.iterdir()} == names


def test_a_system_that_keeps_names_of_open_files(tmp_path, monkeypatch):
    """Windows refuses to remove the draft's name until the file is closed."""
    really_unlink = Path.unlink
    path = tmp_path / "run.h5"

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "unlink", refused)
    writer = start_run(path)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(Path, "unlink", really_unlink)
    writer.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("operational", [False, True])
def test_a_folder_of_the_user_s_is_left_alone(tmp_path, operational):
    """Whatever it is called, and also when it would become empty."""
    folder = tmp_path / "mine.part"
    folder.mkdir()
    make_run(folder / "run.h5", operational=operational)
    names = {"run.h5", "run.secret.h5"} if operational else {"run.h5"}
    assert {entry.name for entry in folder.iterdir()} == names
    empty = tmp_path / "empty.part"
    empty.mkdir()
    placing.discard(placing.new_draft(empty / "run.h5", private=False))
    assert list(empty.iterdir()) == []


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(RunFileWriteError) as caught:
        start_run(tmp_path / "none" / "run.h5")
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["none.h5", "."])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(RunFileNotFoundError):
        RunFile.open(tmp_path / name)


def seal_again(path):
    with path.open("r+b") as file:
        file.write(seal.UNSEALED)
    seal.seal(path)


def test_a_newer_schema_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(declaring, "MAJOR", 2)
    for path in (make_run(tmp_path / "run.h5"), tmp_path / "open.h5"):
        if path.name == "open.h5":
            writer = start_run(path)
            writer.commit()
        with pytest.raises(NewerSchemaError, match=r"its schema is 2\.0") as caught:
            RunFile.open(path)
        assert caught.value.remedy == "update qlab"
        assert "\n" not in str(caught.value)
    writer.close()


def test_a_newer_seal_is_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path / "run.h5")
    monkeypatch.setattr(seal, "_VERSION", 2)
    seal_again(path)
    monkeypatch.undo()
    with pytest.raises(NewerSchemaError, match="seal"):
        RunFile.open(path)


def test_unknown_additions_are_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(declaring, "MINOR", 7)
    path = make_run(tmp_path / "run.h5")
    before = summarize(path)
    with h5py.File(path, "r+") as file:
        file.attrs["mood"] = "good"
        file["weather/outside"] = [1.0, 2.0]
        file["journal"].attrs["colour"] = "blue"
    seal_again(path)
    with RunFile.open(path) as run:
        assert run.schema == (1, 7)
        assert len(list(run.records())) == 60
    assert "weather/outside" in {entry.name for entry in summarize(path).tree}
    assert summarize(path).records == before.records


def test_a_record_of_an_unknown_kind_is_left_out(tmp_path):
    path = tmp_path / "run.h5"
    with start_run(path) as writer:
        writer.record("laser", Kind.WRITE, b"a")
        writer.record("laser", 99, b"from a later version")
        writer.record("laser", Kind.READ, b"b")
    with RunFile.open(path) as run:
        assert [record.data for record in run.records()] == [b"a", b"b"]
    assert summarize(path).records == {"laser": {"read": 1, "write": 1, "kind 99": 1}}


def test_hdf5_of_another_program_behind_our_block_is_foreign(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = [1, 2, 3]
    with pytest.raises(ForeignFileError):
        RunFile.open(path)
    for content in (seal.UNSEALED, None):
        if content is None:
            seal.seal(path)
        else:
            with path.open("r+b") as file:
                file.write(content)
        with pytest.raises(ForeignFileError, match="another program"):
            RunFile.open(path)


def test_a_run_file_without_its_journal_is_damaged(tmp_path):
    path = make_run(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        del file["journal/index"]
    seal_again(path)
    with pytest.raises(DamagedFileError):
        RunFile.open(path)


def test_a_dataset_that_leads_out_of_the_file_is_refused(tmp_path):
    other = make_run(tmp_path / "other.h5")
    path = make_run(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        del file["data/bob/timestamps"]
        file["data/bob/timestamps"] = h5py.ExternalLink(str(other), "data/bob/timestamps")
    seal_again(path)
    with pytest.raises(DamagedFileError, match="not stored in this file"):
        RunFile.open(path)


FULL_DISK = [
    (column.Column, "_write"),
    (column.Column, "settle"),
    (column.Column, "_extend_to"),
    (container.os, "fsync"),
]


@pytest.mark.parametrize(("owner", "name"), FULL_DISK, ids=[name for _, name in FULL_DISK])
def test_a_full_disk_is_said_once_and_leaves_a_readable_file(tmp_path, monkeypatch, owner, name):
    path = tmp_path / "run.h5"
    writer = start_run(path)
    fill(writer, 1, 20)
    writer.commit()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        with pytest.raises(RunFileWriteError, match="No space left") as caught:
            for step in islice(expected_records(1), 20, 10_000):
                writer.record(**step)
        assert "committed" in caught.value.remedy
    writer.record("laser", Kind.WRITE, b"to the safe state")
    writer.commit()
    writer.result({})
    writer.append("data/bob/timestamps", [1])
    with RunFile.open(path) as run:
        assert run.status is RunStatus.INTERRUPTED
        got = [record.data for record in run.records()]
    assert len(got) >= 20
    assert got == [step["data"] for step in islice(expected_records(1), len(got))]
    with pytest.raises(RunFileWriteError):
        writer.close()


def test_a_seal_that_cannot_be_written_is_no_complete_run(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    writer = start_run(path)
    fill(writer, 1, 20)

    def full(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(container, "seal", full)
    with pytest.raises(RunFileWriteError, match="Input/output"):
        writer.close()
    with RunFile.open(path) as run:
        assert not run.sealed
        assert len(run.index) == 20
        # The process that wrote it lives on, but no longer writes.
        assert run.status is RunStatus.INTERRUPTED


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_the_system_refusing_to_let_the_file_grow(tmp_path):
    """A real write error, from the kernel to HDF5: the process ends in order."""
    script = """
        import resource, signal, sys
        from pathlib import Path
        import runfile_makers as m
        from qlab.runfile.errors import RunFileWriteError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
        writer = m.start_run(Path(sys.argv[1]))
        done = 0
        try:
            for step in m.expected_records(1):
                writer.record(**step)
                done += 1
                if done % 20 == 0:
                    writer.commit()
        except RunFileWriteError as error:
            sys.stdout.write(str(done))
        writer.record("laser", m.Kind.WRITE, b"OUTP OFF")
        try:
            writer.close()
        except RunFileWriteError:
            sys.exit(3)
    """
    path = tmp_path / "run.h5"
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    with RunFile.open(path) as run:
        got = [record.data for record in run.records()]
        assert len(got) >= int(ran.stdout) // 20 * 20 - 20
        assert len(got) > 0
        assert got == [step["data"] for step in islice(expected_records(1), len(got))]
        assert run.status is RunStatus.INTERRUPTED


def test_an_interrupt_in_the_middle_of_a_commit_ends_the_file_honestly(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    writer = start_run(path)
    fill(writer, 1, 20)
    writer.commit()
    fill(writer, 2, 20)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(container, "commit_digest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.commit()
    with pytest.raises(RunFileWriteError):
        writer.close()
    with RunFile.open(path) as run:
        assert run.status is RunStatus.INTERRUPTED
        assert len(run.index) == 20


READ_IT = """
from pathlib import Path
import sys, time
from qlab.runfile.reader import RunFile
with RunFile.open(Path(sys.argv[1])) as run:
    data = [r.data for r in run.records()]
    sys.stdout.write(f"{run.status} {len(data)} {sum(map(len, data))} {run.rows('results/pairs')}")
"""


def test_a_running_file_is_read_while_it_grows(tmp_path):
    path = tmp_path / "run.h5"
    expected = [len(step["data"]) for step in islice(expected_records(1), 10)]
    with start_run(path, monotonic=lambda: 0.0) as writer:
        for number in range(1, 3):
            fill(writer, 1, 10)
            writer.commit()
            writer.record("laser", Kind.WRITE)  # not committed
            seen = subprocess.run(
                [sys.executable, "-c", READ_IT, str(path)],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            ).stdout.split()
            assert seen == [
                "running",
                str(11 * number - 1),
                str(number * sum(expected)),
                str(number),
            ]


def test_a_file_read_over_and_over_while_it_grows_fast(tmp_path):
    """No reading ever meets a torn file."""
    path = tmp_path / "run.h5"
    victim = [sys.executable, str(HERE / "runfile_victim.py"), str(path), "simulated"]
    with subprocess.Popen(victim, stdout=subprocess.PIPE, text=True) as writing:
        writing.stdout.readline()
        threading.Thread(target=writing.stdout.read, daemon=True).start()
        lengths = []
        for _ in range(2):
            with RunFile.open(path) as run:
                assert run.status is RunStatus.RUNNING
                got = list(run.records())
            lengths.append(len(got))
            for record, step in zip(got, expected_records(1), strict=False):
                assert record.data == step["data"]
        writing.kill()
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_the_writing_process_itself_cannot_read_it_yet(tmp_path):
    path = tmp_path / "run.h5"
    with start_run(path) as writer:
        for _ in range(2):
            writer.record("laser", Kind.WRITE, b"a")
            writer.commit()
            with pytest.raises(RunFileMisuseError, match="still writing"):
                RunFile.open(path)
    with RunFile.open(path) as run:
        assert len(run.index) == 2


def test_many_threads_write_one_journal(tmp_path):
    path = tmp_path / "run.h5"

    def work(name):
        for number in range(300):
            writer.record(name, Kind.WRITE, b"%d" % number * 50)

    with start_run(path) as writer:
        threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with RunFile.open(path) as run:
        for n in range(4):
            own = [record.data for record in run.records(f"s{n}")]
            assert own == [b"%d" % number * 50 for number in range(300)]


def test_an_unfinished_file_is_not_changed_by_reading(tmp_path):
    path = make_unfinished(tmp_path / "run.h5")
    before = path.read_bytes(), path.stat().st_mtime_ns
    with RunFile.open(path) as run:
        list(run.records())
        run.read("data/bob/timestamps")
    summarize(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.chmod(0o444)
    with RunFile.open(path) as run:
        assert len(run.index) == 60


def test_commits_that_do_not_hold_are_not_believed(tmp_path):
    """A changed payload of the second commit leaves the first."""
    path = make_unfinished(tmp_path / "run.h5", records=40)
    with RunFile.open(path) as run:
        second = run.commits[1]["lengths"]
        assert len(run.index) == 40
        rows = int(second[0])
    with h5py.File(path, "r", swmr=True, locking=False) as file:
        where = file["journal/index"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where + (rows + 3) * 57] ^= 1
    path.write_bytes(content)
    with RunFile.open(path) as run:
        assert len(run.index) == rows
        assert "commit 2" in run.trust.problem
    assert summarize(path).problem == run.trust.problem


def test_a_child_that_hangs_or_dies_is_a_damaged_file(tmp_path, monkeypatch):
    path = make_unfinished(tmp_path / "run.h5", records=4)
    really_run = subprocess.run

    def instead(code):
        def run(command, **options):
            return really_run([sys.executable, "-c", code], **options)

        return run

    for code, said in (
        ("while True: pass", "does not come to an end"),
        ("import os; os.abort()", "fails on reading"),
        ("print('{')", "fails on reading"),
        ("print('[1]')", "fails on reading"),
    ):
        monkeypatch.setattr(verify.subprocess, "run", instead(code))
        with pytest.raises(DamagedFileError, match=said):
            verify.examine_in_child(path, "main", seconds=1)


def test_a_shadowing_package_is_not_imported_by_the_child(tmp_path, monkeypatch):
    path = make_unfinished(tmp_path / "run.h5", records=4)
    (tmp_path / "h5py.py").write_text("raise SystemExit('shadow')")
    monkeypatch.chdir(tmp_path)
    with RunFile.open(path) as run:
        assert run.status is RunStatus.INTERRUPTED


def test_giving_up_changes_the_status_and_nothing_else(tmp_path):
    path = tmp_path / "run.h5"
    writer = start_run(path)
    fill(writer, 1, 20)
    writer.commit()
    before = path.read_bytes()
    writer._main.give_up()
    after = path.read_bytes()
    at = before.index(b"running\0\0\0\0\0\0\0\0\0")
    # Closing clears the mark of the open writer in the superblock, with its checksum.
    superblock = range(512, 512 + 48)
    changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert after[at : at + 16] == b"interrupted\0\0\0\0\0"
    assert [n for n in changed if n not in superblock and not at <= n < at + 16] == []


def forge(path, change):
    """Change a closed file through HDF5 and seal it again."""
    with h5py.File(path, "r+") as file:
        change(file)
    seal_again(path)


def write(name, where, value):
    def change(file):
        rows = file[name][:]
        rows[where] = value
        file[name][:] = rows

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file["status"].write_direct(np.array(b"glorious", "S16")), "attributes"),
        (write("results/json", 3, 0), "JSON"),
        (write("journal/sources", slice(None), ord("x")), "source"),
        (lambda file: file.attrs.__setitem__("start_utc", "yesterday"), "attributes"),
        (lambda file: file["commits"].attrs.__setitem__("datasets", "[1]"), "commits"),
        (lambda file: file["commits"].resize(0, axis=0), "commit"),
    ],
)
def test_a_forged_file_gives_an_error_of_the_tree(tmp_path, change, said):
    path = make_run(tmp_path / "run.h5", records=10)
    forge(path, change)
    with pytest.raises(DamagedFileError, match=said):
        summarize(path)


def test_a_record_that_points_outside_the_heap_is_damage(tmp_path):
    path = make_run(tmp_path / "run.h5", records=10)

    def far(file):
        rows = file["journal/index"][:]
        rows["offset"] = 2**63
        rows["length"] = 2**40
        file["journal/index"][:] = rows

    forge(path, far)
    with RunFile.open(path) as run, pytest.raises(DamagedFileError, match="heap"):
        list(run.records())
