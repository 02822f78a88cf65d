"""A day of `qlab run clock` through the full stack: `python -m benchmarks.clock_stack`.

One site, a reading and a command each second of virtual time, everything recorded; then the
replay of that file. Wall and CPU time of a day; the file's size.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row, table
from qlab.keystore import KeyStore
from qlab.replay import replay_run
from qlab.runner import run_experiment
from qlab.station import load_station

DAY_S, WARM_S = 86_400.0, 60.0


def run(folder: Path, seconds: float, name: str) -> Path:
    path = folder / name
    outcome = run_experiment(
        "clock",
        load_station(None, "clock"),
        path,
        seed=1,
        overrides={"duration_s": seconds},
        key_store=KeyStore(folder / "keys"),
    )
    if outcome.error is not None:
        raise outcome.error
    return path


def rows() -> list[Row]:
    """Return the time of a day, of its replay, and the size of its file."""
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        replay_run(run(folder, WARM_S, "warm.h5"))  # compiles
        wall, cpu = time.perf_counter(), time.process_time()
        path = run(folder, DAY_S, "day.h5")
        ran_s, ran_cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        wall = time.perf_counter()
        if not replay_run(path).matched:
            raise RuntimeError("the replay of the day differs")
        replayed_s = time.perf_counter() - wall
        megabytes = path.stat().st_size / 1e6
    day = "a day of qlab run clock"
    return [
        Row(f"{day}, full stack", ran_s, "s", ran_cpu_s / ran_s, "CPU of wall time", 20.0, True),
        Row(f"{day}, replayed bit for bit", replayed_s, "s", replayed_s / ran_s, "the run"),
        Row(f"{day}, its file", megabytes, "MB", megabytes * 1e6 / DAY_S, "bytes a reading: ratio"),
    ]


if __name__ == "__main__":
    print(table(rows()))
