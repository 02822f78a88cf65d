"""What a distillation starts from and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from protocols.bb84.agreement import Agreement
from protocols.bb84.finite_key import PROOF, Bounds, Source, binary_entropy
from protocols.errors import InsecureError, ParameterError
from protocols.reconciliation.cascade import ERROR_PATTERN_NOTE

__all__ = ["Distillation", "PhaseRandomisation", "Setup", "require_phase_randomisation"]

PhaseRandomisation = Literal["none", "gain-switched", "modulated"]
"""How the phase of Alice's pulses is made random."""


@dataclass(frozen=True)
class Setup:
    """What both parties know and agree on before a run.

    Attributes
    ----------
    source : Source
    agreement : Agreement
    phase_randomisation : {'none', 'gain-switched', 'modulated'}
        A fact of the station; 'none' admits no key.
    """

    source: Source
    agreement: Agreement
    phase_randomisation: PhaseRandomisation

    def __post_init__(self) -> None:
        if self.phase_randomisation not in get_args(PhaseRandomisation):
            raise ParameterError(f"unknown phase randomisation {self.phase_randomisation!r}")

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the proof takes for granted and the hardware must meet."""
        return (
            f"source phase randomisation: {self.phase_randomisation}",
            "intensities are exactly as stated",
            "both detectors are equally efficient in every mode, and basis choice is private",
            "messages are authenticated by the channel that carries them",
            ERROR_PATTERN_NOTE,
            "error counts of the key basis are announced and charged",
        )


def require_phase_randomisation(setup: Setup) -> None:
    """Raise InsecureError if the pulses' phase is not random."""
    if setup.phase_randomisation == "none":
        raise InsecureError(
            "the source's phase is not randomised: the decoy-state bound does not apply"
        )


@dataclass(frozen=True)
class Distillation:
    """The public account of one block.

    Counts per intensity are in the source's order. What a block did not come to is None.

    Attributes
    ----------
    sifted_bits : int
        n_z + n_x of the block.
    n_z, n_x : tuple of int
        Detections per intensity of the key block and of the test.
    m_z, m_x : tuple of int or None
        Errors among them.
    discarded_z, discarded_x : int
        Detections beyond the agreed sizes, left out.
    leak_ec_bits : int
        Bits of Alice's key that reconciliation disclosed.
    wire_bits_alice, wire_bits_bob : int
        Bits of the reconciliation messages that each party sent.
    verified : bool or None
        Whether the parties' blocks had equal tags.
    tag_bits : int
        Length of the verification tag.
    bounds : Bounds or None
        The bound at the observed values; its length is what they would have allowed.
    agreed_length : int
        The length fixed before the run.
    secret_bits : int
        The key's length: the agreed length, or 0.
    reason : str or None
        Why there is no key.
    eps_sec, eps_cor : float
    double_clicks, dropped_dead_time, dropped_outside : int or None
        Known to Bob only.
    assumptions : tuple of str
    protocol, proof, length_rule : str
    """

    sifted_bits: int
    n_z: tuple[int, ...]
    n_x: tuple[int, ...]
    m_z: tuple[int, ...] | None
    m_x: tuple[int, ...] | None
    discarded_z: int
    discarded_x: int
    leak_ec_bits: int
    wire_bits_alice: int
    wire_bits_bob: int
    verified: bool | None
    tag_bits: int
    bounds: Bounds | None
    agreed_length: int
    secret_bits: int
    reason: str | None
    eps_sec: float
    eps_cor: float
    double_clicks: int | None
    dropped_dead_time: int | None
    dropped_outside: int | None
    assumptions: tuple[str, ...]
    protocol: str = "BB84, one decoy, Cascade, Toeplitz"
    proof: str = PROOF
    length_rule: str = "fixed-length"

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
