"""Bob's side of reconciliation by LDPC codes.

A few frames go ahead, at the estimated error rate; the rate found in them decides at which
stage the others start. What fails is asked further parities for, in blind rounds common to
all frames (Martinez-Mateo, Elkouss, Martin, Quantum Inf. Comput. 12, 791, 2012). Groups of
decoded frames are compared by tags, since a decoder can find errors of the right syndrome
that were not there, and all that remains goes to Cascade.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from protocols.bits import pack
from protocols.errors import MessageError, ParameterError
from protocols.reconciliation import cascade, interface
from protocols.reconciliation.interface import Estimate, Leak
from protocols.reconciliation.ldpc import adaptation
from protocols.reconciliation.ldpc import progress as kinds
from protocols.reconciliation.ldpc.attempt import Attempt
from protocols.reconciliation.ldpc.side import Side
from protocols.secret import SecretBits

__all__ = ["LdpcCorrector"]


class LdpcCorrector:
    """Ask for syndromes, decode, and give what fails over to Cascade.

    Parameters
    ----------
    key : SecretBits
    estimate : Estimate
    seed : bytes
    frame : int
        Bits of a frame, one of `codes.FRAMES`.
    workers : int
    """

    def __init__(
        self, key: SecretBits, estimate: Estimate, seed: bytes, frame: int, workers: int
    ) -> None:
        self._side = Side(key, frame, seed, workers)
        self._received = self._side.frames.copy()
        self._estimate = estimate
        self._rate = estimate.rate
        self._sure = False
        self._attempts: list[Attempt] = []
        self._pending: int | None = None
        self._wrong = np.zeros(0, np.bool_)
        self._over = np.zeros(self._side.framing.frames, np.bool_)
        self._cascade: interface.Corrector | None = None
        self._done = False

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""
        return self._side.progress.leak(self._cascade.leak if self._cascade is not None else Leak())

    @property
    def two_way(self) -> bool:
        """Whether frames were given over to Cascade, whose questions tell where errors are."""
        return self._cascade is not None

    def question(self) -> bytes | None:
        """Return the next question, or None when there is nothing left to ask.

        Raises
        ------
        ParameterError
            The last question has not been answered.
        MessageError
            The answers so far contradict each other.
        """
        if self._pending is not None:
            raise ParameterError("the last question awaits its answer")
        if self._done:
            return None
        kind, body = self._next()
        if kind is None:
            self._done = True
            return None
        self._pending = kind
        return bytes([kind]) + body

    def _next(self) -> tuple[int | None, bytes]:
        progress = self._side.progress
        if self._cascade is not None:
            asked = self._cascade.question()
            if asked is not None:
                return kinds.ASK, asked
            self._side.replace(np.flatnonzero(self._over), self._cascade.key())
            return None, b""
        if not progress.checked:
            if progress.opened < progress.framing.frames and self._rate <= adaptation.HIGHEST:
                return kinds.SYNDROMES, self._open()
            stages = self._further()
            if stages:
                body = b"".join(struct.pack("<H", s) + pack(a.failed) for a, s in stages)
                progress.narrow(body)
                for attempt in self._attempts:
                    attempt.forget_decoded()
                return kinds.BLIND, body
            body = b"".join(pack(attempt.failed) for attempt in self._attempts)
            progress.check(body)
            return kinds.CHECK, body
        if self._wrong.any() and progress.single is None:
            body = pack(self._wrong)
            progress.check_single(body)
            return kinds.SINGLE, body
        if self._over.any():
            return kinds.CASCADE, self._give_over()
        return None, b""

    def answer(self, data: bytes) -> None:
        """Take Alice's answer to the last question.

        Raises
        ------
        MessageError
            There is no such question, or the answer does not fit it.
        """
        kind, self._pending = self._pending, None
        side = self._side
        if kind is None:
            raise MessageError("an answer that belongs to no question")
        if kind == kinds.SYNDROMES:
            self._on_syndromes(data, self._attempts[-1:])
        elif kind == kinds.BLIND:
            self._on_syndromes(data, self._attempts)
        elif kind == kinds.CHECK:
            self._wrong = _differ(data, side.group_tags())
            self._over = ~side.progress.decoded
        elif kind == kinds.SINGLE:
            frames = side.progress.single
            assert frames is not None
            wrong = frames[_differ(data, side.frame_tags(frames))]
            side.frames[wrong] = self._received[wrong]
            self._over[wrong] = True
        elif self._cascade is not None:
            self._cascade.answer(data)

    def key(self) -> SecretBits:
        """Return the corrected key.

        Raises
        ------
        ParameterError
            There are further questions.
        """
        if not self._done:
            raise ParameterError("the key is not corrected yet")
        return self._side.framing.join(self._side.frames)

    def _open(self) -> bytes:
        """Open a pilot, or all that is left once the rate is known."""
        progress = self._side.progress
        framing = progress.framing
        left = framing.frames - progress.opened
        count = min(left, adaptation.pilot(framing.frames)) if not self._sure else left
        begin = adaptation.start(progress.ladders, framing.payload, self._rate)
        body = struct.pack("<BHI", begin.ladder, begin.rows, count)
        self._attempts.append(Attempt(self._side, progress.open(body)))
        return body

    def _further(self) -> list[tuple[Attempt, int]]:
        """Return the stages of a next blind round, or nothing when there is none to be had."""
        if self._side.progress.round == kinds.BLIND_ROUNDS:
            return []
        alive = [attempt for attempt in self._attempts if attempt.failed.size]
        stages = [
            (a, adaptation.further_rows(a.batch.ladder, a.batch.rows, self._side.progress.round))
            for a in alive
        ]
        grown = any(a.failed.any() and rows > a.batch.rows for a, rows in stages)
        return stages if grown else []

    def _on_syndromes(self, data: bytes, attempts: list[Attempt]) -> None:
        sizes = [a.batch.frames.size * a.batch.new_words for a in attempts]
        if len(data) != 8 * sum(sizes):
            raise MessageError(f"{len(data)} bytes of syndromes where {8 * sum(sizes)} are due")
        words = np.frombuffer(data, "<u8").astype(np.uint64, copy=False)
        at = 0
        for attempt, size in zip(attempts, sizes, strict=True):
            batch = attempt.batch
            attempt.take(words[at : at + size].reshape(batch.frames.size, batch.new_words))
            at += size
            last = self._side.progress.round == kinds.BLIND_ROUNDS
            attempt.decode(hard=last or batch.rows == batch.ladder.last)
            if not self._sure:
                self._sure = attempt.sure
                self._rate = (
                    adaptation.combined(attempt.rate, attempt.spread, self._estimate)
                    if self._sure
                    else adaptation.raised(self._rate)
                )

    def _give_over(self) -> bytes:
        """Begin Cascade on the frames that decoding did not correct."""
        side = self._side
        rates = [a.rate for a in self._attempts if a.batch.frames.size]
        rate = 1.2 * max(rates, default=self._rate)
        begin = pack(self._over) + struct.pack(
            "<H", min(kinds.SAMPLE // 2, round(rate * kinds.SAMPLE))
        )
        frames, estimate, _ = side.progress.give_over(begin)
        self._cascade = cascade.corrector(
            side.payload(frames), estimate, side.seed, workers=side.workers
        )
        return begin + (self._cascade.question() or b"")


def _differ(told: bytes, ours: bytes) -> npt.NDArray[np.bool_]:
    """Return which tags differ."""
    if len(told) != len(ours):
        raise MessageError(f"{len(told)} bytes of tags where {len(ours)} are due")
    size = kinds.TAG_BITS // 8
    a, b = (np.frombuffer(tags, np.uint8).reshape(-1, size) for tags in (told, ours))
    return np.asarray((a != b).any(axis=1))
