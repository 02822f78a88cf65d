"""How fast the simulated link makes detections, and where the time goes.

Run with ``python benchmarks/plant.py``. Alice's levels and both phases are random
from pulse to pulse. "seconds simulated" is bench time per second of computing.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

import numpy as np

from drivers.simulated.plant.detectors import Registration
from drivers.simulated.plant.kernels import stream_key
from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.pulses import avalanches
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime

_SLOTS = 10_000_000
_START_NS = 1_000_000
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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=1.0, help="bench time per read")
    options.add_argument("--reads", type=int, default=5)
    arguments = options.parse_args()
    step_ns = round(arguments.seconds * 1e9)
    print(f"{os.cpu_count()} processors, reads of {arguments.seconds} s, best of {arguments.reads}")
    for name, (parameters, mu) in _CASES.items():
        for threads in sorted({1, os.cpu_count() or 1}):
            link = running_link(parameters, mu, threads)
            t_ns = _START_NS + 10_000_000
            link.tags.edges(t_ns)
            rates, computed = [], time.process_time()
            for _ in range(arguments.reads):
                t_ns += step_ns
                took, (times, _) = best(1, link.tags.edges, t_ns)
                rates.append((times.size / took, arguments.seconds / took, times.size))
            computed = time.process_time() - computed
            total = sum(count for _, _, count in rates)
            rate, speed, count = max(rates)
            print(
                f"{name:28s} {threads} thread(s): {rate / 1e6:6.2f} M detections/s, "
                f"{total / computed / 1e6:6.2f} M per processor second, "
                f"{speed:7.1f} seconds simulated, {count / arguments.seconds:9.0f} Hz"
            )
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
