"""How messages become bytes: typed, versioned, and bounded before they are read.

A packet is the MessagePack array ``[version, sequence, body, tag]``. `sequence` counts from
0 in each direction; `body` is the array ``[type, field, ...]`` of one message; `tag` ends
a phase of an authenticated conversation and is empty elsewhere. Nothing else is accepted:
no unknown type, no field too many or too few, no bytes behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from protocols.bits import BitArray, check_packed, pack, unpack
from protocols.errors import MessageError, ParameterError

__all__ = ["LARGEST_PACKET", "SEED_BYTES", "VERSION", "Bits", "Codec", "Count", "Message", "Packet"]

VERSION = 1
"""Version of the messages; another one is refused."""

LARGEST_PACKET = 1 << 29
"""Bytes of the longest packet that is looked at; the seed of a large block takes most."""

SEED_BYTES = 32
"""Length of the public seeds of permutations and of the keys of checks."""

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**48)]
"""A number of slots, bits or errors."""


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all messages; they show no field.

    Attributes
    ----------
    phase : str or None
        The phase that this message ends for its sender, and whose tag it then carries.
    """

    phase: ClassVar[str | None] = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Bits(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Packed bits with their number."""

    count: Count
    packed: bytes

    def __post_init__(self) -> None:
        check_packed(self.packed, self.count)

    def __repr__(self) -> str:
        return f"<{self.count} bits>"

    @classmethod
    def of(cls, bits: BitArray | npt.NDArray[np.bool_]) -> Bits:
        """Pack an array of zeros and ones."""
        return cls(bits.size, pack(bits))

    def array(self) -> BitArray:
        """Return the bits, one an element."""
        return unpack(self.packed, self.count)


class Packet(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What crosses the channel: one message with its number, and the tag of a phase."""

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)]
    sequence: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    body: bytes
    tag: Annotated[bytes, msgspec.Meta(max_length=16)] = b""

    def __repr__(self) -> str:
        return f"<packet {self.sequence}>"


class Codec:
    """Writes and reads the messages of given types.

    Parameters
    ----------
    kinds : types of Message
        Each declared with a ``tag`` of its own.
    """

    def __init__(self, kinds: Iterable[type[Message]]) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._packets = msgspec.msgpack.Decoder(Packet)
        union: Any = reduce(or_, kinds)
        self._messages: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(union)

    def encode(self, message: Message) -> bytes:
        """Return a message's body.

        Raises
        ------
        ParameterError
            A field does not fit its place.
        """
        try:
            return self._encoder.encode(message)
        except (msgspec.MsgspecError, OverflowError, TypeError) as error:
            raise ParameterError(f"a field of {type(message).__name__} does not fit") from error

    def decode(self, body: bytes) -> Message:
        """Return the message that `body` holds.

        Raises
        ------
        MessageError
            It is none of the known messages.
        """
        try:
            return self._messages.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise MessageError("not a message of this version of the protocol") from None

    def wrap(self, sequence: int, body: bytes, tag: bytes = b"") -> bytes:
        """Return the packet of a body."""
        return self._encoder.encode(Packet(VERSION, sequence, body, tag))

    def unwrap(self, data: bytes) -> Packet:
        """Return the packet that `data` holds.

        Raises
        ------
        MessageError
            It is none, or longer than any that is needed.
        """
        if len(data) > LARGEST_PACKET:
            raise MessageError(f"a packet of {len(data)} bytes: at most {LARGEST_PACKET} are read")
        try:
            return self._packets.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise MessageError("not a packet of this version of the protocol") from None
