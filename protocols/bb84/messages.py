"""The messages of a distillation and their bytes.

Every message is ``b"QB"``, the version (1), its type, its sequence number in its direction
(4 bytes), then its fields; integers are big-endian, bits packed behind their number
(4 bytes), byte strings behind their length (4 bytes). Decoding accepts exactly what
encoding produces.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from protocols.bits import BitArray, pack, packed_size, unpack
from protocols.errors import MessageError, ParameterError
from protocols.reconciliation.cascade import Question
from protocols.varints import decode_ascending, encode_ascending

__all__ = [
    "Amplification",
    "Announcement",
    "Disclosure",
    "ErrorCounts",
    "FrameDisclosure",
    "FrameOutcome",
    "FrameTags",
    "Message",
    "ParityAnswer",
    "ParityQuestion",
    "ReconciliationEnd",
    "ReconciliationStart",
    "TestReply",
    "VerificationOutcome",
    "VerificationTag",
    "decode",
    "encode",
]

VERSION = 1
SEED_BYTES = 32
_HEAD = struct.Struct(">2sBBI")


class _Reader:
    """Takes fields off the front of a message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) != count:
            raise MessageError("a message ends too early")
        self._at += count
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def blob(self) -> bytes:
        return self.take(self.number(4))

    def bits(self) -> BitArray:
        count = self.number(4)
        try:
            return unpack(self.take(packed_size(count)), count)
        except ParameterError as error:
            raise MessageError(str(error)) from None

    def end(self) -> None:
        if self._at != len(self._data):
            raise MessageError("a message has bytes left over")


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def _blob(data: bytes) -> bytes:
    return _number(len(data), 4) + data


def _bits(bits: BitArray) -> bytes:
    return _number(bits.size, 4) + pack(bits)


@dataclass(frozen=True, eq=False)
class Message:
    """Base of all messages; `sequence` counts from 0 in each direction."""

    code: ClassVar[int]
    sequence: int

    def _fields(self) -> list[bytes]:
        """Return the encoded fields."""
        return []

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        """Take the fields from the reader."""
        return cls(sequence)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and encode(self) == encode(other)

    def __hash__(self) -> int:
        return hash(encode(self))


@dataclass(frozen=True, eq=False)
class Announcement(Message):
    """Bob's complete list: per pattern its slots and the slots detected, and all bases."""

    code = 1
    slot_counts: tuple[int, ...]
    slots: tuple[npt.NDArray[np.int64], ...] = field(repr=False)
    basis: BitArray = field(repr=False)

    def _fields(self) -> list[bytes]:
        fields = [_number(len(self.slots), 4)]
        for slot_count, slots in zip(self.slot_counts, self.slots, strict=True):
            fields += [_number(slot_count, 6), _number(slots.size, 4)]
            fields.append(_blob(encode_ascending(slots)))
        return [*fields, _bits(self.basis)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        counts, slots = [], []
        for _ in range(reader.number(4)):
            counts.append(reader.number(6))
            size = reader.number(4)
            slots.append(decode_ascending(reader.blob(), size, counts[-1]))
        basis = reader.bits()
        if basis.size != sum(block.size for block in slots):
            raise MessageError("an announcement needs one basis for each slot")
        return cls(sequence, tuple(counts), tuple(slots), basis)


@dataclass(frozen=True, eq=False)
class Disclosure(Message):
    """Alice's bases and intensities of the announced slots, her test bits, the block's seed."""

    code = 2
    basis: BitArray = field(repr=False)
    intensity: BitArray = field(repr=False)
    test_bits: BitArray = field(repr=False)
    seed: bytes

    def _fields(self) -> list[bytes]:
        return [_bits(self.basis), _bits(self.intensity), _bits(self.test_bits), self.seed]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.bits(), reader.bits(), reader.bits(), reader.take(SEED_BYTES))


@dataclass(frozen=True, eq=False)
class TestReply(Message):
    """Bob's bits of the test basis."""

    __test__ = False  # not for pytest to collect
    code = 3
    test_bits: BitArray = field(repr=False)

    def _fields(self) -> list[bytes]:
        return [_bits(self.test_bits)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.bits())


@dataclass(frozen=True, eq=False)
class ReconciliationStart(Message):
    """Bob's schedule of Cascade and the seed of its shuffles."""

    code = 4
    size: int
    frame_level: int
    levels: tuple[int, ...]
    seed: bytes

    def _fields(self) -> list[bytes]:
        levels = _blob(bytes(self.levels))
        return [_number(self.size, 4), _number(self.frame_level, 1), levels, self.seed]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        size, frame_level = reader.number(4), reader.number(1)
        return cls(sequence, size, frame_level, tuple(reader.blob()), reader.take(SEED_BYTES))


@dataclass(frozen=True, eq=False)
class ParityQuestion(Message):
    """Bob asks for parities; the nodes of one level of one pass go together."""

    code = 5
    question: Question = field(repr=False)

    def _fields(self) -> list[bytes]:
        kind = self.question.row.astype(np.int64) << 8 | self.question.level
        starts = np.flatnonzero(np.diff(kind, prepend=-1))
        fields = [_number(starts.size, 2)]
        for start, stop in pairwise([*starts, kind.size]):
            fields += [_number(int(kind[start]), 2), _number(int(stop - start), 4)]
            fields.append(_blob(encode_ascending(self.question.index[start:stop])))
        return fields

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        kinds, sizes, index = [], [], [np.empty(0, np.int64)]
        for _ in range(reader.number(2)):
            kinds.append(reader.number(2))
            sizes.append(reader.number(4))
            index.append(decode_ascending(reader.blob(), sizes[-1], 1 << 31))
        if 0 in sizes or any(a >= b for a, b in pairwise(kinds)):
            raise MessageError("the parts of a question must ascend and not be empty")
        kind = np.repeat(np.array(kinds, np.int64), sizes)
        question = Question(
            (kind >> 8).astype(np.uint8), (kind & 0xFF).astype(np.uint8), np.concatenate(index)
        )
        return cls(sequence, question)


@dataclass(frozen=True, eq=False)
class ParityAnswer(Message):
    """Alice's parities in the question's order."""

    code = 6
    parities: BitArray = field(repr=False)

    def _fields(self) -> list[bytes]:
        return [_bits(self.parities)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.bits())


@dataclass(frozen=True, eq=False)
class ReconciliationEnd(Message):
    """Bob has no more questions."""

    code = 7


@dataclass(frozen=True, eq=False)
class FrameTags(Message):
    """Alice's check of each frame: a polynomial tag under a fresh public key."""

    code = 8
    key: bytes
    tags: tuple[bytes, ...]

    def _fields(self) -> list[bytes]:
        return [_blob(self.key), _number(len(self.tags), 4), *map(_blob, self.tags)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        key = reader.blob()
        return cls(sequence, key, tuple(reader.blob() for _ in range(reader.number(4))))


@dataclass(frozen=True, eq=False)
class FrameOutcome(Message):
    """Bob marks with 1 the frames whose check failed."""

    code = 9
    failed: BitArray

    def _fields(self) -> list[bytes]:
        return [_bits(self.failed)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.bits())


@dataclass(frozen=True, eq=False)
class FrameDisclosure(Message):
    """Alice's bits of the failed frames, one after the other; often none."""

    code = 10
    bits: BitArray = field(repr=False)

    def _fields(self) -> list[bytes]:
        return [_bits(self.bits)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.bits())


@dataclass(frozen=True, eq=False)
class VerificationTag(Message):
    """Alice's polynomial tag of the whole block under a fresh public key."""

    code = 11
    key: bytes
    tag: bytes

    def _fields(self) -> list[bytes]:
        return [_blob(self.key), _blob(self.tag)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.blob(), reader.blob())


@dataclass(frozen=True, eq=False)
class VerificationOutcome(Message):
    """Whether Bob's tag was the same."""

    code = 12
    equal: bool

    def _fields(self) -> list[bytes]:
        return [_number(self.equal, 1)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        value = reader.number(1)
        if value > 1:
            raise MessageError("a truth value is 0 or 1")
        return cls(sequence, bool(value))


@dataclass(frozen=True, eq=False)
class ErrorCounts(Message):
    """Bob's error counts of the key basis per intensity."""

    code = 13
    counts: tuple[int, ...]

    def _fields(self) -> list[bytes]:
        return [_number(len(self.counts), 1), *(_number(count, 4) for count in self.counts)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, tuple(reader.number(4) for _ in range(reader.number(1))))


@dataclass(frozen=True, eq=False)
class Amplification(Message):
    """The length of the key and the seed of its Toeplitz matrix; length 0 for no key."""

    code = 14
    length: int
    seed: BitArray = field(repr=False)

    def _fields(self) -> list[bytes]:
        return [_number(self.length, 4), _bits(self.seed)]

    @classmethod
    def _read(cls, sequence: int, reader: _Reader) -> Self:
        return cls(sequence, reader.number(4), reader.bits())


_TYPES: dict[int, type[Message]] = {kind.code: kind for kind in Message.__subclasses__()}


def encode(message: Message) -> bytes:
    """Return the bytes of a message.

    Raises
    ------
    ParameterError
        A field does not fit its place.
    """
    try:
        head = _HEAD.pack(b"QB", VERSION, message.code, message.sequence)
        return b"".join((head, *message._fields()))
    except (OverflowError, ValueError, struct.error) as error:
        raise ParameterError(f"a field of {type(message).__name__} does not fit") from error


def decode(data: bytes) -> Message:
    """Return the message that `data` encodes.

    Raises
    ------
    MessageError
        The bytes are not exactly one message of this version.
    """
    reader = _Reader(data)
    magic, version, code, sequence = _HEAD.unpack(reader.take(_HEAD.size))
    if magic != b"QB" or version != VERSION or code not in _TYPES:
        raise MessageError("not a message of this version of the protocol")
    message = _TYPES[code]._read(sequence, reader)
    reader.end()
    return message
