"""What a curve of best key rates costs.

Processor time for 40 losses, 1 dB apart, the settings optimised at each, and the reach.
The other figure is the time of a single evaluation, with the settings given, on the same
machine: the ratio is how many of them a curve takes.
"""

from __future__ import annotations

import time

from benchmarks.rows import Row
from protocols.bb84.finite_key import Security
from protocols.bb84.prediction.counts import Detections
from protocols.bb84.prediction.finite import Case, EpsPerBit, worth
from protocols.bb84.prediction.leak import ScaledLeak
from protocols.bb84.prediction.link import DetectorLink, YieldLink
from protocols.bb84.prediction.optimum import BestSettings
from protocols.bb84.prediction.senders import OneDecoy, TwoDecoys

_LOSSES_DB = range(40)
_BENCH = DetectorLink(
    detector_efficiency=0.2,
    misalignment=0.015,
    dark_rate_hz=200.0,
    window_s=10e-9,
    receiver_loss_db=3.0,
    afterpulse_probability=0.005,
    dead_time_s=1e-6,
    detector_jitter_s=1e-9,
    slot_rate_hz=10e6,
)
_LIM_2014 = YieldLink(
    efficiency=0.1,
    misalignment=5e-3,
    background=1.2e-6,
    afterpulse_probability=0.04,
    slot_rate_hz=1e9,
)
_LEAK = ScaledLeak(1.16)
_CASES = {
    "one decoy, default bench": Case(_BENCH, OneDecoy(), Detections(1e7), _LEAK, Security()),
    "two decoys, default bench": Case(_BENCH, TwoDecoys(), Detections(1e7), _LEAK, Security()),
    "two decoys, Lim 2014": Case(_LIM_2014, TwoDecoys(), Detections(1e7), _LEAK, EpsPerBit(1e-15)),
}


def curve_s(case: Case) -> float:
    """Return the processor time of a curve and its reach."""
    start = time.process_time()
    search = BestSettings(case)
    for loss_db in _LOSSES_DB:
        search.at(float(loss_db))
    search.reach()
    return time.process_time() - start


def evaluation_s(case: Case) -> float:
    """Return the processor time of one evaluation, best of some."""
    settings, times = case.sender.starts[0], []
    for _ in range(20):
        start = time.process_time()
        for _ in range(20):
            worth(case, 10.0, settings)
        times.append((time.process_time() - start) / 20)
    return min(times)


def rows() -> list[Row]:
    """Measure each case, best of three."""
    found = []
    for name, case in _CASES.items():
        took = min(curve_s(case) for _ in range(3))
        once = evaluation_s(case)
        found.append(
            Row(
                f"key rate, 40 losses optimised: {name}",
                took,
                "s",
                took / once,
                f"one evaluation, {once * 1e6:.0f} us",
                5.0,
                at_most=True,
            )
        )
    return found
