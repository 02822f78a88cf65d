"""Reconciliation by name, and the choice made for those who name none."""

from __future__ import annotations

import math

from protocols.errors import ParameterError
from protocols.reconciliation import cascade, ldpc
from protocols.reconciliation.interface import Answerer, Corrector, Estimate
from protocols.reconciliation.ldpc.adaptation import choose_frame
from protocols.secret import SecretBits

__all__ = ["METHODS", "allowance", "answerer", "assumptions", "choose", "corrector", "require"]

_FLAGS_NOTE = "LDPC codes: which frames needed more is public and charged"

_FRAMES = {"ldpc": None, "ldpc-16k": 1 << 14, "ldpc-64k": 1 << 16, "ldpc-1m": 1 << 20}

_VARIANTS = {f"cascade-{name}": name for name in cascade.VARIANTS}
_NAMES = {frame: name for name, frame in _FRAMES.items() if frame is not None}

#: By what was measured at 1 to 5 %, and a margin; of LDPC codes for blocks of many frames.
_ALLOWANCES = {"cascade": 1.1, "ldpc-16k": 1.27, "ldpc-64k": 1.18, "ldpc-1m": 1.13}
_ALLOWANCE_OF_VARIANTS = 1.3
#: What few frames may need beyond that: it falls with the square root of their number.
_SPREAD_OF_FRAMES = 0.25

#: "auto" takes codes for a whole frame at least, and for the rates that they were made for:
#: the longest of a ladder disclose 5 % of a frame, which below is far more than Cascade does.
_LEAST_BITS, _LEAST_RATE = 1 << 14, 0.009

METHODS = ("auto", "cascade", *_VARIANTS, *_FRAMES)
"""What can be asked for."""


def require(method: str) -> None:
    """Raise ParameterError unless there is a method of this name."""
    if method not in METHODS:
        raise ParameterError(f"there is no reconciliation {method!r}; known: {', '.join(METHODS)}")


def choose(method: str, size: int, estimate: Estimate) -> str:
    """Return the method that `method` stands for, for a block of `size` bits.

    "auto" takes LDPC codes for blocks of 2**14 bits and more whose error rate they are made
    for, since their messages tell the eavesdropper nothing of where the errors are, and else
    Cascade. "ldpc" takes them for shorter ones and lower rates, too. Both take the longest
    frames that fit. What is too short or too wrong for any code goes to Cascade. Both
    parties come to the same choice from what both know.

    Raises
    ------
    ParameterError
        There is no such method.
    """
    require(method)
    if method in _VARIANTS:
        return method
    outside = size < _LEAST_BITS or estimate.rate < _LEAST_RATE
    if method == "cascade" or (method == "auto" and outside):
        return "cascade"
    frame = choose_frame(size, estimate, _FRAMES.get(method))
    return "cascade" if frame is None else _NAMES[frame]


def allowance(method: str, size: int) -> float:
    """Return the efficiency to allow for when a length is agreed before the block is known.

    It is above what the chosen `method` needs on average for blocks of `size` bits, for the
    spread of errors between blocks and, with LDPC codes, of blind rounds between frames. A
    block of few frames one of which goes to Cascade may need more, and then gives no key.
    """
    usual = _ALLOWANCES.get(method, _ALLOWANCE_OF_VARIANTS)
    frame = _FRAMES.get(method)
    return usual if frame is None else usual + _SPREAD_OF_FRAMES / math.sqrt(max(1, size / frame))


def corrector(
    method: str, key: SecretBits, estimate: Estimate, seed: bytes, workers: int = 1
) -> Corrector:
    """Return Bob's side of a chosen method; parameters as those of the methods."""
    if method in _FRAMES:
        return ldpc.corrector(key, estimate, seed, frame=_FRAMES[method], workers=workers)
    variant = _VARIANTS.get(method, cascade.DEFAULT)
    return cascade.corrector(key, estimate, seed, variant, workers)


def answerer(
    method: str, key: SecretBits, estimate: Estimate, seed: bytes, workers: int = 1
) -> Answerer:
    """Return Alice's side of a chosen method; parameters as those of the methods."""
    if method in _FRAMES:
        return ldpc.answerer(key, estimate, seed, frame=_FRAMES[method], workers=workers)
    variant = _VARIANTS.get(method, cascade.DEFAULT)
    return cascade.answerer(key, estimate, seed, variant, workers)


def assumptions(method: str, two_way: bool) -> tuple[str, ...]:
    """Return what a result says about a chosen method; nothing where it did not come to one.

    Parameters
    ----------
    method : str
        As chosen, or empty.
    two_way : bool
        Whether it came to two-way questions; LDPC codes end in them for frames that they do
        not correct.
    """
    flags = (_FLAGS_NOTE,) if method in _FRAMES else ()
    return (*flags, cascade.ERROR_PATTERN_NOTE) if two_way else flags
