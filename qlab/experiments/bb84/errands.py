"""What a run and the processes of its two parties say to each other.

The line between them is private to them (`qlab.link.sockets.Private`): these messages
carry raw bits, random bytes and keys.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from protocols.bb84.distillation import Distillation
from protocols.bb84.settings import AliceSettings
from protocols.bb84.sifting import Detections
from protocols.distillation.party import KeyState
from qlab.errors import QlabError
from qlab.experiments.bb84.options import Bb84Options

__all__ = [
    "Begin",
    "Detected",
    "Done",
    "Errand",
    "Failed",
    "Given",
    "Outcome",
    "Receive",
    "Report",
    "Sent",
    "Start",
    "Wanted",
    "decode",
    "encode",
]


class Errand(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all errands; they show no field."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Begin(Errand, frozen=True, tag="begin"):
    """To a process: be this party."""

    side: str
    options: Bb84Options
    hash_keys: dict[str, bytes]


class Sent(Errand, frozen=True, tag="sent"):
    """To Alice: her settings of one pattern."""

    size: int
    bit: bytes
    basis: bytes
    intensity: bytes

    @classmethod
    def of(cls, settings: AliceSettings) -> Sent:
        """Pack what has one bit."""
        bit, basis = np.packbits(settings.bit), np.packbits(settings.basis)
        return cls(settings.bit.size, bit.tobytes(), basis.tobytes(), settings.intensity.tobytes())

    def settings(self) -> AliceSettings:
        """Return the settings."""
        bit, basis = (
            np.unpackbits(np.frombuffer(packed, np.uint8), count=self.size)
            for packed in (self.bit, self.basis)
        )
        return AliceSettings(bit, basis, np.frombuffer(self.intensity, np.uint8))


class Detected(Errand, frozen=True, tag="detected"):
    """To Bob: his detections of one pattern, his bases, the bits of double clicks."""

    slot_count: int
    slot: bytes
    outcome: bytes
    dropped_outside: int
    dropped_dead_time: int
    basis: bytes
    double_clicks: bytes

    @classmethod
    def of(cls, found: Detections, basis: Any, double_clicks: bytes) -> Detected:
        """Pack the bases."""
        return cls(
            found.slot_count,
            found.slot.astype("<i8").tobytes(),
            found.outcome.tobytes(),
            found.dropped_outside,
            found.dropped_dead_time,
            np.packbits(basis).tobytes(),
            double_clicks,
        )

    def detections(self) -> Detections:
        """Return the detections."""
        return Detections(
            self.slot_count,
            np.frombuffer(self.slot, "<i8").astype(np.int64),
            np.frombuffer(self.outcome, np.uint8),
            self.dropped_outside,
            self.dropped_dead_time,
        )

    def bases(self) -> Any:
        """Return Bob's basis of each slot."""
        return np.unpackbits(np.frombuffer(self.basis, np.uint8), count=self.slot_count)


class Start(Errand, frozen=True, tag="start"):
    """To a process: start the party."""


class Receive(Errand, frozen=True, tag="receive"):
    """To a process: the party receives this packet."""

    packet: bytes


class Report(Errand, frozen=True, tag="report"):
    """To a process: give the account and the key."""


class Given(Errand, frozen=True, tag="given"):
    """To a process: the random bytes that it wanted."""

    data: bytes


class Wanted(Errand, frozen=True, tag="wanted"):
    """From a process: it needs random bytes of a stream, or of the pads."""

    stream: str
    count: int


class Done(Errand, frozen=True, tag="done"):
    """From a process: these packets go out now."""

    packets: list[bytes]
    finished: bool
    key_state: KeyState


class Outcome(Errand, frozen=True, tag="outcome"):
    """From a process: the account, its bounds with whole numbers whole, and the key if any."""

    result: Distillation
    bounds: dict[str, int | float]
    key: bytes
    key_bits: int


class Failed(Errand, frozen=True, tag="failed"):
    """From a process: an error of the protocols, or another."""

    kind: str
    text: str


_Any = Begin | Sent | Detected | Start | Receive | Report | Given | Wanted | Done | Outcome | Failed
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[_Any] = msgspec.msgpack.Decoder(_Any)


def encode(errand: Errand) -> bytes:
    """Return an errand's bytes."""
    return _ENCODER.encode(errand)


def decode(data: bytes) -> Errand:
    """Return the errand that `data` holds; both ends are of one version."""
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError:
        raise QlabError("a party's process says what nobody understands") from None
