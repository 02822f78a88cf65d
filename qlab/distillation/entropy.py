"""Random bytes for a distillation that is not recorded."""

from __future__ import annotations

import os

__all__ = ["SystemEntropy"]


class SystemEntropy:
    """The operating system's generator."""

    def take(self, stream: str, count: int) -> bytes:
        """Return `count` bytes."""
        return os.urandom(count)
