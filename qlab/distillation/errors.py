"""What can be wrong with what is brought to be distilled."""

from __future__ import annotations

from qlab.errors import UsageError

__all__ = ["SiftedKeysError"]


class SiftedKeysError(UsageError):
    """Two keys that are not both parties' sifted keys of one block."""
