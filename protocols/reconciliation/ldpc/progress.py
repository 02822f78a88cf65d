"""What both parties know of an exchange: which frames are at which stage, and the leak.

A question is one byte that names its kind, and a body (integers little-endian, bitmaps
packed with the first bit highest):

- `SYNDROMES`, ladder (1 byte), rows (2), frames (4): so many more frames are opened, as one
  batch; the answer is their syndromes at that stage of the ladder.
- `BLIND`, and for each batch with frames not yet decoded rows (2) and a bitmap of these
  frames, set where decoding failed again: the answer is the block rows of those frames
  that the batch has come to since.
- `CHECK`, and for each such batch the bitmap: decoding is over. The answer is a tag for
  each group of frames, over those decoded.
- `SINGLE`, a bitmap of the groups whose tag differed: the answer is a tag for each decoded
  frame of these.
- `CASCADE`, a bitmap of all frames, an estimate of their errors among 65 536 bits (2 bytes),
  and a question of Cascade about the bits of the frames set there; `ASK` and a further
  question after that.

Each byte and bit that tells an outcome is counted as a flag.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from protocols.bits import packed_size
from protocols.errors import MessageError
from protocols.reconciliation.interface import Estimate, Leak
from protocols.reconciliation.ldpc.codes import Ladder
from protocols.reconciliation.ldpc.framing import Framing

__all__ = [
    "ASK",
    "BLIND",
    "BLIND_ROUNDS",
    "CASCADE",
    "CHECK",
    "GROUP",
    "SAMPLE",
    "SINGLE",
    "SYNDROMES",
    "TAG_BITS",
    "Batch",
    "Progress",
]

SYNDROMES, BLIND, CHECK, SINGLE, CASCADE, ASK = range(6)

BLIND_ROUNDS = 5
"""At most so many blind rounds."""
GROUP = 64
"""Frames that share a tag."""
TAG_BITS = 32
"""Length of a tag."""
SAMPLE = 1 << 16
"""Bits among which the errors of the frames given over to Cascade are estimated."""

Flags = npt.NDArray[np.bool_]


@dataclass
class Batch:
    """Frames opened together.

    Attributes
    ----------
    frames : int64 array
        Those not yet decoded, ascending.
    ladder : Ladder
    rows, before : int
        Block rows disclosed of these, now and before the last question.
    """

    frames: npt.NDArray[np.int64]
    ladder: Ladder
    rows: int
    before: int = 0

    @property
    def new_words(self) -> int:
        """Words of 64 bits of one frame's newest syndromes."""
        return (self.rows - self.before) * self.ladder.z // 64


@dataclass
class Progress:
    """Follow the exchange: the same on both sides after each answer.

    Attributes
    ----------
    framing : Framing
    ladders : tuple of Ladder
    batches : list of Batch
    opened : int
        Frames opened so far, from the first.
    round : int
        Blind rounds so far.
    decoded : bool array
        The frames that Bob says he has decoded, once the check is asked for.
    checked : bool
        Whether decoding is over.
    single, given_over : int64 array or None
        The frames whose own tags were told, and those given over to Cascade, once they are.
    parities, flags, checks : int
        As in `Leak`, without Cascade's.
    """

    framing: Framing
    ladders: tuple[Ladder, ...]
    batches: list[Batch] = field(default_factory=list)
    opened: int = 0
    round: int = 0
    checked: bool = False
    decoded: Flags = field(init=False)
    single: npt.NDArray[np.int64] | None = None
    given_over: npt.NDArray[np.int64] | None = None
    parities: int = 0
    flags: int = 0
    checks: int = 0

    def __post_init__(self) -> None:
        self.decoded = np.zeros(self.framing.frames, np.bool_)

    def leak(self, more: Leak) -> Leak:
        """Return what has been disclosed, with what Cascade has disclosed more."""
        return Leak(
            parities=self.parities + more.parities,
            flags=self.flags + more.flags,
            checks=self.checks + more.checks,
            frames=more.frames,
        )

    def open(self, body: bytes) -> Batch:
        """Take a question for syndromes."""
        if len(body) != 7:
            raise MessageError("a question for syndromes has 7 bytes")
        index, rows, count = struct.unpack("<BHI", body)
        if self.checked or self.round or index >= len(self.ladders):
            raise MessageError("a question for syndromes out of order or of no code")
        ladder = self.ladders[index]
        if not ladder.first <= rows <= ladder.last:
            raise MessageError("a question for a stage that the ladder has not")
        if not 0 < count <= self.framing.frames - self.opened:
            raise MessageError("a question for frames that there are not")
        batch = Batch(np.arange(self.opened, self.opened + count), ladder, rows)
        self.batches.append(batch)
        self.opened += count
        self.parities += count * rows * ladder.z
        self.flags += 8 * len(body)
        return batch

    def narrow(self, body: bytes) -> list[Batch]:
        """Take a question for a blind round; return the batches that still have frames."""
        if self.checked or self.round >= BLIND_ROUNDS:
            raise MessageError("a blind round out of order")
        at = 0
        grown = False
        for batch in self._alive():
            (rows,) = struct.unpack("<H", _take(body, at, 2))
            if not batch.rows <= rows <= batch.ladder.last:
                raise MessageError("a blind round for a stage that the ladder has not")
            at = self._keep_failed(batch, body, at + 2)
            batch.before, batch.rows = batch.rows, rows
            self.parities += batch.frames.size * (rows - batch.before) * batch.ladder.z
            grown |= batch.frames.size > 0 and rows > batch.before
        if at != len(body) or not grown:
            raise MessageError("a blind round that asks for nothing, or has more to say")
        self.round += 1
        return self._alive()

    def check(self, body: bytes) -> None:
        """Take a question for the groups' tags."""
        if self.checked:
            raise MessageError("the check was asked for already")
        self.checked = True
        at = 0
        for batch in self._alive():
            at = self._keep_failed(batch, body, at)
        if at != len(body):
            raise MessageError("a check has one bit a frame")
        self.decoded[: self.opened] = True
        for batch in self.batches:
            self.decoded[batch.frames] = False
        groups = len(self.groups())
        self.checks += TAG_BITS * groups
        self.flags += groups  # their outcomes, told by what is asked next

    def groups(self) -> list[npt.NDArray[np.int64]]:
        """Return the decoded frames of each group that has any."""
        decoded = np.flatnonzero(self.decoded)
        borders = np.flatnonzero(np.diff(decoded // GROUP)) + 1
        return [group for group in np.split(decoded, borders) if group.size]

    def check_single(self, body: bytes) -> npt.NDArray[np.int64]:
        """Take a question for the tags of single frames; return these frames."""
        if not self.checked or self.single is not None or self.given_over is not None:
            raise MessageError("a check of single frames out of order")
        groups = self.groups()
        chosen = _bitmap(body, len(groups))
        if not chosen.any():
            raise MessageError("a check of no frames")
        self.single = np.concatenate([g for g, c in zip(groups, chosen, strict=True) if c])
        self.checks += TAG_BITS * self.single.size
        return self.single

    def give_over(self, body: bytes) -> tuple[npt.NDArray[np.int64], Estimate, bytes]:
        """Take the first question of Cascade; return its frames, their estimate, and the rest."""
        if not self.checked or self.given_over is not None:
            raise MessageError("frames given over to Cascade out of order")
        size = packed_size(self.framing.frames)
        chosen = _bitmap(body[:size], self.framing.frames)
        (errors,) = struct.unpack("<H", _take(body, size, 2))
        if not chosen.any() or not (chosen | self.decoded).all():
            raise MessageError("all frames not decoded go to Cascade")
        self.flags += chosen.size + 16
        self.given_over = np.flatnonzero(chosen)
        return self.given_over, Estimate(errors, SAMPLE), body[size + 2 :]

    def _alive(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.frames.size]

    def _keep_failed(self, batch: Batch, body: bytes, at: int) -> int:
        size = packed_size(batch.frames.size)
        failed = _bitmap(_take(body, at, size), batch.frames.size)
        self.flags += failed.size
        batch.frames = batch.frames[failed]
        return at + size


def _take(body: bytes, at: int, count: int) -> bytes:
    if len(body) < at + count:
        raise MessageError("a question ends too early")
    return body[at : at + count]


def _bitmap(data: bytes, count: int) -> Flags:
    if len(data) != packed_size(count):
        raise MessageError(f"a bitmap of {count} frames has {packed_size(count)} bytes")
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if bits[count:].any():
        raise MessageError("a bitmap's padding must be zero")
    return bits[:count].astype(np.bool_)
