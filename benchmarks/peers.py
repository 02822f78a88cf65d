"""Reconciliation by others beside ours, where they are installed: `python -m benchmarks.peers`.

`pip install tno.quantum.communication.qkd-key-rate` (2.0.4, Apache 2.0) brings a Cascade in
Python. On PyPI there is no cascade-cpp and no LDPC4QKD (November 2026); what is called
``cascade`` there copies e-mails.
"""

from __future__ import annotations

import time
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from benchmarks.cascade import reconcile
from benchmarks.rows import Row, table

_BITS, _RATES = 100_000, (0.02, 0.05)
_TNO = "tno.quantum.communication.qkd_key_rate"


def rows() -> list[Row]:
    """Measure each peer that is there, on one thread, both parties; none is needed."""
    if find_spec("tno") is None:
        return []
    reconcile(_BITS, 0.03, 0, workers=1)  # compiles
    return [row for rate in _RATES for row in _tno(rate)]


def _tno(rate: float) -> list[Row]:
    c = import_module(f"{_TNO}.classical")
    peer = import_module(f"{_TNO}.classical.cascade")
    draws = np.random.default_rng(1)
    bits = draws.integers(0, 2, _BITS)
    wrong = draws.random(_BITS) < rate
    passes = 8
    permutations = c.Permutations.random_permutation(number_of_passes=passes, message_size=_BITS)
    strategy = c.ParityStrategy(
        error_rate=rate, sampling_fraction=0.34, number_of_passes=passes, switch_after_pass=None
    )
    began = time.perf_counter()
    alice = peer.CascadeSender(message=c.Message(bits.tolist()), permutations=permutations)
    bob = peer.CascadeReceiver(
        message=c.Message((bits ^ wrong).tolist()),
        permutations=permutations,
        parity_strategy=strategy,
    )
    found = peer.CascadeCorrector(alice=alice, bob=bob).correct_errors()
    seconds = time.perf_counter() - began
    left = sum(a != b for a, b in zip(found.output_alice, found.output_bob, strict=True))
    share = float(wrong.mean())
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    efficiency = float(alice.number_of_exposed_bits / (_BITS * entropy))
    ours = reconcile(_BITS, rate, 1, workers=1)
    name = f"Cascade {rate:.0%}, 100 kb"
    speed, theirs = ours.bits / ours.wall_s / 1e6, _BITS / seconds / 1e6
    beside = f"{_TNO.rpartition('.')[2]}: {theirs:.3g} Mb/s, f = {efficiency:.3f}, {left} left"
    return [
        Row(f"{name}: both parties, one thread", speed, "Mb/s", speed / theirs, beside),
        Row(f"{name}: f", ours.efficiency, "", ours.efficiency / efficiency, beside),
    ]


if __name__ == "__main__":
    print(table(rows()))
