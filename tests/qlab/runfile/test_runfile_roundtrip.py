import struct
from itertools import count, islice

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runfile_makers import DATASETS, START, expected_records, fill, make_run, start_run, tags

from drivers.core.context import Kind, Recorder, Status
from qlab.runfile.errors import RunFileMisuseError
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import (
    CHUNK_LIMIT,
    INDEX,
    INDEX_ROW,
    DatasetSpec,
    RunStatus,
    companion_path,
)

RECORDS = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["a", "b", "entropy:x", "Ω ", ""]),
        "kind": st.sampled_from(Kind),
        "data": st.one_of(
            st.binary(max_size=60),
            st.integers(0, 300_000).map(lambda size: bytes(range(256)) * (size // 256)),
        ),
        "session": st.integers(0, 2**32 - 1),
        "requested": st.integers(-(2**63), 2**63 - 1),
        "status": st.sampled_from(Status),
    }
)
STEPS = st.lists(st.one_of(RECORDS, st.just("commit"), st.just("result")), max_size=25)


@given(steps=STEPS, operational=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_is_recorded_is_read_back(tmp_path_factory, steps, operational):
    path = tmp_path_factory.mktemp("any") / "run.h5"
    expected, results, last = [], [], 0
    with start_run(path, operational=operational) as writer:
        for step in steps:
            if step == "commit":
                writer.commit()
            elif step == "result":
                results.append({"number": len(results), "nothing": None, "text": "\u2028µ\n"})
                writer.result(results[-1])
            else:
                writer.record(**step)
                expected.append(step)
    with RunFile.open(path) as run:
        got = list(run.records())
        assert [record.data for record in got] == [step["data"] for step in expected]
        for number, (record, step) in enumerate(zip(got, expected, strict=True)):
            assert record.sequence == number
            assert record.source == step["source"]
            assert record.session == step["session"]
            assert record.kind is step["kind"]
            assert record.status is step["status"]
            assert record.requested == step["requested"]
            assert record.time_ns >= last
            last = record.time_ns
        for source in {step["source"] for step in expected}:
            own = list(run.records(source))
            assert own == [record for record in got if record.source == source]
            assert [record.source_sequence for record in own] == list(range(len(own)))
        assert list(run.results) == results
        assert run.status is RunStatus.COMPLETE


@given(
    sizes=st.lists(st.integers(0, 90), max_size=12),
    commits=st.integers(1, 4),
    chunk=st.integers(1, 40),
    dtype=st.sampled_from(["<i8", ">i4", "u1", "<f8", "<i2,<f4", "S3", "<c16"]),
    row_shape=st.sampled_from([(), (2,), (3, 2)]),
)
@settings(max_examples=40, deadline=None)
def test_datasets_of_any_shape_and_chunking(
    tmp_path_factory, sizes, commits, chunk, dtype, row_shape
):
    path = tmp_path_factory.mktemp("any") / "run.h5"
    spec = DatasetSpec("data/x", dtype, {"unit": "s"}, chunk=chunk, row_shape=row_shape)
    rng = np.random.default_rng(len(sizes))
    width = np.dtype(dtype).itemsize * int(np.prod(row_shape, dtype=int))
    blocks = [
        # Bytes below 128 and not zero: no NaN, and no trailing zeros for HDF5 to drop.
        np.frombuffer(rng.integers(1, 127, n * width, np.uint8).tobytes(), dtype).reshape(
            n, *row_shape
        )
        for n in sizes
    ]
    with start_run(path, datasets=[spec]) as writer:
        for number, block in enumerate(blocks):
            writer.append("data/x", block)
            if number % commits == 0:
                writer.commit()
    expected = np.zeros((sum(sizes), *row_shape), dtype)
    if sizes:
        np.concatenate(blocks, out=expected)
    with RunFile.open(path) as run:
        assert run.rows("data/x") == len(expected)
        got = run.read("data/x")
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)
        assert np.array_equal(run.read("data/x", 3, 17), expected[3:17])
        assert run.attributes("data/x") == {"unit": "s"}


def test_a_whole_run(tmp_path):
    path = make_run(tmp_path / "run.h5", records=300)
    with RunFile.open(path) as run:
        assert run.experiment == "bench"
        assert run.run_id == "run-1"
        assert run.start_utc == START
        assert run.schema == (1, 0)
        assert run.config == "[laser]\naddress = 'GPIB::1'\n"
        assert run.provenance == {
            "argv": "qlab run bench",
            "diff": "",
            "versions": "numpy 2\nµ",
        }
        assert run.datasets == tuple(spec.name for spec in DATASETS)
        assert run.attributes("data/bob/timestamps") == {"tick_s": [1, 256_000_000_000]}
        expected = list(islice(expected_records(1), 300))
        for row in (299, 0, 17, 150):
            assert run.payload(row) == expected[row]["data"]
        assert np.array_equal(
            run.read("data/bob/timestamps"), np.concatenate([tags(n)[0] for n in range(30)])
        )
        assert np.array_equal(
            run.read("data/bob/detectors"), np.concatenate([tags(n)[1] for n in range(30)])
        )
        assert run.read("results/pairs")[-1].tolist() == [299, -299]
        assert run.results == ({"sifted_bits": 300},)


def test_any_hdf5_reader_can_read_it(tmp_path):
    """Filters and layout are plain HDF5; nothing needs this package."""
    path = make_run(tmp_path / "run.h5")
    with h5py.File(path) as file:
        assert file["data/bob/timestamps"].shape == (6 * 700,)
        assert file["data/bob/timestamps"].chunks == (65536,)
        assert file["data/bob/timestamps"].compression == "gzip"
        assert np.array_equal(
            file["data/bob/timestamps"][:], np.concatenate([tags(n)[0] for n in range(6)])
        )
        assert file["status"][()] == b"complete"
        assert file["journal/index"].dtype == INDEX


def test_the_row_packed_by_hand_is_the_row_of_the_file():
    values = (1, 2, -3, -4, 5, 6, 7, 8, 9, 10, 1)
    row = np.frombuffer(INDEX_ROW.pack(*values), INDEX)[0]
    assert row.tolist() == values
    assert INDEX_ROW.size == INDEX.itemsize


def test_full_chunks_are_compressed_where_it_pays(tmp_path):
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.exponential(1e6, 4 * 65536)).astype("<i8")
    wave = np.repeat(rng.integers(0, 4, 100_000) * 8191, 10).astype("<i2").tobytes()
    path = tmp_path / "run.h5"
    with start_run(path, monotonic=lambda: 0.0) as writer:
        writer.record("awg", Kind.WRITE, wave)
        writer.record("awg", Kind.WRITE, rng.bytes(1 << 20))
        writer.append("data/bob/timestamps", times)
    with h5py.File(path) as file:
        assert file["data/bob/timestamps"].id.get_storage_size() < 0.5 * times.nbytes
        heap = file["journal/heap"].id.get_storage_size()
        assert 1 << 20 < heap < (1 << 20) + 0.3 * len(wave)


def test_growing_by_small_commits_costs_no_more_than_the_data(tmp_path):
    """Chunks on the disk are rewritten where they lie: hundreds of commits leave no holes."""
    path = tmp_path / "run.h5"
    with start_run(path) as writer:
        for number in range(300):
            writer.record("laser", Kind.READ, b"%d" % number)
            writer.commit()
    assert path.stat().st_size < 600_000


def test_a_writer_is_a_recorder_and_takes_any_buffer(tmp_path):
    path = tmp_path / "run.h5"
    numbers = np.arange(50_000, dtype="<i2")
    changing = bytearray(b"x" * 300_000)
    with start_run(path) as writer:
        recorder: Recorder = writer
        recorder.record("awg", Kind.WRITE, memoryview(numbers))
        recorder.record("awg", Kind.WRITE, changing)
        changing[:] = b"y" * len(changing)
        recorder.record("awg", Kind.READ, bytearray(b"abc"))
    with RunFile.open(path) as run:
        assert [record.data for record in run.records()] == [
            numbers.tobytes(),
            b"x" * 300_000,
            b"abc",
        ]


def test_an_array_may_change_after_it_was_appended(tmp_path):
    path = tmp_path / "run.h5"
    block = np.arange(200_000, dtype=np.int64)
    with start_run(path) as writer:
        writer.append("data/bob/timestamps", block)
        block[:] = 0
    with RunFile.open(path) as run:
        assert np.array_equal(run.read("data/bob/timestamps"), np.arange(200_000))


def test_a_commit_comes_by_itself_when_time_or_amount_say_so(tmp_path):
    now = [0.0]
    path = tmp_path / "run.h5"
    with start_run(path, monotonic=lambda: now[0]) as writer:
        for _ in range(3):
            writer.record("laser", Kind.WRITE, b"a")
        now[0] = 0.6
        writer.record("laser", Kind.WRITE, b"b")
        writer.record("laser", Kind.WRITE, b"c")
        for _ in range(5):
            writer.record("laser", Kind.WRITE, bytes(8 << 20))
        writer.append("data/bob/timestamps", np.zeros(4 << 20, np.int64))
    with RunFile.open(path) as run:
        assert run.commits["lengths"][:, 0].tolist() == [0, 4, 9, 10, 10]


def test_committing_nothing_adds_no_row(tmp_path):
    path = tmp_path / "run.h5"
    with start_run(path) as writer:
        writer.commit()
        writer.commit()
    with RunFile.open(path) as run:
        assert len(run.commits) == 2


@pytest.mark.parametrize("status", [RunStatus.COMPLETE, RunStatus.ABORTED, RunStatus.FAILED])
def test_the_status_is_what_was_said_last(tmp_path, status):
    path = tmp_path / "run.h5"
    writer = start_run(path)
    writer.set_status(RunStatus.FAILED)
    writer.close(status)
    writer.close()
    with RunFile.open(path) as run:
        assert run.status is status
    with h5py.File(path) as file:
        assert file["status"][()].decode() == status


def test_an_exception_makes_a_failed_run(tmp_path):
    path = tmp_path / "run.h5"
    with pytest.raises(ZeroDivisionError), start_run(path) as writer:
        writer.record("laser", Kind.WRITE, b"a")
        _ = 1 / 0
    with RunFile.open(path) as run:
        assert run.status is RunStatus.FAILED
        assert len(run.index) == 1


def test_misuse_is_refused_and_spoils_nothing(tmp_path):
    path = tmp_path / "run.h5"
    writer = start_run(path)
    for name, rows in (
        ("data/none", [1]),
        ("journal/heap", [1]),
        ("data/bob/timestamps", [1.5]),
        ("results/pairs", [[1, 2, 3]]),
        ("results/qber", [[1.0]]),
    ):
        with pytest.raises(RunFileMisuseError):
            writer.append(name, rows)
    with pytest.raises(RunFileMisuseError):
        writer.record("two\nlines", Kind.WRITE)
    with pytest.raises(struct.error):
        writer.record("laser", Kind.WRITE, b"lost", session=-1)
    with pytest.raises(ValueError, match="JSON"):
        writer.result({"x": float("nan")})
    with pytest.raises(RunFileMisuseError):
        writer.set_status(RunStatus.RUNNING)
    fill(writer, 1, 20)
    writer.close()
    with pytest.raises(RunFileMisuseError):
        writer.record("laser", Kind.WRITE)
    with RunFile.open(path) as run:
        assert [r.data for r in run.records()] == [
            step["data"] for step in islice(expected_records(1), 20)
        ]
        with pytest.raises(RunFileMisuseError):
            run.read("data/none")


@pytest.mark.parametrize(
    "changes",
    [
        {"datasets": [DatasetSpec("data/x", "u1"), DatasetSpec("data/x", "u1")]},
        {"datasets": [DatasetSpec("data/x", "u1"), DatasetSpec("data/x/y", "u1")]},
        {"provenance": {"a/b": "text"}},
        {"start_utc": START.replace(tzinfo=None)},
    ],
)
def test_a_wrong_declaration_leaves_no_file(tmp_path, changes):
    with pytest.raises(RunFileMisuseError):
        start_run(tmp_path / "run.h5", **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "journal/x"},
        {"name": "data"},
        {"name": "data//x"},
        {"name": "results/json"},
        {"name": "data/x", "dtype": object},
        {"name": "data/x", "chunk": 0},
        {"name": "data/x", "chunk": CHUNK_LIMIT},
    ],
)
def test_a_wrong_dataset_is_refused(arguments):
    with pytest.raises(RunFileMisuseError):
        DatasetSpec(**({"dtype": "<i8"} | arguments))


def test_no_draft_is_left(tmp_path):
    make_run(tmp_path / "run.h5", operational=True)
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {"run.h5", "run.secret.h5"}
    assert companion_path(tmp_path / "run.h5").name == "run.secret.h5"


def test_the_clock_is_asked_once_a_record(tmp_path):
    ticks = count(100)
    path = tmp_path / "run.h5"
    with start_run(path, clock=lambda: next(ticks), monotonic=lambda: 0.0) as writer:
        for _ in range(3):
            writer.record("laser", Kind.WRITE)
    with RunFile.open(path) as run:
        assert run.index["time_ns"].tolist() == [100, 101, 102]
