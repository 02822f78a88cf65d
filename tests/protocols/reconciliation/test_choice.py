"""Reconciliation by name."""

import numpy as np
import pytest

from protocols.errors import ParameterError
from protocols.reconciliation import choice
from protocols.reconciliation.cascade import ERROR_PATTERN_NOTE
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits

FEW = Estimate(20, 1000)
MANY = Estimate(200, 1000)


@pytest.mark.parametrize(
    ("method", "size", "estimate", "chosen"),
    [
        ("auto", 1, FEW, "cascade"),
        ("auto", (1 << 14) - 1, FEW, "cascade"),
        ("auto", 1 << 14, FEW, "ldpc-16k"),
        ("auto", 30_000, FEW, "ldpc-16k"),
        ("auto", 200_000, FEW, "ldpc-64k"),
        ("auto", 10**8, FEW, "ldpc-64k"),
        ("auto", 10**8, MANY, "cascade"),
        ("auto", 10**8, Estimate(80, 10_000), "cascade"),
        ("auto", 10**8, Estimate(100, 10_000), "ldpc-64k"),
        ("ldpc", 10**8, Estimate(80, 10_000), "ldpc-64k"),
        ("auto", 10**8, Estimate(0, 0), "cascade"),
        ("cascade", 10**8, FEW, "cascade"),
        ("cascade-original", 10**8, FEW, "cascade-original"),
        ("ldpc", 100, FEW, "cascade"),
        ("ldpc", 20_000, FEW, "ldpc-16k"),
        ("ldpc", 10**6, FEW, "ldpc-64k"),
        ("ldpc-16k", 10**6, FEW, "ldpc-16k"),
        ("ldpc-64k", 20_000, FEW, "ldpc-16k"),
        ("ldpc-1m", 10**7, FEW, "ldpc-1m"),
        ("ldpc-1m", 10**7, MANY, "cascade"),
    ],
)
def test_choice(method: str, size: int, estimate: Estimate, chosen: str) -> None:
    assert choice.choose(method, size, estimate) == chosen
    assert choice.choose(chosen, size, estimate) == chosen
    assert choice.allowance(chosen, size) >= choice.allowance(chosen, 2 * size) > 1
    assert choice.assumptions(chosen, True)[-1] == ERROR_PATTERN_NOTE
    assert len(choice.assumptions(chosen, True)) == 1 + chosen.startswith("ldpc")


@pytest.mark.parametrize("method", choice.METHODS)
def test_every_name_can_be_asked_for(method: str) -> None:
    choice.require(method)
    rng = np.random.default_rng(1)
    alice = rng.integers(0, 2, 20_000, np.uint8)
    bob = alice ^ (rng.random(20_000) < 0.02).astype(np.uint8)
    keys = [SecretBits(np.packbits(bits).tobytes(), 20_000) for bits in (alice, bob)]
    chosen = choice.choose(method, 20_000, FEW)
    answerer = choice.answerer(chosen, keys[0], FEW, bytes(32))
    corrector = choice.corrector(chosen, keys[1], FEW, bytes(32))
    while (question := corrector.question()) is not None:
        corrector.answer(answerer.answer(question))
    assert corrector.key() == keys[0] and corrector.leak == answerer.leak
    assert corrector.two_way == answerer.two_way >= chosen.startswith("cascade")


def test_other_names_are_refused() -> None:
    for wrong in ("", "none", "LDPC", "cascade "):
        with pytest.raises(ParameterError, match="there is no reconciliation"):
            choice.require(wrong)
        with pytest.raises(ParameterError):
            choice.choose(wrong, 100, FEW)
    assert choice.assumptions("", False) == ()
