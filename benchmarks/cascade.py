"""Cascade, both parties, on frames of 64 kb: efficiency, rate, round trips and wire.

Run with ``python -m benchmarks.cascade``. Alice and Bob take turns in one process with two
threads each, so the rate is that of both parties' work on two cores, with nothing between
them. Residual errors are counted bit by bit. Efficiency counts parities, flags and whole
frames, against the entropy of the errors that there were; checks are apart.
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--variant", choices=sorted(VARIANTS), default=DEFAULT)
    options.add_argument("--bits", type=int, default=_BITS, help="length of the key")
    arguments = options.parse_args()
    print(table(rows(arguments.bits, arguments.variant)))


if __name__ == "__main__":
    main()
