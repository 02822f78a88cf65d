"""How fast a run is recorded and read: `python benchmarks/runfile.py`.

Figures depend on the disk below the temporary directory; set TMPDIR to choose it.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from drivers.core.context import Kind
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import time_tag_columns
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


def short_records(path: Path) -> list[tuple[str, float, str]]:
    writer = start(path)

    def record() -> None:
        for _ in range(RECORDS):
            writer.record("awg", Kind.WRITE, b"SOUR1:VOLT 1.250\n", session=1, requested=3)

    recording = timed(record)
    writer.close()
    with RunFile.open(path) as run:
        reading = timed(lambda: sum(1 for _ in run.records()))
    return [
        ("record, short", 1e6 * recording / RECORDS, "us"),
        ("read back, short", 1e6 * reading / RECORDS, "us"),
    ]


def payloads(path: Path, name: str, payload: bytes) -> list[tuple[str, float, str]]:
    writer = start(path)

    def record() -> None:
        for _ in range(PAYLOADS):
            writer.record("awg", Kind.WRITE, payload)
        writer.commit()

    recording = timed(record)
    closing = timed(writer.close)
    total = PAYLOADS * len(payload)

    def read() -> None:
        with RunFile.open(path) as run:
            for row in range(PAYLOADS):
                run.payload(row)

    return [
        (f"{name}, to the disk", total / recording / 1e6, "MB/s"),
        (f"{name}, close and seal", closing, "s"),
        (f"{name}, check and read", total / timed(read) / 1e6, "MB/s"),
        (f"{name}, part of its size", path.stat().st_size / total, ""),
    ]


def time_tags(path: Path) -> list[tuple[str, float, str]]:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(256e3, TAGS)).astype(np.int64)
    detectors = rng.integers(1, 3, TAGS).astype(np.uint8)
    writer = start(path)

    def append() -> None:
        for _ in range(TAG_BLOCKS):
            writer.append("data/bob/timestamps", times)
            writer.append("data/bob/detectors", detectors)
        writer.commit()

    appending = timed(append)
    writer.close()
    with RunFile.open(path) as run:
        reading = timed(lambda: (run.read("data/bob/timestamps"), run.read("data/bob/detectors")))
    count = TAGS * TAG_BLOCKS
    return [
        ("time tags, to the disk", count / appending / 1e6, "M/s"),
        ("time tags, read back", count / reading / 1e6, "M/s"),
        ("time tags, on the disk", path.stat().st_size / count, "B/tag"),
    ]


def commits(path: Path) -> list[tuple[str, float, str]]:
    writer = start(path)

    def commit() -> None:
        for _ in range(COMMITS):
            writer.record("awg", Kind.WRITE, b"SOUR1:VOLT 1.250\n")
            writer.commit()

    committing = timed(commit)
    writer.close()
    return [("commit of one record, fsynced", 1e3 * committing / COMMITS, "ms")]


def main() -> None:
    rng = np.random.default_rng(1)
    samples = PAYLOAD_BYTES // 2
    levels = np.array([-8191, 0, 4000, 8191], "<i2")
    held = np.repeat(rng.choice(levels, samples // 5), 5).tobytes()
    every = rng.choice(levels, samples).tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        rows = [
            *short_records(path / "short.h5"),
            *payloads(path / "random.h5", "random bytes", os.urandom(PAYLOAD_BYTES)),
            *payloads(path / "held.h5", "waveform, 5 samples a level", held),
            *payloads(path / "every.h5", "waveform, a level a sample", every),
            *time_tags(path / "tags.h5"),
            *commits(path / "commits.h5"),
        ]
    for name, figure, unit in rows:
        print(f"{name:42s} {figure:10.3g} {unit}")


if __name__ == "__main__":
    main()
