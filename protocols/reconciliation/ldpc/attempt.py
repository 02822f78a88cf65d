"""Bob's attempts at decoding one batch of frames."""

from __future__ import annotations

import numpy as np

from protocols.reconciliation.ldpc.code import Words
from protocols.reconciliation.ldpc.decoder import Decoder, Effort, reliability
from protocols.reconciliation.ldpc.progress import Batch
from protocols.reconciliation.ldpc.side import Frames, Side

__all__ = ["Attempt"]

_ITERATIONS = 200
_PATIENCE = {16384: 8, 65536: 8, 1 << 20: 24}
"""Iterations in which there must be some progress, by the length of the frame."""


class Attempt:
    """Decode the frames of a batch, again with each further syndrome.

    Parameters
    ----------
    side : Side
        Whose frames are corrected.
    batch : Batch

    Attributes
    ----------
    batch : Batch
    failed : bool array
        Which of the batch's frames failed last.
    rate : float
        Rate of errors, estimated from the weight of the first syndromes.
    spread : float
        Relative standard deviation of that estimate.
    sure : bool
        Whether that weight told the rate from 1/2.
    """

    def __init__(self, side: Side, batch: Batch) -> None:
        self.batch = batch
        self.failed = np.ones(batch.frames.size, np.bool_)
        self.rate, self.spread, self.sure = 0.5, 0.0, False
        self._side = side
        self._differences = np.empty((batch.frames.size, 0), np.uint64)

    def forget_decoded(self) -> None:
        """Keep what failed, after the batch has."""
        self._differences = self._differences[self.failed]
        self.failed = np.ones(len(self._differences), np.bool_)

    def take(self, told: Words) -> None:
        """Take Alice's newest syndromes of the batch's frames, frames × words."""
        new = self._side.syndromes(self.batch) ^ told
        self._differences = np.hstack([self._differences, new])
        if not self.batch.before:
            self.rate, self.spread, self.sure = self._weigh()

    def decode(self, hard: bool) -> None:
        """Correct the frames whose errors are found; `failed` has the others."""
        batch, side = self.batch, self._side
        decoder = Decoder(batch.ladder.code(batch.rows), side.known)
        prior = reliability(min(max(self.rate, 1e-4), 0.2))
        efforts = [Effort(_ITERATIONS, prior, _PATIENCE[side.framing.frame])]
        if hard:
            others = (max(1.0, prior + more) for more in (-3, -2, -1, 0, 1))
            efforts += [Effort(_ITERATIONS, other, _ITERATIONS, bold=1) for other in others]
        for effort in efforts:
            tried = np.flatnonzero(self.failed)

            def work(piece: slice, tried: Frames = tried, effort: Effort = effort) -> None:
                chosen = tried[piece]
                errors, iterations = decoder.decode(self._differences[chosen], effort)
                side.frames[batch.frames[chosen]] ^= errors
                self.failed[chosen] = iterations < 0

            side.each_piece(work, tried.size)

    def _weigh(self) -> tuple[float, float, bool]:
        """Estimate the rate of errors from the weight of the syndromes.

        A check of d bits of error rate q is odd with probability (1 − (1 − 2q)**d)/2. The
        spread is that of independent checks, and twice as much since they share columns.
        """
        batch, side = self.batch, self._side
        code = batch.ladder.code(batch.rows)
        filled = side.framing.payload / side.framing.frame
        degrees = np.diff(code.starts) * filled
        total = code.checks * len(self._differences)
        weight = int.from_bytes(self._differences.tobytes(), "little").bit_count()
        low, high = 0.0, 0.5
        for _ in range(40):
            middle = (low + high) / 2
            odd = np.mean(1 - (1 - 2 * middle) ** degrees) / 2
            low, high = (middle, high) if odd * total < weight else (low, middle)
        slope = total * np.mean(degrees * (1 - 2 * low) ** (degrees - 1))
        spread = 2 * np.sqrt(weight * (1 - weight / total)) / max(slope * low, 1e-9)
        return low, float(spread), weight + 4 * np.sqrt(total) / 2 < total / 2
