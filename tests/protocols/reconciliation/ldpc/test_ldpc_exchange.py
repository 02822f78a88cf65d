"""The whole exchange: equal keys, the leak, and messages that do not belong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldpc_bench import rank, run, secret

from protocols.bits import packed_size
from protocols.errors import MessageError, ParameterError
from protocols.reconciliation import interface, ldpc
from protocols.reconciliation.interface import Estimate, Leak
from protocols.reconciliation.ldpc import progress as kinds
from protocols.reconciliation.ldpc.attempt import Attempt
from protocols.secret import SecretBits

Bits = npt.NDArray[np.uint8]
SEED = b"public seed"


def keys(size: int, errors: Bits, seed: int = 1) -> tuple[SecretBits, SecretBits]:
    alice = np.random.default_rng(seed).integers(0, 2, size, dtype=np.uint8)
    return secret(alice), secret(alice ^ errors)


def scattered(size: int, rate: float, seed: int = 1) -> Bits:
    return (np.random.default_rng(seed + 1000).random(size) < rate).astype(np.uint8)


def both(
    alice: SecretBits, bob: SecretBits, estimate: Estimate, frame: int | None, workers: int = 1
) -> tuple[interface.Answerer, interface.Corrector]:
    return (
        ldpc.answerer(alice, estimate, SEED, frame, workers),
        ldpc.corrector(bob, estimate, SEED, frame, workers),
    )


PATTERNS = ("scattered", "burst", "ones only", "at the front", "periodic")


def pattern(kind: str, size: int, rate: float, alice: Bits, seed: int) -> Bits:
    rng = np.random.default_rng(seed)
    count = int(rate * size)
    errors = np.zeros(size, np.uint8)
    if kind == "scattered":
        errors[rng.permutation(size)[:count]] = 1
    elif kind == "burst":
        errors[(int(rng.integers(size)) + np.arange(count)) % size] = 1
    elif kind == "ones only":
        errors[rng.permutation(np.flatnonzero(alice))[:count]] = 1
    elif kind == "at the front":
        errors[rng.permutation(min(size, 2 * count))[:count]] = 1
    else:
        errors[:: max(9, size // max(1, count))] = 1
    return errors


@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(1, 70000),
    kind=st.sampled_from(PATTERNS),
    rate=st.floats(0, 0.11),
    guess=st.floats(0.1, 6),
    frame=st.sampled_from([None, 16384, 65536]),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_patterns_of_up_to_eleven_percent_end_equal(
    size: int, kind: str, rate: float, guess: float, frame: int | None, seed: int
) -> None:
    alice = np.random.default_rng(seed).integers(0, 2, size, dtype=np.uint8)
    errors = pattern(kind, size, rate, alice, seed)
    estimate = Estimate(min(1000, int(guess * rate * 1000)), 1000)
    key, leak, _ = run(*both(secret(alice), secret(alice ^ errors), estimate, frame))
    assert key == secret(alice)
    assert leak.total > 0 or size == 0


def told_to_random_keys(
    size: int, estimate: Estimate, frame: int, questions: list[bytes], count: int
) -> Bits:
    """Answers, as bits, to the same questions for random keys, less those for a key of zeros."""
    rng = np.random.default_rng(7)
    rows = []
    for index in range(count + 1):
        bits = rng.integers(0, 2, size, dtype=np.uint8) * (index > 0)
        answerer = ldpc.answerer(secret(bits), estimate, SEED, frame)
        told = b"".join(answerer.answer(question) for question in questions)
        rows.append(np.unpackbits(np.frombuffer(told, np.uint8)))
    found = np.array(rows)
    return found[1:] ^ found[0]


def test_the_leak_is_the_rank_of_what_was_disclosed() -> None:
    """Random keys, 64 more than parities, reach the rank but for a chance of 2**-64.

    That the parities of whole frames are independent is tested with the codes.
    """
    size, estimate = 4200, Estimate(300, 10000)
    alice, bob = keys(size, scattered(size, 0.03))
    key, leak, crossed = run(*both(alice, bob, estimate, 16384))
    assert key == alice
    assert leak.frames == 0
    assert {question[0] for question, _ in crossed} == {kinds.SYNDROMES, kinds.BLIND, kinds.CHECK}
    questions = [question for question, _ in crossed]
    disclosed = leak.parities + leak.checks
    assert 8 * sum(len(answer) for _, answer in crossed) == disclosed
    assert rank(told_to_random_keys(size, estimate, 16384, questions, disclosed + 64)) == disclosed


def test_the_leak_is_no_less_than_what_was_told_with_cascade_behind() -> None:
    alice, bob = keys(6000, scattered(6000, 0.1))
    key, leak, crossed = run(*both(alice, bob, Estimate(50, 10000), 16384))
    assert key == alice
    assert any(question[0] == kinds.CASCADE for question, _ in crossed)
    assert leak.total >= sum(8 * len(answer) - 7 for _, answer in crossed)


def test_flags_are_one_bit_a_frame_and_attempt() -> None:
    size = 20 * 16384
    alice, bob = keys(size, scattered(size, 0.02))
    _, leak, crossed = run(*both(alice, bob, Estimate(200, 10000), 16384))
    opened = [question for question, _ in crossed if question[0] == kinds.SYNDROMES]
    rounds = [question for question, _ in crossed if question[0] == kinds.BLIND]
    assert len(opened) == 2
    assert 1 <= len(rounds) <= kinds.BLIND_ROUNDS
    told = leak.flags - 8 * 7 * len(opened)
    assert 20 < told <= 20 * (1 + len(rounds))


@pytest.mark.parametrize(("frames", "groups"), [(1, 1), (64, 1), (65, 2)])
def test_the_outcome_of_a_groups_check_is_a_flag(frames: int, groups: int) -> None:
    alice, _ = keys(frames * 16384, np.zeros(frames * 16384, np.uint8))
    key, leak, crossed = run(*both(alice, alice, Estimate(100, 10000), 16384))
    assert key == alice
    opened = sum(question[0] == kinds.SYNDROMES for question, _ in crossed)
    assert crossed[-1][0][0] == kinds.CHECK and leak.checks == 32 * groups
    assert leak.flags == 8 * 7 * opened + frames + groups


def test_a_wrong_estimate_is_corrected_by_the_pilot() -> None:
    size = 64 * 16384
    alice, bob = keys(size, scattered(size, 0.01))
    leaks = [
        run(*both(alice, bob, Estimate(errors, 1000), 16384))[1].total for errors in (2, 10, 50)
    ]
    assert max(leaks) < 1.25 * min(leaks)


def test_the_result_does_not_depend_on_the_workers() -> None:
    size = 40 * 16384 + 77
    alice, bob = keys(size, scattered(size, 0.03))
    one = run(*both(alice, bob, Estimate(300, 10000), 16384, workers=1))
    three = run(*both(alice, bob, Estimate(300, 10000), 16384, workers=3))
    assert one == three
    assert one[0] == alice


def test_a_wrong_codeword_is_found_by_its_tag_and_corrected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = 100 * 16384
    alice, bob = keys(size, scattered(size, 0.01))
    decode = Attempt.decode

    def misled(self: Attempt, hard: bool) -> None:
        decode(self, hard)
        if not self.batch.before and self.failed.size > 50:
            decoded = self.batch.frames[np.flatnonzero(~self.failed)[0]]
            self._side.frames[decoded, 3] ^= np.uint64(0x41)

    monkeypatch.setattr(Attempt, "decode", misled)
    key, leak, crossed = run(*both(alice, bob, Estimate(100, 10000), 16384))
    assert key == alice
    assert [question[0] for question, _ in crossed].count(kinds.SINGLE) == 1
    assert leak.checks > 32 * (2 + 50)


def test_frames_of_a_million_bits() -> None:
    size = 1_100_000
    alice, bob = keys(size, scattered(size, 0.04))
    key, leak, _ = run(*both(alice, bob, Estimate(400, 10000), 1 << 20))
    assert key == alice
    assert leak.total < 0.4 * size


def test_equal_keys_stay_equal() -> None:
    alice, bob = keys(50000, np.zeros(50000, np.uint8))
    key, leak, _ = run(*both(alice, bob, Estimate(0, 10000), None))
    assert key == alice
    assert leak.total < 0.05 * 50000


def test_a_frame_that_there_is_not_is_refused() -> None:
    key = secret(np.zeros(100, np.uint8))
    for side in (ldpc.corrector, ldpc.answerer):
        with pytest.raises(ParameterError):
            side(key, Estimate(0, 10), SEED, 1000)


def test_out_of_order_calls_are_refused() -> None:
    alice, bob = keys(20000, scattered(20000, 0.02))
    answerer, corrector = both(alice, bob, Estimate(20, 1000), 16384)
    with pytest.raises(MessageError):
        corrector.answer(b"")
    with pytest.raises(ParameterError):
        corrector.key()
    question = corrector.question()
    assert question is not None
    with pytest.raises(ParameterError):
        corrector.question()
    answer = answerer.answer(question)
    with pytest.raises(MessageError):
        corrector.answer(answer[:-1])


def stages(size: int = 100_000) -> list[tuple[bytes, ...]]:
    """Questions of exchanges that come to each kind."""
    found = []
    for rate, estimate in ((0.02, Estimate(200, 10000)), (0.1, Estimate(50, 10000))):
        alice, bob = keys(size, scattered(size, rate))
        crossed = run(*both(alice, bob, estimate, 16384))[2]
        found.append(tuple(question for question, _ in crossed))
    return found


STAGES = stages()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_question_breaks_the_answerer(data: st.DataObject) -> None:
    """A question bent anywhere is answered or refused, and the answer is never long."""
    size = 100_000
    which = data.draw(st.integers(0, 1))
    questions = STAGES[which]
    stop = data.draw(st.integers(0, min(len(questions) - 1, 12)))
    estimate = (Estimate(200, 10000), Estimate(50, 10000))[which]
    answerer = ldpc.answerer(secret(np.ones(size, np.uint8)), estimate, SEED, 16384)
    for question in questions[:stop]:
        answerer.answer(question)
    bent = bytearray(questions[stop])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(bent) - 1))
        bent[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        bent = bent[: data.draw(st.integers(0, len(bent)))]
    bent += data.draw(st.binary(max_size=4))
    try:
        answer = answerer.answer(bytes(bent))
    except MessageError:
        return
    assert len(answer) <= 2 * packed_size(size)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_answer_breaks_the_corrector(data: st.DataObject) -> None:
    size = 40_000
    alice, bob = keys(size, scattered(size, 0.03))
    answerer, corrector = both(alice, bob, Estimate(300, 10000), 16384)
    bent = data.draw(st.integers(0, 8))
    for index in range(3000):
        try:
            question = corrector.question()
            if question is None:
                break
            answer = bytearray(answerer.answer(question))
            if index >= bent and answer:
                answer[data.draw(st.integers(0, len(answer) - 1))] ^= data.draw(st.integers(1, 255))
            if index >= bent and data.draw(st.integers(0, 9)) == 0:
                answer += b"x"
            corrector.answer(bytes(answer))
        except MessageError:
            return
    assert corrector.key().bit_count == size


def test_leak_adds_up() -> None:
    assert Leak(1, 2, 3, 4).total == 10


def test_a_pilot_and_a_test_count_by_their_variances():
    from protocols.reconciliation.ldpc.adaptation import combined

    test = Estimate(399, 19998)  # 2 %, one in twenty
    assert combined(0.0205, 0.0, test) == 0.0205
    assert combined(0.0210, 0.05, test) == pytest.approx(0.0205, rel=1e-3)
    assert combined(0.0210, 1.0, test) == pytest.approx(0.02, rel=1e-3)
    assert combined(0.05, 0.02, test) == 0.05, "it is too far off to be chance"
    assert combined(0.0205, 0.05, Estimate(0, 0)) == 0.0205
