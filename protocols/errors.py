"""What can go wrong in the protocols, as one tree."""

from __future__ import annotations

__all__ = ["AbortedError", "InsecureError", "MessageError", "ParameterError", "ProtocolError"]


class ProtocolError(Exception):
    """Root of every error that the protocols raise."""


class ParameterError(ProtocolError, ValueError):
    """An argument is out of its range or contradicts another."""


class MessageError(ProtocolError):
    """A message of the other party is malformed, out of order or not for this party."""


class AbortedError(ProtocolError):
    """The party was aborted earlier and takes no more messages."""


class InsecureError(ProtocolError):
    """No key can be given; the message is the reason in one line."""
