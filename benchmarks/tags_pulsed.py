"""Pulsed sources without a beacon: how fast, how well, and what it costs in errors.

Run with ``python -m benchmarks.tags_pulsed``. Tags of a 10 MHz source are simulated with a
clock that is 5 ppm off. Errors of rate and phase stand beside their Cramér–Rao bounds: of n
tags of spread sigma uniformly over a span of K periods, ``sigma sqrt(12 / n) / K`` periods
for the period, and ``sigma sqrt(2 / n)`` for the mean square of the phase along the span.
The error rates are those of `qlab run bb84` on the packaged benches, with the marker and with
``--sync photons``; their difference is shown over its standard deviation, from how the
runs' rates scatter: the optics drift anew in each.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.rows import Row, table
from protocols.timetags.repetition.errors import NoRepetitionError
from protocols.timetags.repetition.spectrum import find_line
from protocols.timetags.repetition.strings import find_string, public_string
from protocols.timetags.repetition.tracking import Track, follow

_T = TypeVar("_T")
_PERIOD = 100_000  # ps, which are the ticks
_OFF = 5e-6
_SPREAD = 300.0
_SPAN = 10**12
_SEEDS = 40
_STRING = 65_536
_RUNS = 6


def pulses(seed: int, count: int, dark: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tags of one second in ps, and where their pulses are; nan for dark counts."""
    rng = np.random.default_rng(seed)
    true = _PERIOD * (1 + _OFF)
    centres = np.sort(rng.integers(0, int(_SPAN / true), count)) * true + rng.uniform(0, true)
    times = np.concatenate([centres + rng.normal(0, _SPREAD, count), rng.uniform(0, _SPAN, dark)])
    order = np.argsort(times)
    centres = np.concatenate([centres, np.full(dark, np.nan)])
    return np.rint(times[order]).astype(np.int64), centres[order]


def tracked(ticks: np.ndarray) -> Track:
    """Find and follow the pulses."""
    return follow(ticks, float(_PERIOD), find_line(ticks, Fraction(_PERIOD), 200.0))


def timed(function: Callable[..., _T], *args: Any) -> tuple[float, _T]:
    """Return the shortest of three wall times of a call, and its result."""
    best, result = math.inf, function(*args)
    for _ in range(3):
        start = time.perf_counter()
        result = function(*args)
        best = min(best, time.perf_counter() - start)
    return best, result


def accuracy(count: int, dark: int) -> tuple[float, float, float]:
    """Return rms errors of rate and phase over their bounds, and the phase error in ps."""
    rates, phases = [], []
    for seed in range(_SEEDS):
        ticks, centres = pulses(seed, count, dark)
        track = tracked(ticks)
        slot, _ = track.place(ticks)
        miss = (track.centre(slot) + track.origin - centres)[np.isfinite(centres)]
        # a track may begin with another slot than the one that the simulation calls its first
        rates.append(track.ratio_minus_1 - _OFF)
        phases.append(float(np.mean(np.square(miss))))
    rate = math.sqrt(float(np.mean(np.square(rates))))
    phase_ps = math.sqrt(float(np.mean(phases)))
    bound = _SPREAD * math.sqrt(12.0 / count) / _SPAN
    return rate / bound, phase_ps / (_SPREAD * math.sqrt(2.0 / count)), phase_ps


def weakest(dark: int) -> int:
    """Return with how many tags of light in a second all of 20 seeds are found."""
    count = 10
    while True:
        try:
            for seed in range(20):
                find_line(pulses(seed, count, dark)[0], Fraction(_PERIOD), 200.0)
        except NoRepetitionError:
            count = math.ceil(count * 1.2)
        else:
            return count


def string_search() -> float:
    """Return seconds to find a string behind 4 million slots of other clicks."""
    rng = np.random.default_rng(1)
    string = public_string("benchmark", _STRING)
    sent = rng.integers(0, 2, 4_200_000).astype(np.uint8)
    sent[4_000_000 : 4_000_000 + _STRING] = string
    slots = np.flatnonzero(rng.random(sent.size) < 0.015)
    bits = sent[slots] ^ (rng.random(slots.size) < 0.015).astype(np.uint8)
    took, found = timed(find_string, slots, bits, string, (0, sent.size - _STRING))
    assert found.offset == 4_000_000
    return took


def error_rates(packaged: str, seed: int) -> tuple[float, float]:
    """Return key error rate and wall seconds of a run on a packaged bench."""
    from qlab.keystore import KeyStore
    from qlab.runner import run_experiment
    from qlab.station import load_station

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = run_experiment(
            "bb84",
            load_station(None, packaged),
            Path(folder) / "run.h5",
            seed=seed,
            key_store=KeyStore(Path(folder) / "keys"),
        )
        took = time.perf_counter() - start
    if outcome.error is not None:
        raise outcome.error
    return outcome.results["qber_z"], took


def rows() -> list[Row]:
    """Measure everything."""
    found = []
    ticks, _ = pulses(0, 1_000_000, 1000)
    took, _ = timed(tracked, ticks)
    one_fft, _ = timed(np.fft.rfft, np.zeros(1 << 22, np.float32))
    found.append(
        Row("find and follow 10 MHz pulses", 1e-6 * ticks.size / took, "M tags/s", one_fft / took,
            "one FFT of 4 M samples")
    )  # fmt: skip
    for count, dark in ((1000, 0), (1000, 1000), (100_000, 1000)):
        name = f"{count:,} tags, {dark:,} dark counts in 1 s"
        rate, phase, phase_ps = accuracy(count, dark)
        found.append(Row(f"rate error, {name}", rate, "", rate, "Cramér–Rao bound"))
        found.append(Row(f"phase error, {name}", phase_ps, "ps", phase, "Cramér–Rao bound"))
    for dark in (0, 1000, 10_000):
        least = weakest(dark)
        found.append(
            Row(f"tags for a rate among {dark:,} dark counts", least, "tags", least / max(dark, 1),
                "dark counts")
        )  # fmt: skip
    took = string_search()
    found.append(Row("string of 65,536 in 4.2 M slots", 1e3 * took, "ms", took / one_fft,
                     "one FFT of 4 M samples"))  # fmt: skip
    runs = {
        kind: [error_rates(kind, seed) for seed in range(_RUNS)] for kind in ("bench", "unclocked")
    }
    by_marker, by_photons = (
        np.array([rate for rate, _ in runs[kind]]) for kind in ("bench", "unclocked")
    )
    more = float(by_photons.mean() - by_marker.mean())
    spread = math.hypot(*(float(np.std(rates, ddof=1)) for rates in (by_marker, by_photons)))
    name = f"QBER by photons, minus by marker, {_RUNS} runs each"
    std = spread / math.sqrt(_RUNS)
    found.append(Row(name, 100 * more, "%", more / std, "its standard deviation"))
    t0, t1 = (min(took for _, took in runs[kind]) for kind in ("bench", "unclocked"))
    found.append(Row("qlab run bb84 --sync photons, 41.6 M pulses", t1, "s", t1 / t0,
                     "by marker, 40 M pulses"))  # fmt: skip
    return found


if __name__ == "__main__":
    print(table(rows()))
