"""The simulated clock bench: `python -m benchmarks.clock_bench`.

Oscillators in bulk, beside allantools' power-law noise (Kasdin and Walter) of as many
points; and the recorded in-process bench with one reading and one steering a second, the
same seconds, and the plant alone beside it. CPU times: the machine may be shared.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import allantools
import numpy as np

from benchmarks.rows import Row, table
from drivers.simulated.plant.clocks import ClockParameters, ClockPlant
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator
from qlab.context import AbortFlag, RunClock, Tap
from qlab.runfile.schema import RunStatus
from qlab.runfile.writer import RunWriter
from qlab.station import Station, load_station

DAY_S, RUN_S, SEEDS = 86_400, 20_000, 5
TIMES_NS = np.arange(DAY_S) * 1_000_000_000


def cpu_s(work: Callable[[int], object], times: int = SEEDS) -> float:
    """Return the CPU time of one call, after one that compiles."""
    work(0)
    began = time.process_time()
    for number in range(1, times + 1):
        work(number)
    return (time.process_time() - began) / times


def a_day(preset: str) -> float:
    parameters = OscillatorParameters.preset(preset)
    return cpu_s(lambda seed: NoisyOscillator(parameters, (seed, 1)).phase_at(TIMES_NS))


def peer(seed: int) -> None:
    noise = allantools.Noise(1 << 17, qd=1e-24, b=-3)
    noise.generateNoise()


def bench_s(seconds: int) -> float:
    """Return the CPU time of so many readings and steerings, recorded, for a day of them."""
    flag = AbortFlag()
    tap = Tap(flag)
    with (
        tempfile.TemporaryDirectory() as folder,
        Station(load_station(None, packaged="clock"), seed=1, recorder=tap) as station,
    ):
        writer = RunWriter.create(
            Path(folder) / "run.h5",
            experiment="clock",
            run_id="benchmark",
            start_utc=datetime.now(UTC),
            config="",
            provenance={},
            operational=False,
            clock=station.clock.now_ns,
        )
        tap.attach(writer)
        clock = RunClock(station.clock, tap, flag)
        [counter], [local] = station.role("counter"), station.role("local")
        for number in (1, 2):
            counter.channel(number).auto_level = False
            counter.channel(number).level_v = 1.0
        local.pll = False
        counter.prepare_intervals()
        began = 0.0
        for second in range(-1000, seconds):
            if second == 0:
                began = time.process_time()
            counter.begin_interval()
            counter.interval_s()
            clock.now_ns()
            local.steering = 1e-12 * (second % 100 - 50)
        took_s = time.process_time() - began
        station.close()
        writer.close(RunStatus.COMPLETE)
    return took_s * DAY_S / seconds


def rows() -> list[Row]:
    plant = cpu_s(lambda seed: ClockPlant(ClockParameters(), seed).truth(TIMES_NS))
    theirs, other = cpu_s(peer), "allantools.Noise"
    found = []
    for name, preset in (("an FS725", "fs725"), ("a 5071A", "5071a-hp")):
        took_s = a_day(preset)
        name = f"a day of {name} in bulk, CPU"
        found.append(Row(name, took_s, "s", took_s / theirs, other, 1.0, True))
    found.append(Row("a day of a clock bench's truth, CPU", plant, "s", plant / theirs, other))
    wire = bench_s(RUN_S)
    name = "a day of readings and steering, recorded, CPU"
    found.append(Row(name, wire, "s", wire / plant, "the plant in bulk", 15.0, True))
    return found


if __name__ == "__main__":
    print(table(rows()))
