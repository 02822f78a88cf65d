"""How long a key may be: finite-key bounds for decoy states, single photons and pairs."""

from protocols.bb84.finite_key.analysis import (
    FIXED_LENGTH,
    VARIABLE_LENGTH,
    Analysis,
    analyse,
    announcement_charge,
    examine,
    verification_charge,
)
from protocols.bb84.finite_key.bounds import Bounds, bound_at
from protocols.bb84.finite_key.box import least_bounds, worst_bounds
from protocols.bb84.finite_key.inputs import (
    PROTOCOLS,
    Counts,
    Detectors,
    Intensity,
    KeyCounts,
    Security,
    Source,
    intensities_of,
)
from protocols.bb84.finite_key.proofs import Proof, choose_proof
from protocols.bb84.finite_key.statistics import binary_entropy

__all__ = [
    "FIXED_LENGTH",
    "PROTOCOLS",
    "VARIABLE_LENGTH",
    "Analysis",
    "Bounds",
    "Counts",
    "Detectors",
    "Intensity",
    "KeyCounts",
    "Proof",
    "Security",
    "Source",
    "analyse",
    "announcement_charge",
    "binary_entropy",
    "bound_at",
    "choose_proof",
    "examine",
    "intensities_of",
    "least_bounds",
    "verification_charge",
    "worst_bounds",
]
