"""The hash functions of privacy amplification, by name.

Both are two-universal: of the seeds, a fraction of at most 2**−r lets two different keys
collide. The leftover hash lemma for quantum side information (Tomamichel, Schaffner, Smith
and Renner, IEEE Trans. Inf. Theory 57, 5524, 2011) asks no more of them. It gives the same
term for either, 2**(−(H − r)/2)/2 with H the smooth min-entropy of the key given all that
the eavesdropper holds, and the finite-key bounds contain it; so the choice of one of these
hashes changes neither the length of a key nor its epsilon, only the time and the number of
seed bits, which are public.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocols.errors import ParameterError
from protocols.privacy_amplification import modular, toeplitz
from protocols.secret import SecretBits

__all__ = ["AMPLIFIERS", "Amplifier", "amplifier"]


class Hash(Protocol):
    """A hash of `toeplitz_hash`'s arguments."""

    def __call__(
        self, key: SecretBits, seed: bytes, output_bits: int, workers: int = 1
    ) -> SecretBits:
        """Return the hash's `output_bits` bits of `key`."""


@dataclass(frozen=True)
class Amplifier:
    """A two-universal family.

    Attributes
    ----------
    seed_bits : callable
        From the bits of a key and of its hash to the number of packed seed bits.
    hash : callable
        From key, seed, output bits and workers to the shorter key.
    source : str
        Where its universality is proved.
    """

    seed_bits: Callable[[int, int], int]
    hash: Hash
    source: str


AMPLIFIERS = {
    "toeplitz": Amplifier(
        toeplitz.seed_bits,
        toeplitz.toeplitz_hash,
        "Mansour, Nisan and Tiwari, Theor. Comput. Sci. 107, 121 (1993)",
    ),
    "modular": Amplifier(
        modular.seed_bits, modular.modular_hash, "Dietzfelbinger, STACS 1996, LNCS 1046, 569"
    ),
}
"""The families by their names."""


def amplifier(name: str) -> Amplifier:
    """Return the family called `name`.

    Raises
    ------
    ParameterError
        There is none of that name.
    """
    try:
        return AMPLIFIERS[name]
    except KeyError:
        known = ", ".join(sorted(AMPLIFIERS))
        raise ParameterError(f"no hash is called {name!r}; there are {known}") from None
