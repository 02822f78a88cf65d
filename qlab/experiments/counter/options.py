"""What `qlab run counter` can be told: the table ``[counter]`` of a station file."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qlab.station.tables import setting

__all__ = ["CounterOptions"]


@dataclass(frozen=True, kw_only=True)
class CounterOptions:
    """What the counters measure, and for how long."""

    quantity: str = setting(
        "frequency",
        doc="What is measured: the frequency of an input, or the interval between two.",
        choices=("frequency", "interval"),
    )
    duration_s: float = setting(
        0.0, doc="Length of the run; 0: until Ctrl-C.", unit="s", low=0.0, high=1e9
    )
    input: int = setting(1, doc="Input whose frequency is measured.", low=1, high=4)
    nominal_hz: float = setting(
        10e6, doc="The frequency that readings are fractions of.", unit="Hz", low=1e-3, high=1e12
    )
    gate_s: float = setting(1.0, doc="Gate of a frequency.", unit="s", low=1e-3, high=1000.0)
    estimator: str = setting(
        "",
        doc="How a gate weights; if not given the counter's own, or lambda where it has both.",
        choices=("", "pi", "lambda", "omega"),
    )
    interval_s: float = setting(
        0.0,
        doc="Time between readings of a counter that cannot go from gate to gate without a "
        "gap; 0: as fast as it can.",
        unit="s",
        low=0.0,
        high=1e5,
    )
    start: int = setting(1, doc="Input whose pulse starts an interval.", low=1, high=4)
    stop: int = setting(2, doc="Input whose pulse stops an interval.", low=1, high=4)
    pulse_s: float = setting(1.0, doc="Period of these pulses.", unit="s", low=1e-3, high=1000.0)
    level_v: float = setting(
        math.inf,
        doc="Fixed threshold of the inputs; if not given they are left as they are.",
        unit="V",
        low=-60.0,
    )
    reference_every_s: float = setting(
        60.0, doc="How often the reference is asked whether it is locked.", unit="s", low=1.0
    )
