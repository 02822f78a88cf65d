"""The exchange around Cascade: parities, then checks of the frames, then whole frames.

A question is one byte that names its kind and the kind's body: `PARITIES` with the nodes
asked for, `CHECKS` with nothing, `FRAMES` with one bit a frame, set where the check failed.
Cascade asks for parities until nothing is odd; the checks come next; the frames that failed
are disclosed whole last, and this question is asked even when none failed, for it tells
Alice the outcomes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from protocols.authentication.polynomial import KEY_BYTES, polynomial_tag
from protocols.bits import BitArray, pack, packed_size, unpack
from protocols.errors import MessageError, ParameterError
from protocols.generator import expand, permutation
from protocols.reconciliation.cascade.search import Answerer, Corrector, Question
from protocols.reconciliation.interface import Estimate, Leak
from protocols.reconciliation.layout import Layout, schedule
from protocols.secret import SecretBits
from protocols.varints import decode_ascending, encode_ascending

__all__ = ["CHECK_BITS", "FrameAnswerer", "FrameCorrector", "answerer", "corrector"]

CHECK_BITS = 32
"""Length of a frame's check."""

_PARITIES, _CHECKS, _FRAMES, _DONE = b"\0", b"\1", b"\2", b"\3"


def corrector(
    key: SecretBits, estimate: Estimate, seed: bytes, variant: str = "option8", workers: int = 1
) -> FrameCorrector:
    """Return Bob's side of Cascade; `answerer` takes the same arguments.

    Parameters
    ----------
    key : SecretBits
        1 to 2**30 bits.
    estimate : Estimate
    seed : bytes
        Public, of any length, drawn after the key was sent.
    variant : str
        "option8", after Martinez-Mateo et al. (2015).
    workers : int
        Threads to use; the result does not depend on it.

    Raises
    ------
    ParameterError
        The variant is unknown.
    """
    _require(variant)
    return FrameCorrector(key, estimate, seed)


def answerer(
    key: SecretBits, estimate: Estimate, seed: bytes, variant: str = "option8", workers: int = 1
) -> FrameAnswerer:
    """Return Alice's side of Cascade; as `corrector`."""
    _require(variant)
    return FrameAnswerer(key, estimate, seed)


def _require(variant: str) -> None:
    if variant != "option8":
        raise ParameterError(f"there is no variant {variant!r} of Cascade")


class _Side:
    """What both sides derive from the public facts."""

    def __init__(self, key: SecretBits, estimate: Estimate, seed: bytes) -> None:
        size = key.bit_count
        self._plan = schedule(size, estimate.errors, estimate.sample)
        self._order = permutation(seed, "cascade block", size)
        self._layout = Layout(self._plan, seed)
        self._check_key = expand(seed, "cascade checks", 0, KEY_BYTES)
        self._leak = Leak()
        self._bits: BitArray = unpack(key.reveal(), size)[self._order]

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""
        return self._leak

    def _checks(self) -> BitArray:
        """Return the check of every frame, frames × bytes."""
        checks = [self._check(self._plan.frame(index)) for index in range(self._plan.frames)]
        return np.array(checks, np.uint8)

    def _check(self, frame: slice) -> list[int]:
        bits = self._bits[frame]
        return list(polynomial_tag(pack(bits), bits.size, self._check_key, CHECK_BITS))

    def _members(self, failed: BitArray) -> npt.NDArray[np.bool_]:
        """Return which bits of the block belong to failed frames."""
        members = np.zeros(self._plan.size, np.bool_)
        for index in np.flatnonzero(failed):
            members[self._plan.frame(int(index))] = True
        return members


class FrameCorrector(_Side):
    """Bob's side."""

    def __init__(self, key: SecretBits, estimate: Estimate, seed: bytes) -> None:
        super().__init__(key, estimate, seed)
        self._cascade: Corrector | None = Corrector(self._bits, self._layout)
        self._due = _PARITIES
        self._asked: Question | None = None
        self._waiting = False
        self._failed: BitArray = np.zeros(self._plan.frames, np.uint8)

    def question(self) -> bytes | None:
        """Return the next question, or None when there is nothing left to ask.

        Raises
        ------
        ParameterError
            The last question has not been answered.
        MessageError
            The answers so far contradict each other.
        """
        if self._waiting:
            raise ParameterError("the last question awaits its answer")
        if self._due == _DONE:
            return None
        self._waiting = True
        if self._cascade is not None:
            self._asked = self._cascade.question()
            if self._asked is not None:
                return _PARITIES + _encode(self._asked)
            self._bits = self._cascade.bits
            self._cascade = None
            self._due = _CHECKS
        return self._due if self._due == _CHECKS else self._due + pack(self._failed)

    def answer(self, data: bytes) -> None:
        """Take Alice's answer to the last question.

        Raises
        ------
        MessageError
            There is no such question, or the answer does not fit it.
        """
        if not self._waiting:
            raise MessageError("an answer that belongs to no question")
        self._waiting = False
        if self._cascade is not None and self._asked is not None:
            self._cascade.answer(_unpack(data, self._asked.level.size))
            self._leak = replace(self._leak, parities=self._cascade.asked)
        elif self._due == _CHECKS:
            self._on_checks(data)
        else:
            members = self._members(self._failed)
            count = int(np.count_nonzero(members))
            self._bits[members] = _unpack(data, count)
            self._leak = replace(self._leak, flags=self._plan.frames, frames=count)
            self._due = _DONE

    def _on_checks(self, data: bytes) -> None:
        ours = self._checks()
        if len(data) != ours.size:
            raise MessageError("a check is due for each frame")
        theirs = np.frombuffer(data, np.uint8).reshape(ours.shape)
        self._failed = (ours != theirs).any(axis=1).astype(np.uint8)
        self._leak = replace(self._leak, checks=8 * ours.size)
        self._due = _FRAMES

    def key(self) -> SecretBits:
        """Return the corrected key.

        Raises
        ------
        ParameterError
            There are further questions.
        """
        if self._due != _DONE:
            raise ParameterError("the key is not corrected yet")
        bits = np.empty_like(self._bits)
        bits[self._order] = self._bits
        return SecretBits(pack(bits), bits.size)


class FrameAnswerer(_Side):
    """Alice's side."""

    def __init__(self, key: SecretBits, estimate: Estimate, seed: bytes) -> None:
        super().__init__(key, estimate, seed)
        self._cascade = Answerer(self._bits, self._layout)
        self._due: tuple[bytes, ...] = (_PARITIES, _CHECKS)

    def answer(self, question: bytes) -> bytes:
        """Return the answer to a question.

        Raises
        ------
        MessageError
            The question is not what is due, or asks for what does not exist.
        """
        kind, body = question[:1], question[1:]
        if kind not in self._due or (kind == _CHECKS and body):
            raise MessageError("a question that is not due")
        if kind == _PARITIES:
            parities = self._cascade.answer(_decode(body))
            self._leak = replace(self._leak, parities=self._cascade.disclosed)
            return pack(parities)
        if kind == _CHECKS:
            checks = self._checks()
            self._leak = replace(self._leak, checks=8 * checks.size)
            self._due = (_FRAMES,)
            return checks.tobytes()
        disclosed = self._bits[self._members(_unpack(body, self._plan.frames))]
        self._leak = replace(self._leak, flags=self._plan.frames, frames=disclosed.size)
        self._due = ()
        return pack(disclosed)


def _unpack(data: bytes, count: int) -> BitArray:
    if len(data) != packed_size(count):
        raise MessageError(f"{len(data)} bytes came where {count} bits are due")
    try:
        return unpack(data, count)
    except ParameterError as error:
        raise MessageError(str(error)) from None


def _encode(question: Question) -> bytes:
    """Encode by kind of node: row, level, number (4 bytes), length (4 bytes), indices."""
    kind = question.row.astype(np.int64) << 8 | question.level
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    parts = []
    for start, stop in pairwise([*starts, kind.size]):
        indices = encode_ascending(question.index[start:stop])
        parts.append(int(kind[start]).to_bytes(2, "big") + int(stop - start).to_bytes(4, "big"))
        parts.append(len(indices).to_bytes(4, "big") + indices)
    return b"".join(parts)


def _decode(data: bytes) -> Question:
    kinds, sizes, index = [], [], [np.empty(0, np.int64)]
    at = 0
    while at < len(data):
        kinds.append(int.from_bytes(data[at : at + 2], "big"))
        sizes.append(int.from_bytes(data[at + 2 : at + 6], "big"))
        stop = at + 10 + int.from_bytes(data[at + 6 : at + 10], "big")
        index.append(decode_ascending(data[at + 10 : stop], sizes[-1], 1 << 31))
        at = stop
    if at != len(data) or 0 in sizes or any(a >= b for a, b in pairwise(kinds)):
        raise MessageError("the parts of a question must ascend and not be empty")
    kind = np.repeat(np.array(kinds, np.int64), sizes)
    row, level = (kind >> 8).astype(np.uint8), (kind & 0xFF).astype(np.uint8)
    return Question(row, level, np.concatenate(index))
