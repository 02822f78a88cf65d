"""The envelopes of the line: typed, versioned and bounded before they are read.

A ZeroMQ message is one envelope, in MessagePack, and behind a `Data` envelope the body.
Every connection is an *epoch* of the session. Within one, TCP loses and reorders nothing,
so numbers must come without a gap; at the start of the next each side says how many
pieces it has, and the other goes on from there. A body longer than a piece travels as
several, each with an envelope of its own, so that no frame is ever large.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from qlab.link.errors import TamperedError

__all__ = [
    "LARGEST_BODY",
    "LARGEST_ENVELOPE",
    "LARGEST_PIECE",
    "VERSION",
    "Ack",
    "Close",
    "Data",
    "Envelope",
    "Hello",
    "Refusal",
    "Resume",
    "Resumed",
    "Welcome",
    "decode",
    "encode",
]

VERSION = 2
#: Bytes of the largest body: the packets of a distillation are at most 2**29.
LARGEST_BODY = (1 << 29) + 64
#: Bytes of the largest piece of a body: what anybody can make a socket hold at a time.
LARGEST_PIECE = 1 << 18
LARGEST_ENVELOPE = 1024

_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_Session = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Text = Annotated[str, msgspec.Meta(max_length=400)]


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all envelopes."""


class Hello(Envelope, frozen=True, tag="hello"):
    """The connecting side asks for a session."""

    version: int
    nonce: _Session


class Welcome(Envelope, frozen=True, tag="welcome"):
    """The listening side names the session."""

    version: int
    nonce: _Session
    session: _Session


class Resume(Envelope, frozen=True, tag="resume"):
    """The connecting side goes on after a lost connection; it has `received` pieces."""

    session: _Session
    epoch: _Count
    received: _Count


class Resumed(Envelope, frozen=True, tag="resumed"):
    """The listening side goes on, too."""

    session: _Session
    epoch: _Count
    received: _Count


class Refusal(Envelope, frozen=True, tag="refusal"):
    """The listening side has no such session, or has another one."""

    reason: _Text


class Data(Envelope, frozen=True, tag="data"):
    """A piece of a body follows, number `sequence` of its direction; `more` of it may come."""

    session: _Session
    epoch: _Count
    received: _Count
    sequence: _Count
    more: bool


class Ack(Envelope, frozen=True, tag="ack"):
    """So many pieces have been received; also a sign of life."""

    session: _Session
    epoch: _Count
    received: _Count


class Close(Envelope, frozen=True, tag="close"):
    """The sender says no more, and why if that is no good end."""

    session: _Session
    epoch: _Count
    received: _Count
    reason: _Text
    insecure: bool


_Any = Hello | Welcome | Resume | Resumed | Refusal | Data | Ack | Close
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[_Any] = msgspec.msgpack.Decoder(_Any)


def encode(envelope: Envelope) -> bytes:
    """Return an envelope's bytes."""
    return _ENCODER.encode(envelope)


def decode(data: bytes) -> Envelope:
    """Return the envelope that `data` holds.

    Raises
    ------
    TamperedError
        It is none: nobody who follows the protocol sends such a thing.
    """
    if len(data) > LARGEST_ENVELOPE:
        raise TamperedError("an envelope is too long")
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise TamperedError("an envelope cannot be read") from None
