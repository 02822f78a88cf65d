"""What the protocols ask of a source of random bytes."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Entropy"]


class Entropy(Protocol):
    """Named streams of random bytes, each with one consumer."""

    def take(self, stream: str, count: int) -> bytes:
        """Return the next `count` bytes of the stream called `stream`."""
