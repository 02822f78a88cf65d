"""From two sifted keys to one secret key, both parties in one process."""

from __future__ import annotations

import time

import numpy as np

from protocols.distillation.block import SiftedBlock, count_errors, is_constant
from protocols.distillation.bound import Terms
from protocols.distillation.local import distil
from protocols.distillation.reference import ReferenceParty
from protocols.privacy_amplification.choice import amplifier
from protocols.reconciliation import choice
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits
from qlab.context import Progress, SilentProgress
from qlab.distillation.counting import CountingBob
from qlab.distillation.entropy import SystemEntropy
from qlab.distillation.errors import SiftedKeysError
from qlab.distillation.results import Distilled
from qlab.errors import InsecureRunError

__all__ = ["check_keys", "distil_sifted"]

_MOST_ERRORS = 0.25
"""Error rate above which two keys are taken for unrelated."""
_WARM_BITS = 20_000


def distil_sifted(
    alice: SecretBits,
    bob: SecretBits,
    terms: Terms,
    *,
    estimate: Estimate | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Distilled:
    """Distil the keys of both parties, of equal length, into one.

    Parameters
    ----------
    alice, bob : SecretBits
        Alice's is the reference.
    terms : Terms
    estimate : Estimate, optional
        Errors of a test that both know of; without it a sample of the key is disclosed.
    workers : int
        Threads.
    progress : Progress, optional

    Raises
    ------
    SiftedKeysError
        The keys are no two sifted keys of one block.
    InsecureRunError
        They differ in too many bits.
    """
    errors = check_keys(alice, bob)
    progress = progress or SilentProgress()
    progress.phase("kernels")
    startup_seconds = _warm_up(
        terms, alice.bit_count, estimate or Estimate(errors, alice.bit_count)
    )
    progress.phase("key distillation")
    count = (alice.bit_count,)
    ours = SiftedBlock(alice, count, expected=estimate)
    theirs = SiftedBlock(bob, count, expected=estimate)
    reference = ReferenceParty(terms, ours, workers=workers)
    corrected = CountingBob(terms, theirs, workers=workers)
    corrected.alice = reference
    entropy = SystemEntropy()
    start = time.perf_counter()
    distil(reference, corrected, entropy, entropy, lambda way, packet: progress.step())
    seconds = time.perf_counter() - start
    account = corrected.result
    key: SecretBits | None = None
    if account.reason is None:
        if reference.key != corrected.key:
            raise InsecureRunError("the parties' keys differ: this must not happen, report it")
        key = reference.key
    return Distilled(account, errors, corrected.residual_errors, seconds, startup_seconds, key)


def check_keys(alice: SecretBits, bob: SecretBits) -> int:
    """Return in how many bits two sifted keys differ.

    Raises
    ------
    SiftedKeysError, InsecureRunError
        As `distil_sifted`.
    """
    if alice.bit_count != bob.bit_count:
        raise SiftedKeysError(
            f"the keys are of unequal length: {alice.bit_count} and {bob.bit_count} bits",
            remedy="both files must hold the same detections in the same order",
        )
    if not alice.bit_count:
        raise SiftedKeysError("the keys are empty", remedy="name files of sifted bits")
    for name, sifted in (("Alice's", alice), ("Bob's", bob)):
        if is_constant(sifted):
            raise SiftedKeysError(
                f"all bits of {name} key are equal: that is no key",
                remedy="check what wrote the file; eight bits a byte need --format packed",
            )
    errors = sum(count_errors(alice, bob, ()))
    if errors > _MOST_ERRORS * alice.bit_count:
        raise InsecureRunError(
            f"the keys differ in {errors / alice.bit_count:.1%} of their bits: no key",
            remedy="check that both files hold the same detections in the same order",
        )
    return errors


def _warm_up(terms: Terms, size: int, estimate: Estimate) -> float:
    """Load the kernels that the distillation needs, on bits of no meaning; return seconds."""
    start = time.perf_counter()
    rate = estimate.rate
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2, _WARM_BITS, np.uint8)
    wrong = (generator.random(_WARM_BITS) < min(rate, 0.11)).astype(np.uint8)
    keys = [SecretBits(np.packbits(b).tobytes(), _WARM_BITS) for b in (bits, bits ^ wrong)]
    method = choice.choose(terms.reconciliation, size, estimate)
    seed = bytes(32)
    answerer = choice.answerer(method, keys[0], estimate, seed)
    corrector = choice.corrector(method, keys[1], estimate, seed)
    while (question := corrector.question()) is not None:
        corrector.answer(answerer.answer(question))
    family = amplifier(terms.amplification)
    seed_bits = family.seed_bits(_WARM_BITS, _WARM_BITS // 2)
    family.hash(keys[0], bytes((seed_bits + 7) // 8), _WARM_BITS // 2)
    return time.perf_counter() - start
