"""What a distillation without a link comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocols.distillation.account import Account
from protocols.secret import SecretBits

__all__ = ["Distilled"]


@dataclass(frozen=True)
class Distilled:
    """One block's result.

    Attributes
    ----------
    account : Account
        What the parties may tell.
    errors : int
        Bits in which the two sifted keys differ.
    residual_errors : int or None
        Bits in which they still differed after reconciliation, counted one by one; None
        where it did not come to that.
    seconds : float
        From the sifted to the secret bits of both parties.
    startup_seconds : float
        Loading and compiling the kernels, before.
    key : SecretBits or None
        The key, where there is one.
    """

    account: Account
    errors: int
    residual_errors: int | None
    seconds: float
    startup_seconds: float
    key: SecretBits | None = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON, without the key."""
        account = self.account
        return {
            "bits": account.bits,
            "errors": self.errors,
            "qber": self.errors / account.bits if account.bits else None,
            "sample_bits": account.sample_bits,
            "sample_errors": account.sample_errors,
            "reconciliation": account.reconciliation,
            "leak_ec_bits": account.leak_ec_bits,
            "leak_ec": vars(account.leak),
            "efficiency": account.efficiency,
            "wire_bits_alice": account.wire_bits_alice,
            "wire_bits_bob": account.wire_bits_bob,
            "residual_errors": self.residual_errors,
            "verified": account.verified,
            "tag_bits": account.tag_bits,
            "bounds": dict(account.bounds) or None,
            "amplification": account.amplification,
            "secret_bits": account.secret_bits,
            "net_secret_bits": account.net_secret_bits,
            "no_key": account.reason,
            "eps_sec": account.eps_sec,
            "eps_cor": account.eps_cor,
            "eps_auth": account.eps_auth,
            "protocol": account.protocol,
            "proof": account.proof,
            "length_rule": account.length_rule,
            "assumptions": list(account.assumptions),
            "seconds": self.seconds,
            "startup_seconds": self.startup_seconds,
            "throughput_bps": self._per_second(account.bits),
            "secret_throughput_bps": self._per_second(account.secret_bits),
        }

    def _per_second(self, bits: int) -> float:
        return bits / self.seconds if self.seconds > 0 else 0.0
