"""Cascade: Bob corrects his bits by asking Alice for parities.

Both keys are shuffled and cut into frames of at most 65 536 bits (`slicing`). Alice first
tells the parities of all blocks of all passes (`forest`); then Bob cuts the blocks that
differ, the shortest first, until he finds errors, and every bit that he corrects may make
blocks of other passes odd (`search`). Frames go side by side, one message a cut, and 64
of them share a word. What he was told he keeps: no parity is asked for that those told
imply bit by bit. At the end checks are compared; frames that failed are tried once more
and, where that fails, disclosed whole (`batch`).

The questions show where the errors are: the error pattern must be taken as known to the
eavesdropper (Tupkary and Lütkenhaus, arXiv 2307.00576).

References
----------
G. Brassard, L. Salvail, Eurocrypt '93; J. Martinez-Mateo et al., Quantum Inf. Comput. 15,
453 (2015).
"""

from __future__ import annotations

from protocols.reconciliation.cascade.answerer import CascadeAnswerer
from protocols.reconciliation.cascade.corrector import CascadeCorrector
from protocols.reconciliation.cascade.variants import DEFAULT, VARIANTS, block_counts
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits

__all__ = [
    "DEFAULT",
    "ERROR_PATTERN_NOTE",
    "VARIANTS",
    "CascadeAnswerer",
    "CascadeCorrector",
    "answerer",
    "corrector",
]

ERROR_PATTERN_NOTE = (
    "two-way Cascade: the error pattern is taken as known to the eavesdropper (arXiv 2307.00576)"
)
"""What a result says about two-way reconciliation."""


def corrector(
    key: SecretBits, estimate: Estimate, seed: bytes, variant: str = DEFAULT, workers: int = 1
) -> CascadeCorrector:
    """Return Bob's side of Cascade.

    Parameters
    ----------
    key : SecretBits
        1 to 2**30 bits.
    estimate : Estimate
        Chooses the blocks' lengths; where it is far too low, they are chosen anew.
    seed : bytes
        Public, of any length, drawn after the key was sent; Alice uses the same.
    variant : str
        One of `VARIANTS`.
    workers : int
        Threads to use; the result does not depend on it.

    Raises
    ------
    ParameterError
        The variant is unknown, or the key too long.
    """
    return CascadeCorrector(key, estimate, seed, variant, workers)


def answerer(
    key: SecretBits, estimate: Estimate, seed: bytes, variant: str = DEFAULT, workers: int = 1
) -> CascadeAnswerer:
    """Return Alice's side of Cascade; as `corrector`, whose questions name the blocks."""
    block_counts(variant, estimate.rate, 1)
    return CascadeAnswerer(key, seed, workers)
