"""What can go wrong when a pulsed source is sought in time tags."""

from __future__ import annotations

from protocols.errors import ProtocolError

__all__ = ["NoRepetitionError", "NoStringError"]


class NoRepetitionError(ProtocolError):
    """The tags do not follow pulses of the rate that was asked for, or cease to."""


class NoStringError(ProtocolError):
    """The public string is not in the tags, or not where it must be."""
