"""Runs whose every record is known beforehand, for the tests of the run file."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from drivers.core.context import Kind, Status
from qlab.runfile.schema import DatasetSpec, time_tag_columns
from qlab.runfile.writer import RunWriter

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SOURCES = ("laser", "awg", "clock", "entropy:alice", "run")
DATASETS = (
    *time_tag_columns("data/bob", (1, 256_000_000_000), secret=True),
    DatasetSpec("results/qber", "<f8", {"unit": "1"}, chunk=16),
    DatasetSpec("results/pairs", "<i4", row_shape=(2,), chunk=8),
)


def start_run(path: Path, **changes: Any) -> RunWriter:
    """Start a run; its clock counts nanoseconds from 0, one a call."""
    ticks = count()
    options: dict[str, Any] = {
        "experiment": "bench",
        "run_id": "run-1",
        "start_utc": START,
        "config": "[laser]\naddress = 'GPIB::1'\n",
        "provenance": {"argv": "qlab run bench", "diff": "", "versions": "numpy 2\nµ"},
        "datasets": DATASETS,
        "secret_sources": frozenset({"entropy", "awg"}),
        "operational": False,
        "clock": lambda: next(ticks),
    }
    return RunWriter.create(path, **(options | changes))


def expected_records(seed: int) -> Iterator[dict[str, Any]]:
    """Give the arguments of `RunWriter.record`, without end: mostly short, some megabytes."""
    rng = random.Random(seed)
    block = rng.randbytes(1 << 16)
    while True:
        size = rng.choice((0, 9, 40, 40, 300, 5000, 200_000))
        at = rng.randrange(1000)
        data = (block[at:] * 4)[:size] if rng.random() < 0.5 else bytes([at % 251]) * size
        yield {
            "source": rng.choice(SOURCES),
            "kind": rng.choice(tuple(Kind)),
            "data": data,
            "session": rng.randrange(3),
            "requested": rng.randrange(-1, 1 << 40),
            "status": rng.choice(tuple(Status)),
        }


def tags(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `number`-th block of time tags and detectors."""
    rng = np.random.default_rng(number)
    times = number * 10**12 + np.cumsum(rng.integers(1, 10**6, 700))
    return times, rng.integers(1, 3, 700).astype(np.uint8)


def fill(writer: RunWriter, seed: int, records: int) -> None:
    """Record `records` records, a block of tags and a pair after every tenth."""
    for number, arguments in enumerate(islice(expected_records(seed), records)):
        writer.record(**arguments)
        if number % 10 == 9:
            times, detectors = tags(number // 10)
            writer.append("data/bob/timestamps", times)
            writer.append("data/bob/detectors", detectors)
            writer.append("results/pairs", (number, -number))


def make_run(path: Path, *, records: int = 60, seed: int = 1, **changes: Any) -> Path:
    """Write a complete run file."""
    with start_run(path, **changes) as writer:
        fill(writer, seed, records)
        writer.append("results/qber", [0.01, 0.02])
        writer.result({"sifted_bits": records})
    return path


def make_unfinished(path: Path, *, records: int = 60, **changes: Any) -> Path:
    """Write what a run leaves that is killed after its last commit."""
    import subprocess

    script = (
        "import sys; from pathlib import Path; import runfile_makers as m\n"
        "w = m.start_run(Path(sys.argv[1]), operational=sys.argv[3] == 'True')\n"
        "m.fill(w, 1, int(sys.argv[2]) // 2); w.commit()\n"
        "m.fill(w, 1, int(sys.argv[2]) // 2); w.commit()\n"
        "import os; os._exit(9)\n"
    )
    operational = str(changes.get("operational", False))
    subprocess.run(
        [sys.executable, "-c", script, str(path), str(records), operational],
        cwd=Path(__file__).parent,
        check=False,
        timeout=60,
    )
    return path
