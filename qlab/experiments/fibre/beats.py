"""The pairs of readings of two counters that read one beat, gate by gate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from drivers.core.errors import InstrumentFaultError, UnexpectedReplyError
from drivers.roles import GapFreeCounter, Gate
from protocols.clock.optical import gate_lag
from qlab.context import RunContext
from qlab.experiments.fibre.options import FibreOptions

__all__ = ["beat_pairs"]

#: Gates of a series; then the counters have to be started anew.
_SERIES = 10_000
#: Readings by which the lag of the two series is told.
_ALIGNING = 8
#: A gate's result is asked for this share of a gate after its end.
_LATE = 0.05
#: After so many garbled answers, or complaints of them, in a row something is wrong for good.
_GARBLED = 10
_NONE = (math.nan, math.nan)


def beat_pairs(
    ctx: RunContext, counters: Sequence[GapFreeCounter], options: FibreOptions
) -> Iterator[list[tuple[float, float]]]:
    """Yield the frequencies of both counters for all gates that have passed since the last time.

    Each list has at least one pair, and they come without end. Between two series of gates,
    and where a counter missed one, nan stands for what there is not, so that the number of
    pairs is the number of gates that have passed. After a garbled answer nobody knows which
    gates it told of: both series are started anew.

    Raises
    ------
    UnexpectedReplyError, InstrumentFaultError
        If ten attempts in a row end that way.
    """
    begun_ns = ctx.clock.now_ns()
    passed = garbled = 0
    while True:
        before = passed
        try:
            for pairs in _series(ctx, counters, options):
                yield pairs
                passed += len(pairs)
                garbled = 0
        except (UnexpectedReplyError, InstrumentFaultError) as error:
            garbled += 1
            if garbled >= _GARBLED:
                raise
            ctx.note(f"the counters' series are started anew: {error.message}")
        elapsed = (ctx.clock.now_ns() - begun_ns) * 1e-9 / options.gate_s
        missed = max(int(passed > before), math.floor(elapsed) - passed)
        if missed:
            yield [_NONE] * missed
            passed += missed


def _series(
    ctx: RunContext, counters: Sequence[GapFreeCounter], options: FibreOptions
) -> Iterator[list[tuple[float, float]]]:
    for counter in counters:
        counter.start_gates(options.gate_s, options.input, _SERIES)
    gate_ns = round(options.gate_s * 1e9)
    start_ns = ctx.clock.now_ns()
    if options.arming != "immediate":  # the pulse may take a second to come
        start_ns += 1_000_000_000
    queues: tuple[list[Gate], list[Gate]] = ([], [])
    taken = [0, 0]
    aligned = False
    for number in range(1, _SERIES + 1):
        wait_ns = start_ns + round((number + _LATE) * gate_ns) - ctx.clock.now_ns()
        if wait_ns > 0:
            ctx.clock.sleep(wait_ns * 1e-9)
        for which, counter in enumerate(counters):
            gates = counter.take_gates()
            queues[which].extend(gates)
            taken[which] += len(gates)
        if not aligned and min(map(len, queues)) >= _ALIGNING:
            lag = gate_lag(*([gate.frequency_hz for gate in queue] for queue in queues))
            del queues[0][: max(lag, 0)], queues[1][: max(-lag, 0)]
            aligned = True
            if lag:
                ctx.note(f"the counters' series began {lag:+d} gate apart")
        count = min(map(len, queues))
        if aligned and count:
            first, second = ([gate.frequency_hz for gate in queue[:count]] for queue in queues)
            del queues[0][:count], queues[1][:count]
            yield list(zip(first, second, strict=True))
