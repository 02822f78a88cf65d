"""Choose how many parities to ask for, from what is known of the errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.reconciliation.interface import Estimate
from protocols.reconciliation.ldpc.codes import FRAMES, Ladder

__all__ = [
    "HIGHEST",
    "Start",
    "choose_frame",
    "combined",
    "entropy",
    "further_rows",
    "pilot",
    "raised",
    "start",
]

_LEAST = 4096
_EFFICIENCY = {16384: (1.068, 0.0118), 65536: (1.125, -0.0022), 1 << 20: (1.052, 0.0)}
"""Parities a bit to start with, so that a good part of the frames is decoded: base · h + slope."""
_STEPS = {
    16384: (0.02, 0.02, 0.04, 0.08, 0.16),
    65536: (0.012, 0.012, 0.024, 0.05, 0.16),
    1 << 20: (0.005, 0.005, 0.012, 0.02, 0.06),
}
"""What each blind round discloses further, as a part of what is disclosed; at least a row."""
HIGHEST = 0.115
"""Rate of errors above which there are no codes."""


@dataclass(frozen=True)
class Start:
    """Where a batch of frames starts: block rows `rows` of ladder number `ladder`."""

    ladder: int
    rows: int


def entropy(rate: float) -> float:
    """Return h(rate) in bits."""
    if not 0 < rate < 1:
        return 0.0
    return -rate * math.log2(rate) - (1 - rate) * math.log2(1 - rate)


def choose_frame(size: int, estimate: Estimate, frame: int | None) -> int | None:
    """Return the length of the frames for a block, or None where Cascade does better.

    Parameters
    ----------
    size : int
        Bits of the block.
    estimate : Estimate
    frame : int or None
        The longest wanted; None leaves the choice.
    """
    if estimate.rate > HIGHEST or size < _LEAST:
        return None
    longest = frame or FRAMES[1]
    fitting = [length for length in FRAMES if length <= min(longest, 2 * size)]
    return fitting[-1] if fitting else FRAMES[0]


def start(ladders: tuple[Ladder, ...], payload: int, rate: float) -> Start:
    """Return the stage to start from for frames of `payload` bits and an error rate."""
    base, slope = _EFFICIENCY[ladders[0].frame]
    bits = (base * entropy(rate) + slope) * payload
    fitting = [i for i, ladder in enumerate(ladders) if ladder.first * ladder.z <= 1.03 * bits]
    index = fitting[-1] if fitting else 0
    ladder = ladders[index]
    return Start(index, min(max(round(bits / ladder.z), ladder.first), ladder.last))


def combined(rate: float, spread: float, estimate: Estimate) -> float:
    """Return the rate of errors by a pilot's syndromes and by what was known before.

    Each counts by the inverse of its variance; what was known before counts for nothing
    where it lies further off than chance explains.

    Parameters
    ----------
    rate, spread : float
        By the syndromes, and its relative standard deviation.
    estimate : Estimate
        Errors among disclosed bits; they may have had another rate.
    """
    if estimate.errors < 10 or rate < 1e-6:
        return rate
    known = 1 / (estimate.errors + 1)
    off = (estimate.rate - rate) / rate
    if off**2 > 9 * (known + spread**2):
        return rate
    return rate * (1 + off * spread**2 / (known + spread**2))


def further_rows(ladder: Ladder, rows: int, blind_round: int) -> int:
    """Return the stage of the next blind round, the first being number 0."""
    more = max(1, round(rows * _STEPS[ladder.frame][blind_round]))
    return min(ladder.last, rows + more)


def pilot(frames: int) -> int:
    """Return how many frames go ahead to learn the error rate for the others."""
    return frames if frames < 8 else max(1, frames // 16)


def raised(rate: float) -> float:
    """Return the rate to try next, when a syndrome's weight tells no rate from 1/2."""
    return min(HIGHEST, 2.5 * rate) if rate < HIGHEST else 0.5
