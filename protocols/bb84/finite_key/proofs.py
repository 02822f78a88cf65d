"""The proofs: what each bounds, what it costs, what it takes for granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from protocols.bb84.finite_key.decoys import SinglePhotons, one_decoy, two_decoys
from protocols.bb84.finite_key.enclosure import Real
from protocols.bb84.finite_key.inputs import Counts, Detectors, intensities_of
from protocols.bb84.finite_key.phase_error import (
    Budget,
    by_gamma,
    by_imperfect_detectors,
    by_sampling,
)
from protocols.errors import ParameterError

__all__ = ["Proof", "choose_proof"]

ASSUMED_OF_ALL = (
    "both stations are closed to the eavesdropper, their random choices uniform and private",
    "messages are authenticated, and what both parties do depends on nothing but them",
    "no pulse, and no setting of a station, depends on an earlier one",
)
ASSUMED_OF_LIGHT = (
    "the phase of every pulse is uniformly random, and photon numbers are Poissonian",
    "the intensities are constant and as stated",
    "light of different intensity or basis differs in nothing else",
    "the four states are those of ideal BB84",
)
ASSUMED_OF_PHOTONS = (
    "every signal holds exactly one photon, in one of the four states of ideal BB84",
)
ASSUMED_OF_PAIRS = (
    "Alice and Bob measure a qubit each, in one of two complementary bases",
    "the source of the pairs need not be trusted",
    "whether Alice or Bob detects does not depend on the basis",
)
ASSUMED_ALIKE = (
    "whether Bob detects does not depend on his basis: his detectors are alike",
    "a double click becomes a random bit",
)
ASSUMED_OF_DETECTORS = (
    "Bob's detectors keep to the stated efficiencies and dark counts in every mode of light",
    "a double click becomes a random bit",
)
ASSUMED_FIXED = (
    "the block sizes, the thresholds of acceptance and the length were agreed before the run",
)
ASSUMED_ANNOUNCED = (
    "the key basis errors of each intensity are announced after reconciliation, and charged",
)

RUSCA = (
    "Rusca et al. 2018 (Appl. Phys. Lett. 112, 171104);"
    " Wiesemann et al. 2026 (Quantum 10, 2037, arXiv 2405.16578)"
)
LIM = (
    "Lim et al. 2014 (Phys. Rev. A 89, 022307);"
    " Wiesemann et al. 2026 (Quantum 10, 2037, arXiv 2405.16578)"
)
TOMAMICHEL = "Tomamichel, Lim, Gisin, Renner 2012 (Nat. Commun. 3, 634)"
LEVERRIER = f"Tomamichel and Leverrier 2017 (Quantum 1, 14); {TOMAMICHEL}"
TUPKARY = "Tupkary, Nahar, Sinha, Lütkenhaus 2025 (Quantum 9, 1937, arXiv 2408.17349)"


@dataclass(frozen=True)
class Proof:
    """One security proof, ready to be applied to a block.

    Attributes
    ----------
    citation : str
    assumptions : tuple of str
        What the hardware and the parties must meet.
    photons : callable
        Takes intensities, probabilities and counts, gives the bounds on single photons.
    phase : callable
        Takes these as numbers, gives the terms of the phase error bound.
    secrecy_bits : float
        What eps_sec costs.
    announces : bool
        Whether the key basis errors of each intensity must be made public.
    """

    citation: str
    assumptions: tuple[str, ...]
    photons: Callable[[Sequence[Real], Sequence[float], Counts], SinglePhotons[Real]]
    phase: Callable[[SinglePhotons[float]], dict[str, float]]
    secrecy_bits: float
    announces: bool = False


def choose_proof(
    protocol: str, eps_sec: float, variable_length: bool, detectors: Detectors | None = None
) -> Proof:
    """Return the proof that covers a case.

    Raises
    ------
    ParameterError
        There is none here; the message says why.
    """
    intensities_of(protocol)
    different = detectors is not None and not detectors.alike
    if variable_length or different:
        _refuse_uncovered(protocol, variable_length)
        return _tupkary(protocol, eps_sec, variable_length, detectors)
    if protocol == "one-decoy":
        return _one_decoy(eps_sec)
    if protocol == "two-decoy":
        return _two_decoys(eps_sec)
    return _sampling(protocol, eps_sec)


def _refuse_uncovered(protocol: str, variable_length: bool) -> None:
    wish = "a variable length" if variable_length else "detectors that differ"
    if protocol == "one-decoy":
        raise ParameterError(
            f"one-decoy: no proof here covers {wish}, for the vacuum is bounded by errors that are"
            " known only after reconciliation; two-decoy has one"
        )
    if protocol == "bbm92":
        raise ParameterError(
            f"bbm92: no proof here covers {wish}, for that of arXiv 2408.17349 takes Alice to"
            " prepare what she sends"
        )


def _one_decoy(eps_sec: float) -> Proof:
    events = 19

    def photons(k: Sequence[Real], p: Sequence[float], counts: Counts) -> SinglePhotons[Real]:
        return one_decoy(k, p, counts, math.log(events / eps_sec))

    return Proof(
        RUSCA,
        (
            *ASSUMED_OF_LIGHT,
            *ASSUMED_ALIKE,
            *ASSUMED_FIXED,
            *ASSUMED_ANNOUNCED,
            *ASSUMED_OF_ALL,
        ),
        photons,
        lambda found: by_gamma(found, eps_sec, events),
        6 * math.log2(events / eps_sec),
        announces=True,
    )


def _two_decoys(eps_sec: float) -> Proof:
    events = 21

    def photons(k: Sequence[Real], p: Sequence[float], counts: Counts) -> SinglePhotons[Real]:
        return two_decoys(k, p, counts, math.log(events / eps_sec))

    return Proof(
        LIM,
        (*ASSUMED_OF_LIGHT, *ASSUMED_ALIKE, *ASSUMED_FIXED, *ASSUMED_OF_ALL),
        photons,
        lambda found: by_gamma(found, eps_sec, events),
        6 * math.log2(events / eps_sec),
    )


def _all_single(k: Sequence[Real], p: Sequence[float], counts: Counts) -> SinglePhotons[Real]:
    return SinglePhotons(0.0, sum(counts.n_z), sum(counts.n_x), sum(counts.m_x))


def _sampling(protocol: str, eps_sec: float) -> Proof:
    pairs = protocol == "bbm92"
    source = ASSUMED_OF_PAIRS if pairs else (*ASSUMED_OF_PHOTONS, *ASSUMED_ALIKE)
    return Proof(
        LEVERRIER if pairs else TOMAMICHEL,
        (*source, *ASSUMED_FIXED, *ASSUMED_OF_ALL),
        _all_single,
        lambda found: by_sampling(found, eps_sec),
        2 * math.log2(1 / eps_sec),
    )


def _tupkary(
    protocol: str, eps_sec: float, variable_length: bool, detectors: Detectors | None
) -> Proof:
    different = detectors is not None and not detectors.alike
    decoys = protocol == "two-decoy"
    budget = Budget(eps_sec, 9 if decoys else 0, 3 if different else 1)

    def photons(k: Sequence[Real], p: Sequence[float], counts: Counts) -> SinglePhotons[Real]:
        if not decoys:
            return _all_single(k, p, counts)
        found = two_decoys(k, p, counts, budget.log_inverse_two_sided)
        return replace(found, s_z0_lower=0.0)  # this proof gives no credit for the vacuum

    return Proof(
        TUPKARY,
        (
            *(ASSUMED_OF_LIGHT if decoys else ASSUMED_OF_PHOTONS),
            *(ASSUMED_OF_DETECTORS if different else ASSUMED_ALIKE),
            *(() if variable_length else ASSUMED_FIXED),
            *ASSUMED_OF_ALL,
        ),
        photons,
        lambda found: by_imperfect_detectors(found, budget, detectors),
        budget.secrecy_bits,
    )
