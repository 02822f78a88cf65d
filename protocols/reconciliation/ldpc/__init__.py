"""Reconciliation by LDPC codes that adapt their rate, with Cascade behind them."""

from __future__ import annotations

from protocols.errors import ParameterError
from protocols.reconciliation import cascade, interface
from protocols.reconciliation.interface import Estimate
from protocols.reconciliation.ldpc.adaptation import choose_frame
from protocols.reconciliation.ldpc.answerer import LdpcAnswerer
from protocols.reconciliation.ldpc.codes import FRAMES
from protocols.reconciliation.ldpc.corrector import LdpcCorrector
from protocols.secret import SecretBits

__all__ = ["FRAMES", "answerer", "corrector"]


def corrector(
    key: SecretBits, estimate: Estimate, seed: bytes, frame: int | None = None, workers: int = 1
) -> interface.Corrector:
    """Return Bob's side of reconciliation by LDPC codes.

    Keys too short for a code, and those of an estimated rate of errors too high for one, go
    to Cascade at once.

    Parameters
    ----------
    key : SecretBits
        1 to 2**30 bits.
    estimate : Estimate
    seed : bytes
        Public, of any length, drawn after the key was sent.
    frame : int or None
        Bits of a frame, one of `FRAMES`, at most; None leaves the choice.
    workers : int
        Threads to use; the result does not depend on it.

    Raises
    ------
    ParameterError
        There are no codes for such frames.
    """
    length = _frame(key, estimate, frame)
    if length is None:
        return cascade.corrector(key, estimate, seed, workers=workers)
    return LdpcCorrector(key, estimate, seed, length, workers)


def answerer(
    key: SecretBits, estimate: Estimate, seed: bytes, frame: int | None = None, workers: int = 1
) -> interface.Answerer:
    """Return Alice's side of reconciliation by LDPC codes; as `corrector`."""
    length = _frame(key, estimate, frame)
    if length is None:
        return cascade.answerer(key, estimate, seed, workers=workers)
    return LdpcAnswerer(key, seed, length, workers)


def _frame(key: SecretBits, estimate: Estimate, frame: int | None) -> int | None:
    if frame is not None and frame not in FRAMES:
        raise ParameterError(f"codes are for frames of {FRAMES} bits, not {frame}")
    return choose_frame(key.bit_count, estimate, frame)
