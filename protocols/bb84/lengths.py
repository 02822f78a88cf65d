"""The length of a BB84 key, as the rule that a distillation asks."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.bb84.agreement import check_acceptance, check_sizes
from protocols.bb84.distillation import Setup, require_phase_randomisation
from protocols.bb84.finite_key import FIXED_LENGTH, KeyCounts, examine
from protocols.distillation.bound import Tally, Terms, Verdict
from protocols.errors import InsecureError
from protocols.reconciliation.interface import Estimate

__all__ = ["FixedLength", "terms"]


@dataclass(frozen=True)
class FixedLength:
    """The length agreed before the run, if the block meets what was agreed with it."""

    setup: Setup

    @property
    def eps_sec(self) -> float:
        """Secrecy of the block."""
        return self.setup.agreement.security.eps_sec

    @property
    def eps_cor(self) -> float:
        """Correctness of the block."""
        return self.setup.agreement.security.eps_cor

    @property
    def protocol(self) -> str:
        """What results call it."""
        return self.setup.agreement.protocol

    @property
    def proof(self) -> str:
        """What results cite."""
        return self.setup.agreement.proof.citation

    @property
    def length_rule(self) -> str:
        """The length does not follow from the block."""
        return FIXED_LENGTH

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the proof takes for granted and the hardware must meet."""
        return (
            f"source phase randomisation: {self.setup.phase_randomisation}",
            *self.setup.agreement.proof.assumptions,
        )

    def tag_bits(self, bits: int) -> int:
        """Return the agreed length of the verification tag."""
        return self.setup.agreement.tag_bits

    def hopeless(self, estimate: Estimate) -> str | None:
        """Give no block up: a bad one is measured in full."""
        return None

    def decide(self, tally: Tally, disclosed: int, tag_bits: int) -> Verdict:
        """Compare the observed bounds with the agreement.

        What was disclosed before the block was agreed on is taken off the agreed length: it
        is no part of what the agreement allows reconciliation to disclose.
        """
        setup = self.setup
        agreement = setup.agreement
        proof = agreement.proof
        announced = 0 if proof.announces else len(tally.n_z) * sum(tally.n_z).bit_length()
        block = KeyCounts(
            agreement.protocol,
            setup.source.intensities,
            setup.source.probabilities,
            tally.n_z,
            tally.n_x,
            tally.m_z,
            tally.m_x,
            disclosed,
            self.eps_sec,
            self.eps_cor,
            tag_bits,
            announced,
            agreement.detectors,
        )
        found = examine(block)
        reason = found.reason
        try:
            require_phase_randomisation(setup)
            check_sizes(agreement, sum(tally.n_z), sum(tally.n_x))
            if reason is None:
                check_acceptance(agreement, found)
        except InsecureError as error:
            reason = str(error)
        before = setup.already_disclosed
        bounds = {**found.bounds, "length": max(0, found.length - before)}
        if before:
            bounds["already_disclosed_bits"] = float(before)
        length = agreement.length - before
        if reason is None and length <= 0:
            reason = (
                f"earlier conversations disclosed {before} bits,"
                f" which leave nothing of the {agreement.length} agreed"
            )
        return Verdict(length if reason is None else 0, reason, bounds)


def terms(setup: Setup) -> Terms:
    """Return the terms of a distillation at the length agreed in `setup`."""
    return Terms(FixedLength(setup), setup.reconciliation, setup.amplification)
