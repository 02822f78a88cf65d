"""Tests on the residuals of the prediction: outliers, steps and drifts.

A residual over its standard deviation is white with deviation one as long as both clocks
behave as modelled. One that is far off is an outlier and is not used. A reference that has
left its course gives runs of one sign: the sum of the last m residuals over sqrt(m) is tested
for m = 4, 8 ... 1024. Testing the residual and not the phase keeps a slow wander, which the
estimator follows, from looking like a fault.

Where such sums are too large at all times, the clocks are noisier than the model has it, and
limits and bounds grow by as much.

References
----------
.. [1] A. S. Willsky, H. L. Jones, IEEE Trans. Autom. Control 21, 108 (1976): tests for jumps
   on the innovations of a Kalman filter.
"""

from __future__ import annotations

import math

from numba import njit

from protocols.clock.memory import SUMS, Record

__all__ = [
    "LONGEST_RUN",
    "SHORTEST_RUN",
    "cumulate",
    "forget_residuals",
    "misjudgement",
    "run_beyond",
]

SHORTEST_RUN = 4
LONGEST_RUN = 1024
_MOST = 4.0  # deviations that one residual counts for
_BLOCK = 256
_MOST_BLOCKS = 64
_MOST_SQUARE = 9.0


@njit(cache=True, nogil=True)
def forget_residuals(memory: Record) -> None:
    """Begin the sums anew."""
    memory.summed = 0
    memory.sums[0] = 0.0


@njit(cache=True, nogil=True)
def cumulate(memory: Record, residual: float) -> None:
    """Add a residual, in standard deviations, as four at most: two outliers are no run.

    A missing reading is added as zero, so that a sum over m entries is one over m steps.
    """
    total = memory.sums[memory.summed % SUMS] + min(max(residual, -_MOST), _MOST)
    memory.summed += 1
    memory.sums[memory.summed % SUMS] = total
    if memory.summed % _BLOCK == 0:
        block = total - memory.sums[(memory.summed - _BLOCK) % SUMS]
        memory.blocks = min(memory.blocks + 1, _MOST_BLOCKS)
        square = min(block * block / _BLOCK, _MOST_SQUARE)
        memory.square += (square - memory.square) / memory.blocks


@njit(cache=True, nogil=True)
def misjudgement(memory: Record) -> float:
    """Return by how much the clocks are noisier than modelled; at least 1, at most 3.

    Where they are as modelled, the sum of 256 residuals has the variance 256. It is learnt
    from some five hours of them, beginning with the model's word.
    """
    return math.sqrt(max(memory.square, 1.0))


@njit(cache=True, nogil=True)
def run_beyond(memory: Record, limit: float) -> int:
    """Return the longest run of residuals whose sum is beyond `limit` deviations, or 0."""
    found = 0
    last = memory.sums[memory.summed % SUMS]
    limit *= misjudgement(memory)
    run = SHORTEST_RUN
    while run <= LONGEST_RUN and run <= memory.summed:
        total = last - memory.sums[(memory.summed - run) % SUMS]
        if abs(total) > limit * math.sqrt(run):
            found = run
        run *= 2
    return found
