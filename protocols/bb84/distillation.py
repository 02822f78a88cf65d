"""What a BB84 distillation starts from and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from protocols.bb84.agreement import Agreement
from protocols.bb84.finite_key import Source
from protocols.bb84.sifting import Sifted
from protocols.distillation.account import Account
from protocols.errors import InsecureError, ParameterError

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
    reconciliation, amplification : str
        As `protocols.distillation.bound.Terms`.
    already_disclosed : int
        Bits about the key that became public before, when parts of the same detections were
        reconciled without giving a key; the agreed length loses them.
    """

    source: Source
    agreement: Agreement
    phase_randomisation: PhaseRandomisation
    reconciliation: str = "auto"
    amplification: str = "toeplitz"
    already_disclosed: int = 0

    def __post_init__(self) -> None:
        if self.already_disclosed < 0:
            raise ParameterError("what was disclosed already cannot be negative")
        if self.phase_randomisation not in get_args(PhaseRandomisation):
            raise ParameterError(f"unknown phase randomisation {self.phase_randomisation!r}")


def require_phase_randomisation(setup: Setup) -> None:
    """Raise InsecureError if the pulses' phase is not random."""
    if setup.phase_randomisation == "none":
        raise InsecureError(
            "the source's phase is not randomised: the decoy-state bound does not apply"
        )


@dataclass(frozen=True, kw_only=True)
class Distillation(Account):
    """The public account of one block of BB84.

    Counts per intensity are in the source's order. What a block did not come to is None.

    Attributes
    ----------
    sifted_bits : int
        n_z + n_x of the block.
    discarded_z, discarded_x : int
        Detections beyond the agreed sizes, left out.
    agreed_length : int
        The length fixed before the run.
    double_clicks, dropped_dead_time, dropped_outside : int or None
        Known to Bob only.
    """

    discarded_z: int
    discarded_x: int
    agreed_length: int
    double_clicks: int | None = None
    dropped_dead_time: int | None = None
    dropped_outside: int | None = None

    @property
    def sifted_bits(self) -> int:
        """Key block and test together."""
        return sum(self.n_z) + sum(self.n_x)

    @classmethod
    def of(cls, setup: Setup, sifted: Sifted | None, **facts: Any) -> Distillation:
        """Add what sifting tells to the account of a block."""
        return cls(
            **facts,
            discarded_z=0 if sifted is None else sifted.discarded_key,
            discarded_x=0 if sifted is None else sifted.discarded_test,
            agreed_length=setup.agreement.length,
        )
