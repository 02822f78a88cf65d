"""Bob with Alice beside him, so that errors are counted bit by bit."""

from __future__ import annotations

from protocols.distillation.block import count_errors
from protocols.distillation.correcting import CorrectingParty
from protocols.distillation.party import Party
from protocols.secret import SecretBits

__all__ = ["CountingBob"]


class CountingBob(CorrectingParty):
    """Counts his errors, and what is left of them, where both parties are in one process.

    Attributes
    ----------
    alice : Party
        To be set before the start.
    errors : int
        Bits in which the sifted keys differ.
    residual_errors : int or None
        Bits in which they still differ after reconciliation; None where it did not come to it.
    """

    alice: Party
    errors = 0
    residual_errors: int | None = None

    def _is_equal(self, corrected: SecretBits, key: bytes, tag: bytes) -> bool:
        reference = self.alice.sifted_key
        self.errors = sum(count_errors(self.sifted_key, reference, ()))
        self.residual_errors = sum(count_errors(corrected, reference, ()))
        return super()._is_equal(corrected, key, tag)
