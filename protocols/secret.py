"""A bit string that does not show itself."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn

from protocols.bits import check_packed

__all__ = ["SecretBits"]


class SecretBits:
    """Hold packed secret bits without showing them in a text or a pickle.

    Parameters
    ----------
    packed : bytes
        The bits, most significant first, padded with zeros.
    bit_count : int
        How many of them count.

    Raises
    ------
    ParameterError
        Length and bit count contradict each other, or the padding is not zero.
    """

    __slots__ = ("_packed", "bit_count")

    def __init__(self, packed: bytes, bit_count: int) -> None:
        check_packed(packed, bit_count)
        self._packed = packed
        self.bit_count = bit_count

    def reveal(self) -> bytes:
        """Return the packed bits."""
        return self._packed

    def __len__(self) -> int:
        return self.bit_count

    def __repr__(self) -> str:
        return f"<{self.bit_count} secret bits>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBits):
            return NotImplemented
        return self.bit_count == other.bit_count and hmac.compare_digest(
            self._packed, other._packed
        )

    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("secret bits cannot be pickled or copied; call reveal()")
