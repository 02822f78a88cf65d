"""Alice's side of reconciliation by LDPC codes."""

from __future__ import annotations

import numpy as np

from protocols.errors import MessageError
from protocols.reconciliation import cascade, interface
from protocols.reconciliation.interface import Leak
from protocols.reconciliation.ldpc import progress as kinds
from protocols.reconciliation.ldpc.progress import Batch
from protocols.reconciliation.ldpc.side import Side
from protocols.secret import SecretBits

__all__ = ["LdpcAnswerer"]


class LdpcAnswerer:
    """Tell syndromes, tags, and what Cascade asks of the frames given over to it.

    Parameters
    ----------
    key : SecretBits
    seed : bytes
    frame : int
        Bits of a frame, one of `codes.FRAMES`.
    workers : int
    """

    def __init__(self, key: SecretBits, seed: bytes, frame: int, workers: int) -> None:
        self._side = Side(key, frame, seed, workers)
        self._cascade: interface.Answerer | None = None

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""
        return self._side.progress.leak(self._cascade.leak if self._cascade is not None else Leak())

    @property
    def two_way(self) -> bool:
        """Whether frames were given over to Cascade, whose questions tell where errors are."""
        return self._cascade is not None

    def answer(self, question: bytes) -> bytes:
        """Return the answer to a question.

        Raises
        ------
        MessageError
            The question is malformed, out of order, or asks for what does not exist.
        """
        if not question:
            raise MessageError("an empty question")
        kind, body = question[0], question[1:]
        side = self._side
        if self._cascade is not None:
            if kind != kinds.ASK:
                raise MessageError("only Cascade asks now")
            return self._cascade.answer(body)
        if kind == kinds.SYNDROMES:
            return self._syndromes([side.progress.open(body)])
        if kind == kinds.BLIND:
            return self._syndromes(side.progress.narrow(body))
        if kind == kinds.CHECK:
            side.progress.check(body)
            return side.group_tags()
        if kind == kinds.SINGLE:
            return side.frame_tags(side.progress.check_single(body))
        if kind == kinds.CASCADE:
            frames, estimate, asked = side.progress.give_over(body)
            self._cascade = cascade.answerer(
                side.payload(frames), estimate, side.seed, workers=side.workers
            )
            return self._cascade.answer(asked)
        raise MessageError(f"a question of unknown kind {kind}")

    def _syndromes(self, batches: list[Batch]) -> bytes:
        told = [self._side.syndromes(batch).astype("<u8", copy=False) for batch in batches]
        return b"".join(np.ascontiguousarray(part).tobytes() for part in told)
