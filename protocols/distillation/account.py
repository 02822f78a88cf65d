"""The public account of one distilled block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from protocols.bb84.finite_key import binary_entropy
from protocols.reconciliation.interface import Leak

__all__ = ["Account"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What both parties may tell of a block. What it did not come to is None.

    Attributes
    ----------
    bits : int
        Length of the sifted key.
    n_z, n_x : tuple of int
        Detections per intensity of the key block and of the test.
    m_z, m_x : tuple of int or None
        Errors among them.
    sample_bits, sample_errors : int
        Bits of the key disclosed to estimate its errors, and the errors among them.
    leak : Leak
        Bits of Alice's key that reconciliation disclosed, by kind.
    wire_bits_alice, wire_bits_bob : int
        Bits of the reconciliation messages that each party sent.
    verified : bool or None
        Whether the parties' blocks had equal tags.
    tag_bits : int
        Length of the verification tag.
    bounds : mapping
        Every intermediate of the bound; empty where none was reached.
    secret_bits : int
        The key's length, or 0.
    pad_bits : int
        Bits of the pair's secret that authentication used up, in both directions.
    eps_auth : float or None
        At most the probability that a tag of the conversation was forged; None where the
        channel authenticates.
    reason : str or None
        Why there is no key.
    reconciliation, amplification : str
        The methods used; empty where it did not come to that.
    eps_sec, eps_cor : float
    protocol, proof, length_rule : str
    assumptions : tuple of str
    """

    bits: int
    n_z: tuple[int, ...]
    n_x: tuple[int, ...]
    m_z: tuple[int, ...] | None
    m_x: tuple[int, ...] | None
    sample_bits: int
    sample_errors: int
    leak: Leak
    wire_bits_alice: int
    wire_bits_bob: int
    verified: bool | None
    tag_bits: int
    bounds: Mapping[str, float]
    secret_bits: int
    pad_bits: int
    eps_auth: float | None
    reason: str | None
    reconciliation: str
    amplification: str
    eps_sec: float
    eps_cor: float
    protocol: str
    proof: str
    length_rule: str
    assumptions: tuple[str, ...]

    @property
    def net_secret_bits(self) -> int:
        """Secret bits less those that authentication used up; 0 where there is no key."""
        return self.secret_bits - self.pad_bits if self.secret_bits else 0

    @property
    def leak_ec_bits(self) -> int:
        """Bits of Alice's key that reconciliation disclosed."""
        return self.leak.total

    @property
    def errors(self) -> int | None:
        """Errors of the key."""
        return None if self.m_z is None else sum(self.m_z)

    @property
    def qber_z(self) -> float | None:
        """Error rate of the key basis."""
        return _rate(self.m_z, self.n_z)

    @property
    def qber_x(self) -> float | None:
        """Error rate of the test basis."""
        return _rate(self.m_x, self.n_x)

    @property
    def qber_z_per_intensity(self) -> tuple[float | None, ...]:
        """Error rate of the key basis for each intensity."""
        return _rates(self.m_z, self.n_z)

    @property
    def qber_x_per_intensity(self) -> tuple[float | None, ...]:
        """Error rate of the test basis for each intensity."""
        return _rates(self.m_x, self.n_x)

    @property
    def efficiency(self) -> float | None:
        """leak_ec_bits / (n h(errors/n)), None without errors or without a count of them."""
        rate = self.qber_z
        if not rate or rate >= 1:
            return None
        return self.leak_ec_bits / (sum(self.n_z) * binary_entropy(rate))


def _rate(errors: tuple[int, ...] | None, counts: tuple[int, ...]) -> float | None:
    if errors is None or not sum(counts):
        return None
    return float(Fraction(sum(errors), sum(counts)))


def _rates(errors: tuple[int, ...] | None, counts: tuple[int, ...]) -> tuple[float | None, ...]:
    if errors is None:
        return (None,) * len(counts)
    return tuple(_rate((m,), (n,)) for m, n in zip(errors, counts, strict=True))
