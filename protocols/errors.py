"""What can go wrong in the protocols, as one tree."""

from __future__ import annotations

__all__ = [
    "AbortedError",
    "AuthenticationError",
    "FormatError",
    "InsecureError",
    "MessageError",
    "ParameterError",
    "ProtocolError",
]


class ProtocolError(Exception):
    """Root of every error that the protocols raise."""


class ParameterError(ProtocolError, ValueError):
    """An argument is out of its range or contradicts another."""


class FormatError(ProtocolError, ValueError):
    """Bytes are not of the format that they are read as."""


class InsecureError(ProtocolError):
    """No key can be given; the message is the reason in one line."""


class MessageError(InsecureError):
    """A message is malformed, out of order or not for this party: whoever sent it, no key."""


class AuthenticationError(InsecureError):
    """A tag does not belong to the transcript: somebody changed it, or the secrets differ."""


class AbortedError(ProtocolError):
    """The party was aborted earlier and takes no more messages."""
