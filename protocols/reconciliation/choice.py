"""Reconciliation by name, and the choice made for those who name none."""

from __future__ import annotations

from protocols.errors import ParameterError
from protocols.reconciliation import cascade
from protocols.reconciliation.interface import Answerer, Corrector, Estimate
from protocols.secret import SecretBits

__all__ = ["METHODS", "answerer", "assumptions", "choose", "corrector", "require"]

METHODS = ("auto", "cascade")
"""What can be asked for."""


def require(method: str) -> None:
    """Raise ParameterError unless there is a method of this name."""
    if method not in METHODS:
        raise ParameterError(f"there is no reconciliation {method!r}; known: {', '.join(METHODS)}")


def choose(method: str, size: int, estimate: Estimate) -> str:
    """Return the method that `method` stands for, for a block of `size` bits.

    Both parties come to the same choice from what both know.

    Raises
    ------
    ParameterError
        There is no such method.
    """
    require(method)
    return "cascade" if method == "auto" else method


def corrector(
    method: str, key: SecretBits, estimate: Estimate, seed: bytes, workers: int = 1
) -> Corrector:
    """Return Bob's side of a chosen method; parameters as those of the methods."""
    return cascade.corrector(key, estimate, seed, workers=workers)


def answerer(
    method: str, key: SecretBits, estimate: Estimate, seed: bytes, workers: int = 1
) -> Answerer:
    """Return Alice's side of a chosen method; parameters as those of the methods."""
    return cascade.answerer(key, estimate, seed, workers=workers)


def assumptions(method: str) -> tuple[str, ...]:
    """Return what a result says about a chosen method; "" for one that did not come to it."""
    return (cascade.ERROR_PATTERN_NOTE,) if method.startswith("cascade") else ()
