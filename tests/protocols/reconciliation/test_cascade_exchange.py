"""Cascade behind the interface of reconciliation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bits import pack
from protocols.errors import MessageError
from protocols.reconciliation.cascade import answerer, corrector
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits


def keys(size: int, rate: float, seed: int) -> tuple[SecretBits, SecretBits]:
    rng = np.random.default_rng(seed)
    alice = rng.integers(0, 2, size, dtype=np.uint8)
    bob = alice ^ (rng.random(size) < rate)
    return SecretBits(pack(alice), size), SecretBits(pack(bob), size)


@settings(deadline=None, max_examples=30)
@given(
    size=st.integers(1, 3000),
    rate=st.floats(0, 0.11),
    seed=st.integers(0, 2**32),
    believed=st.floats(0, 0.5),
)
def test_keys_end_equal_or_are_caught(size: int, rate: float, seed: int, believed: float) -> None:
    alice_key, bob_key = keys(size, rate, seed)
    estimate = Estimate(int(100 * believed), 100)
    bob = corrector(bob_key, estimate, b"seed")
    alice = answerer(alice_key, estimate, b"seed")
    while (question := bob.question()) is not None:
        bob.answer(alice.answer(question))
        assert alice.leak == bob.leak
    assert bob.key() == alice_key


def test_a_frame_beyond_repair_is_disclosed_whole() -> None:
    size = 5000
    alice_key, bob_key = keys(size, 0.01, 1)
    estimate = Estimate(1, 100)
    bob = corrector(bob_key, estimate, b"seed")
    alice = answerer(alice_key, estimate, b"seed")
    while (question := bob.question()) is not None:
        answer = alice.answer(question)
        if question == b"\1":
            answer = bytes([answer[0] ^ 1]) + answer[1:]
        bob.answer(answer)
    assert bob.key() == alice_key
    assert bob.leak == alice.leak
    assert bob.leak.frames == size


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_alice_refuses_what_is_no_question(data: bytes) -> None:
    alice = answerer(keys(1000, 0, 1)[0], Estimate(3, 100), b"seed")
    try:
        alice.answer(data)
    except MessageError:
        assert alice.leak.total == 0


def test_answers_of_the_wrong_length_are_refused() -> None:
    bob = corrector(keys(1000, 0, 1)[0], Estimate(3, 100), b"seed")
    with pytest.raises(MessageError):
        bob.answer(b"")
    assert bob.question() is not None
    with pytest.raises(MessageError):
        bob.answer(b"\0")
