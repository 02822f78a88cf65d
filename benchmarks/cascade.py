"""Cascade, both parties, on frames of 64 kb: efficiency, rate, round trips and wire.

Run with ``python -m benchmarks.cascade``. Alice and Bob take turns in one process with two
threads each, so the rate is that of both parties' work on two cores, with nothing between
them. Residual errors are counted bit by bit. Efficiency counts parities, flags and whole
frames, against the entropy of the errors that there were; checks are apart.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.rows import Row, table
from protocols.reconciliation.cascade import DEFAULT, VARIANTS, answerer, corrector
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits

_BITS = 512 << 16
_SAMPLE = 100_000
_RATES = (0.01, 0.02, 0.03, 0.05)


@dataclass(frozen=True)
class Run:
    """One key reconciled."""

    bits: int
    errors: int
    residual: int
    disclosed: int
    checks: int
    failed: int
    frames: int
    round_trips: int
    wire: int
    wall_s: float
    cpu_s: float

    @property
    def efficiency(self) -> float:
        share = self.errors / self.bits
        entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
        return float(self.disclosed / (self.bits * entropy))


def reconcile(bits: int, rate: float, seed: int, variant: str = DEFAULT, workers: int = 2) -> Run:
    """Reconcile a random key with independent errors."""
    draws = np.random.default_rng(seed)
    alice_bytes = np.frombuffer(draws.bytes(bits >> 3), np.uint8)
    wrong = np.packbits(draws.random(bits, np.float32) < rate)
    errors = int(np.unpackbits(wrong).sum())
    alice_key = SecretBits(alice_bytes.tobytes(), bits)
    bob_key = SecretBits((alice_bytes ^ wrong).tobytes(), bits)
    estimate = Estimate(round(rate * _SAMPLE), _SAMPLE)
    wire = round_trips = 0
    wall, cpu = time.perf_counter(), time.process_time()
    bob = corrector(bob_key, estimate, b"benchmark", variant, workers)
    alice = answerer(alice_key, estimate, b"benchmark", variant, workers)
    while (question := bob.question()) is not None:
        answer = alice.answer(question)
        bob.answer(answer)
        wire += 8 * (len(question) + len(answer))
        round_trips += 1
    corrected = bob.key()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    left = np.frombuffer(corrected.reveal(), np.uint8) ^ alice_bytes
    leak = bob.leak
    return Run(
        bits,
        errors,
        int(np.unpackbits(left).sum()),
        leak.total - leak.checks,
        leak.checks,
        bob.failed,
        bob.frames,
        round_trips,
        wire,
        wall,
        cpu,
    )


def rows(bits: int = _BITS, variant: str = DEFAULT) -> list[Row]:
    """Measure each rate of errors, after one run that compiles."""
    begin = time.perf_counter()
    reconcile(1 << 17, 0.03, 0, variant)
    compiling = time.perf_counter() - begin
    found = [Row("Cascade: first run of a process, 128 kb", compiling, "s", 1.0, "itself")]
    for rate in _RATES:
        run = reconcile(bits, rate, 1, variant)
        if run.residual:
            raise AssertionError(f"{run.residual} errors left at {rate:.0%}")
        name = f"Cascade {rate:.0%}"
        facts = (
            f"{run.round_trips} round trips, {run.wire / bits:.2f} bits a bit on the wire, "
            f"{run.failed} of {run.frames} frames failed before retry"
        )
        speed = bits / run.wall_s / 1e6
        found += [
            Row(f"{name}: f = {run.efficiency:.4f}; {facts}", run.efficiency, "", run.efficiency,
                "the entropy of the errors", 1.06, at_most=True),
            Row(f"{name}: both parties, two threads", speed, "Mb/s", run.cpu_s / run.wall_s / 2,
                "two cores kept busy", 30.0),
        ]  # fmt: skip
    return found


def frame_errors(keys: int, variant: str = DEFAULT) -> list[Row]:
    """Count the frames that fail before any retry, in so many keys of 512 frames at each rate.

    The figure is the frame error that would show no more failures in one case of twenty.
    """
    found = []
    for rate in (0.01, 0.02, 0.03, 0.04, 0.05):
        runs = [reconcile(_BITS, rate, 1000 + number, variant) for number in range(keys)]
        failed, frames = sum(run.failed for run in runs), sum(run.frames for run in runs)
        residual = sum(run.residual for run in runs)
        if residual:
            raise AssertionError(f"{residual} errors left at {rate:.0%}")
        name = f"Cascade {rate:.0%}: {failed} of {frames} frames failed; frame error, 95 %"
        bound = _poisson_bound(failed) / frames
        found.append(Row(name, bound, "", bound / 1e-4, "1e-4", 1e-4, at_most=True))
    return found


def _poisson_bound(count: int) -> float:
    """Return the mean with which a Poisson number is at most `count` once in twenty times."""
    low, high = 0.0, 10.0 + 3 * count
    for _ in range(60):
        mean = (low + high) / 2
        terms = [math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1)]
        low, high = (mean, high) if sum(terms) > 0.05 else (low, mean)
    return high


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--variant", choices=sorted(VARIANTS), default=DEFAULT)
    options.add_argument("--bits", type=int, default=_BITS, help="length of the key")
    options.add_argument(
        "--frame-errors", type=int, metavar="KEYS", help="count failing frames of so many keys"
    )
    arguments = options.parse_args()
    if arguments.frame_errors:
        print(table(frame_errors(arguments.frame_errors, arguments.variant)))
    else:
        print(table(rows(arguments.bits, arguments.variant)))


if __name__ == "__main__":
    main()
