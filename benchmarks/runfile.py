"""How fast a run is recorded and read: `python -m benchmarks.runfile`.

Figures depend on the disk below the temporary directory; set TMPDIR to choose it.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from benchmarks.rows import Row, table
from drivers.core.context import Kind
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import TIME_TAG_CHUNK, time_tag_columns
from qlab.runfile.writer import RunWriter

RECORDS = 300_000
PAYLOAD_BYTES = 8_000_000
PAYLOADS = 40
TAGS = 1_000_000
TAG_BLOCKS = 30
COMMITS = 200


def start(path: Path) -> RunWriter:
    return RunWriter.create(
        path,
        experiment="benchmark",
        run_id="benchmark",
        start_utc=datetime.now(UTC),
        config="",
        provenance={},
        datasets=time_tag_columns("data/bob", (1, 256_000_000_000), secret=False),
        operational=False,
        clock=time.perf_counter_ns,
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def short_records(folder: Path) -> list[Row]:
    message = b"SOUR1:VOLT 1.250\n"
    writer = start(folder / "short.h5")

    def record() -> None:
        for _ in range(RECORDS):
            writer.record("awg", Kind.WRITE, message, session=1, requested=3)

    def write() -> None:
        with (folder / "short").open("wb") as file:
            for _ in range(RECORDS):
                file.write(message)

    recording = timed(record)
    writer.close()
    with RunFile.open(folder / "short.h5") as run:
        reading = timed(lambda: sum(1 for _ in run.records()))
    plain = timed(write)
    return [
        Row("short records", RECORDS / recording, "1/s", plain / recording, "writing to a file"),
        Row("short records, read back", RECORDS / reading, "1/s", recording / reading, "recording"),
    ]


def payloads(folder: Path, name: str, payload: bytes) -> list[Row]:
    path = folder / "payloads.h5"
    writer = start(path)

    def record() -> None:
        for _ in range(PAYLOADS):
            writer.record("awg", Kind.WRITE, payload)
        writer.commit()

    def write() -> None:
        with (folder / "payloads").open("wb") as file:
            for _ in range(PAYLOADS):
                file.write(payload)
            file.flush()
            os.fsync(file.fileno())

    def read() -> None:
        with RunFile.open(path) as run:
            for row in range(PAYLOADS):
                run.payload(row)

    recording, plain = timed(record), timed(write)
    writer.close()
    reading, plain_reading = timed(read), timed((folder / "payloads").read_bytes)
    megabytes = PAYLOADS * len(payload) / 1e6
    path.unlink()
    return [
        Row(f"payloads, {name}", megabytes / recording, "MB/s", plain / recording,
            "writing to a file, fsynced"),
        Row(f"payloads, {name}, checked and read", megabytes / reading, "MB/s",
            plain_reading / reading, "reading a file"),
    ]  # fmt: skip


def time_tags(folder: Path) -> list[Row]:
    """Compare with h5py alone: the same chunks and filters, no checksums, no commits."""
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(256e3, TAGS)).astype(np.int64)
    detectors = rng.integers(1, 3, TAGS).astype(np.uint8)
    path = folder / "tags.h5"
    writer = start(path)

    def append() -> None:
        for _ in range(TAG_BLOCKS):
            writer.append("data/bob/timestamps", times)
            writer.append("data/bob/detectors", detectors)
        writer.commit()

    def plain() -> None:
        with h5py.File(folder / "plain.h5", "w") as file:
            for name, column in (("timestamps", times), ("detectors", detectors)):
                file.create_dataset(
                    name, (0,), column.dtype, maxshape=(None,), chunks=(TIME_TAG_CHUNK,),
                    shuffle=column.itemsize > 1, compression="gzip", compression_opts=1,
                )  # fmt: skip
            for block in range(TAG_BLOCKS):
                for name, column in (("timestamps", times), ("detectors", detectors)):
                    file[name].resize((block + 1) * TAGS, axis=0)
                    file[name][block * TAGS :] = column
            file.flush()

    def plain_read() -> None:
        with h5py.File(folder / "plain.h5") as file:
            _ = file["timestamps"][:], file["detectors"][:]

    def read() -> None:
        with RunFile.open(path) as run:
            _ = run.read("data/bob/timestamps"), run.read("data/bob/detectors")

    count = TAGS * TAG_BLOCKS / 1e6
    appending, peer = timed(append), timed(plain)
    writer.close()
    reading, peer_reading = timed(read), timed(plain_read)
    return [
        Row("time tags to the disk", count / appending, "M/s", peer / appending,
            "h5py, shuffle and gzip 1", 10.0),
        Row("time tags, checked and read", count / reading, "M/s", peer_reading / reading,
            "h5py, shuffle and gzip 1"),
        Row("time tags on the disk", path.stat().st_size / count / 1e6, "B/tag",
            path.stat().st_size / (folder / "plain.h5").stat().st_size,
            "h5py, shuffle and gzip 1"),
    ]  # fmt: skip


def commits(folder: Path) -> list[Row]:
    writer = start(folder / "commits.h5")

    def commit() -> None:
        for _ in range(COMMITS):
            writer.record("awg", Kind.WRITE, b"SOUR1:VOLT 1.250\n")
            writer.commit()

    def bare() -> None:
        with (folder / "commits").open("wb") as file:
            for _ in range(COMMITS):
                file.write(bytes(128))
                file.flush()
                os.fsync(file.fileno())

    committing, syncing = timed(commit) / COMMITS, timed(bare) / COMMITS
    writer.close()
    return [Row("a commit", 1e3 * committing, "ms", committing / syncing, "fsync of 128 bytes")]


def rows() -> list[Row]:
    levels = np.array([-8191, 0, 4000, 8191], "<i2")
    waveform = np.random.default_rng(1).choice(levels, PAYLOAD_BYTES // 2).tobytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            *short_records(folder),
            *payloads(folder, "random", os.urandom(PAYLOAD_BYTES)),
            *payloads(folder, "waveform", waveform),
            *time_tags(folder),
            *commits(folder),
        ]


if __name__ == "__main__":
    print(table(rows()))
