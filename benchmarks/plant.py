"""How fast the simulated link makes detections, and where the time goes.

Run with ``python -m benchmarks.plant``; ``--stages`` times the stages of a segment too.
Alice's levels and both phases are random from pulse to pulse. "s simulated" is bench
time per second of computing.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from benchmarks.rows import Row, table
from drivers.simulated.plant.detectors import Registration
from drivers.simulated.plant.kernels import stream_key
from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.pulses import avalanches
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime

_SLOTS = 10_000_000
_START_NS = 1_000_000
_READ_NS = 1_000_000_000
_READS = 5
_DEFAULT = LinkParameters()
_CASES = {
    "default bench": (_DEFAULT, 0.5),
    "10 times the light": (_DEFAULT, 5.0),
    "10 times, dead time 100 ns": (replace(_DEFAULT, dead_time_ns=(100.0, 100.0)), 5.0),
    "dark": (_DEFAULT, 1e-9),
}


def running_link(parameters: LinkParameters, mu: float, threads: int | None) -> LinkPlant:
    """Return a link that plays random settings for ever, its peak at `mu`."""
    link = LinkPlant(parameters, 1, VirtualTime(), threads=threads)
    link.laser.emit(0, 1.0, 1550e-9)
    link.bias.lock(0, "null")
    for attenuator in link.attenuators:
        attenuator.set(0, 0.0)
    link.attenuators[0].set(0, 10.0 * np.log10(link.truth(0).peak_photons / mu))
    draws = np.random.default_rng(7)
    rising_v = (2.0 / np.pi) * parameters.intensity_v_pi_v * np.arcsin(np.sqrt([1.0, 0.3]))
    levels = np.round(rising_v / 2e-4).astype(np.int16)
    quarter_v = parameters.phase_alice_v_pi_v / 2.0

    def play(codes: np.ndarray, volts_per_code: float) -> Waveform:
        return Waveform(codes, volts_per_code, 0.0, parameters.slot_rate_hz, None)

    link.intensity.play(_START_NS, play(draws.choice(levels, _SLOTS), 2e-4))
    link.phase_alice.play(_START_NS, play(draws.integers(0, 4, _SLOTS, dtype=np.int16), quarter_v))
    link.phase_bob.play(_START_NS, play(draws.integers(0, 2, _SLOTS, dtype=np.int16), quarter_v))
    link.tags.listen(_START_NS, 4)
    return link


def best(repeat: int, function, *args):
    """Return the shortest wall time of a call, and its last result."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = function(*args)
        times.append(time.perf_counter() - start)
    return min(times), result


def detections_per_s(link: LinkPlant, reads: int) -> tuple[float, float]:
    """Return detections and bench seconds per second of computing, best of some reads."""
    t_ns = _START_NS + 10_000_000
    link.tags.edges(t_ns)
    rates = []
    for _ in range(reads):
        t_ns += _READ_NS
        took, (times, _) = best(1, link.tags.edges, t_ns)
        rates.append((times.size / took, _READ_NS / 1e9 / took))
    return max(rates)


def draws_per_s(count: int) -> float:
    """Return how many times numpy alone draws and sorts in a second: the least work there is."""
    draws = np.random.default_rng(1)
    took, _ = best(3, lambda: np.sort(draws.random(count)))
    return count / took


def rows() -> list[Row]:
    """Measure each case with one thread and with two."""
    peer = draws_per_s(1_000_000)
    found = []
    for name, (parameters, mu) in _CASES.items():
        for threads in (1, 2):
            rate, speed = detections_per_s(running_link(parameters, mu, threads), _READS)
            wanted = 5.0 if name == "default bench" and threads == 2 else None
            found.append(
                Row(
                    f"plant: {name}, {threads} thread(s), {speed:.3g} s simulated a second",
                    rate / 1e6,
                    "M/s",
                    rate / peer,
                    "numpy's draw and sort, 1 thread",
                    wanted,
                )
            )
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stages", action="store_true", help="time the stages of a segment")
    arguments = options.parse_args()
    print(table(rows()))
    if arguments.stages:
        for name, (parameters, mu) in _CASES.items():
            print(name)
            breakdown(parameters, mu)


def breakdown(parameters: LinkParameters, mu: float) -> None:
    """Time the stages of a segment alone, on one thread."""
    link = running_link(parameters, mu, 1)
    slots = 1 << 18
    slot = link._grid.at_bob(2 * _START_NS)
    prepare, piece = best(20, link._piece_at, slot, slot + slots)
    keys = [stream_key(1, n) for n in range(5)]
    search, found = best(
        20,
        avalanches,
        piece.records,
        piece.light,
        piece.diodes,
        slots,
        piece.slot_ps,
        keys[0],
        (keys[1], keys[2]),
        (keys[3], keys[4]),
    )

    def register():
        stage = Registration(round(parameters.dead_time_ns[0] * 1000), 2e6, keys[0])
        return stage.clicks(found[0], 0, 1 << 60, 1 << 60, piece.afterpulse[0])

    registering, _ = best(20, register)
    count = max(found[0].size + found[1].size, 1)
    print(
        f"    a segment of {slots} slots, {count} avalanches: settings {prepare * 1e6:.0f} us, "
        f"light and dark counts {search * 1e6:.0f} us ({search / count * 1e9:.0f} ns each), "
        f"dead time and afterpulses {2 * registering * 1e6:.0f} us"
    )


if __name__ == "__main__":
    main()
