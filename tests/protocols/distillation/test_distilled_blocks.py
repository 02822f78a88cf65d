"""Whole distillations: equal keys or a refusal, and an account that is exact."""

import math

import numpy as np
import pytest
from distillation_bench import Line, SeededEntropy, block, noisy, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.distillation import messages as m
from protocols.distillation.block import SiftedBlock, count_errors, is_constant
from protocols.distillation.bound import AssumedSinglePhotons, Tally, Terms
from protocols.distillation.correcting import CorrectingParty
from protocols.distillation.local import distil
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.distillation.reference import ReferenceParty
from protocols.distillation.sample import sample_bits, sample_places, sample_size
from protocols.errors import InsecureError, MessageError, ParameterError
from protocols.reconciliation.cascade import ERROR_PATTERN_NOTE
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits


@pytest.fixture(scope="module")
def line() -> Line:
    made = Line(*noisy(50_000, 0.02))
    made.run()
    return made


def test_both_have_the_same_key_and_tell_the_same(line: Line) -> None:
    account = line.alice.result
    assert account == line.bob.result
    assert account.reason is None and account.verified is True
    assert line.alice.key == line.bob.key and len(line.alice.key) == account.secret_bits > 25_000
    assert line.alice.key_state == line.bob.key_state == "final"
    alice, bob = noisy(50_000, 0.02)
    assert account.errors == np.count_nonzero(alice != bob)
    assert account.bounds["leak_ec"] == account.leak_ec_bits + account.sample_bits
    assert account.reconciliation and account.amplification == "toeplitz"
    assert account.length_rule == "variable-length"


def test_the_length_is_that_of_the_formula(line: Line) -> None:
    account = line.alice.result
    n, rate = account.bits, account.errors / account.bits
    entropy = -rate * math.log2(rate) - (1 - rate) * math.log2(1 - rate)
    charges = (
        account.leak_ec_bits + account.sample_bits + 16 + account.tag_bits + 2 * math.log2(1e9)
    )
    assert account.tag_bits >= math.log2(2e15)
    assert account.secret_bits == math.floor(n * (1 - entropy) - charges)


def test_the_wire_is_counted_each_way(line: Line) -> None:
    kinds = [type(opened(packet)) for _, packet in line.sent]
    wire = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}
    for direction, packet in line.sent[: kinds.index(m.ReconciliationEnd) + 1]:
        wire[direction] += 8 * len(packet)
    account = line.alice.result
    assert (account.wire_bits_alice, account.wire_bits_bob) == (
        wire[ALICE_TO_BOB],
        wire[BOB_TO_ALICE],
    )
    assert account.leak_ec_bits + account.sample_bits < account.wire_bits_alice


def test_the_seed_of_the_hash_is_drawn_last(line: Line) -> None:
    kinds = [
        kind
        for _, p in line.sent
        if (kind := type(opened(p))) not in (m.ReconciliationQuestion, m.ReconciliationAnswer)
    ]
    assert kinds == [
        m.SampleDisclosure, m.ReconciliationStart, m.ReconciliationEnd, m.VerificationTag,
        m.VerificationOutcome, m.Amplification, m.Confirmation, m.Confirmation,
    ]  # fmt: skip
    short = Line(*noisy(2000, 0.09))
    short.run()
    assert short.alice.result.reason is not None and "no secret bit" in short.alice.result.reason
    assert "amplification-seed" not in short.entropy[ALICE_TO_BOB].drawn
    assert set(line.entropy[ALICE_TO_BOB].drawn) == {
        "sample-seed", "verification-key", "amplification-seed",
    }  # fmt: skip


def test_a_test_basis_replaces_the_sample() -> None:
    line = Line(*noisy(20_000, 0.02), 5000, 101)
    line.run()
    account = line.bob.result
    assert account.sample_bits == 0 and account.m_x == (101,) and account.n_x == (5000,)
    assert account.qber_x == 101 / 5000
    assert account.bounds["leak_ec"] == account.leak_ec_bits
    assert line.alice.key == line.bob.key


def test_modular_amplification() -> None:
    line = Line(*noisy(20_000, 0.01), terms=Terms(AssumedSinglePhotons(), "auto", "modular"))
    line.run()
    assert line.alice.result.amplification == "modular"
    assert line.alice.key == line.bob.key


def test_too_many_errors_are_seen_in_the_sample() -> None:
    line = Line(*noisy(20_000, 0.3))
    line.run()
    for party in (line.alice, line.bob):
        assert party.result.reason is not None and "the error rate is" in party.result.reason
        assert party.result.verified is None and party.key_state == "none"
        with pytest.raises(InsecureError):
            _ = party.key


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two keys that differ in up to 11 % of their bits, in patterns of all kinds."""
    size = draw(st.integers(1, 6000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    alice = rng.integers(0, 2, size, np.uint8)
    kind = draw(st.sampled_from(("spread", "burst", "front", "one way", "comb", "bytes")))
    most = int(0.11 * size)
    count = draw(st.integers(0, most))
    if kind == "spread":
        places = rng.permutation(size)[:count]
    elif kind == "burst":
        start = draw(st.integers(0, size - 1))
        places = (start + np.arange(count)) % size
    elif kind == "front":
        places = np.arange(count)
    elif kind == "one way":
        places = np.flatnonzero(alice)[:count]
    elif kind == "comb":
        places = np.arange(0, size, draw(st.integers(10, 100)))[:count]
    else:
        places = (8 * rng.permutation(max(1, size // 8))[: count // 8, None] + np.arange(8)).ravel()
        places = places[places < size]
    bob = alice.copy()
    bob[places] ^= 1
    return alice, bob


@settings(deadline=None, max_examples=60)
@given(pairs(), st.binary(max_size=4), st.booleans())
def test_any_errors_end_equal_or_refused(
    keys: tuple[np.ndarray, np.ndarray], seed: bytes, authenticated: bool
) -> None:
    """Unequal keys would pass as equal with a probability below 1e-15."""
    line = Line(*keys, seed=seed, authenticated=authenticated)
    line.run()
    account = line.bob.result
    assert account == line.alice.result
    if account.verified:
        assert account.errors == np.count_nonzero(keys[0] != keys[1])
    if account.reason is None:
        assert line.alice.key == line.bob.key
        assert 0 < account.net_secret_bits <= account.secret_bits < keys[0].size
    else:
        assert line.alice.key_state == line.bob.key_state == "none"
        assert account.secret_bits == account.net_secret_bits == 0


@pytest.mark.parametrize("method", ["ldpc-16k", "ldpc-64k", "ldpc", "auto", "cascade-yanetal"])
@pytest.mark.parametrize("pattern", ["spread", "bursts", "one way"])
def test_long_blocks_end_equal_by_any_method(method: str, pattern: str) -> None:
    bits = 280_000
    alice, bob = noisy(bits, 0.03, seed=5)
    if pattern == "bursts":  # 3 % in stretches that are half wrong
        rng = np.random.default_rng(6)
        bob = alice.copy()
        for start in range(0, bits, 10_000):
            bob[start : start + 600] ^= rng.integers(0, 2, 600, np.uint8)
    elif pattern == "one way":
        bob = bob & alice
    line = Line(alice, bob, terms=Terms(AssumedSinglePhotons(), method, "modular"))
    line.run()
    account = line.bob.result
    assert account.reason is None and line.alice.key == line.bob.key
    assert account.errors == np.count_nonzero(alice != bob)
    chosen = {"auto": "ldpc-64k", "ldpc": "ldpc-64k"}
    assert account.reconciliation == chosen.get(method, method)
    assert account == line.alice.result


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**6), st.data())
def test_samples_are_spread_evenly(seed: bytes, bits: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, min(bits, 5000)))
    places = sample_places(seed, bits, size)
    edges = np.arange(size + 1) * bits // size
    assert (places >= edges[:-1]).all() and (places < edges[1:]).all()


def test_samples_are_the_bits_at_their_places() -> None:
    key = SecretBits(b"\x12\x34\x80", 17)
    assert sample_bits(key, np.array([3, 6, 16])).tolist() == [1, 1, 1]
    assert sample_bits(key, np.array([0, 4, 15])).tolist() == [0, 0, 0]
    assert [sample_size(n) for n in (1, 64, 100, 10**6)] == [1, 64, 64, 3420]
    with pytest.raises(ParameterError):
        sample_places(bytes(32), 3, 4)


def test_errors_are_counted_per_intensity() -> None:
    before, after = SecretBits(b"\xff\x0f", 16), SecretBits(b"\x7f\x0c", 16)
    assert count_errors(before, after, ()) == (3,)
    assert count_errors(before, after, (b"\x80\x01",)) == (1, 2)
    assert count_errors(before, after, (b"\x80\x00", b"\x00\x03")) == (0, 1, 2)


def test_constant_keys_are_seen() -> None:
    assert is_constant(SecretBits(b"\xff\xf8", 13)) and is_constant(SecretBits(bytes(3), 20))
    assert not is_constant(SecretBits(b"\xff\xf0", 13))


def test_blocks_hold_together() -> None:
    key = SecretBits(b"\xf0", 8)
    for fields in ({"n_z": (7,)}, {"n_z": (9, -1)}, {"n_z": (8,), "n_x": (2,), "m_x": (3,)},
                   {"n_z": (4, 4), "marks": (b"",)}):  # fmt: skip
        with pytest.raises(ParameterError):
            SiftedBlock(key, **fields)


def test_without_a_block_there_is_nothing_to_start() -> None:
    for kind in (ReferenceParty, CorrectingParty):
        with pytest.raises(MessageError, match="no block"):
            kind(Terms(AssumedSinglePhotons())).start(SeededEntropy(b""))


def test_parties_that_stop_early_are_told_so() -> None:
    class Silent(ReferenceParty):
        def _start(self, entropy: object) -> list[bytes]:
            return []

    terms = Terms(AssumedSinglePhotons())
    alice, bob = noisy(100, 0.01)
    with pytest.raises(MessageError, match="stopped before"):
        distil(
            Silent(terms, block(alice)),
            CorrectingParty(terms, block(bob)),
            SeededEntropy(b"a"),
            SeededEntropy(b"b"),
        )


def test_the_assumed_bound() -> None:
    bound = AssumedSinglePhotons(1e-10, 1e-12)
    assert bound.decide(Tally((1000,), (), (500,), ()), 0, 64).length == 0
    whole = bound.decide(Tally((1000,), (), (0,), ()), 100, 64)
    assert whole.length == 1000 - 100 - 10 - 64 - 67  # 2 log2(1e10) = 66.4
    assert bound.hopeless(Estimate(0, 0)) is None
    assert bound.hopeless(Estimate(40, 200)) is None  # not five deviations above 11 %
    assert bound.hopeless(Estimate(60, 200)) is not None
    for wrong in (0, 1, -1, 2, math.nan):
        with pytest.raises(ParameterError):
            AssumedSinglePhotons(wrong, 1e-15)
        with pytest.raises(ParameterError):
            AssumedSinglePhotons(1e-9, wrong)


def test_terms_that_cannot_be_met_are_nobodys_message() -> None:
    strict = Line(*noisy(2000, 0.01), terms=Terms(AssumedSinglePhotons(eps_cor=1e-40)))
    for party, entropy in ((strict.alice, ALICE_TO_BOB), (strict.bob, BOB_TO_ALICE)):
        with pytest.raises(ParameterError, match="does not reach 1e-40"):
            party.start(strict.entropy[entropy])
    for wrong in (
        Terms(AssumedSinglePhotons(), "none"),
        Terms(AssumedSinglePhotons(), "auto", "none"),
    ):
        with pytest.raises(ParameterError, match="'none'"):
            ReferenceParty(wrong)
        with pytest.raises(ParameterError, match="'none'"):
            CorrectingParty(wrong)


@pytest.mark.parametrize(
    ("method", "rate", "two_way"),
    [("ldpc-16k", 0.01, False), ("ldpc-16k", 0.1, True), ("cascade", 0.01, True)],
)
def test_two_ways_are_assumed_only_where_they_were_gone(
    method: str, rate: float, two_way: bool
) -> None:
    """The test says 1 %, so that frames with ten go to Cascade in the end."""
    line = Line(*noisy(20_000, rate), 10_000, 100, terms=Terms(AssumedSinglePhotons(), method))
    line.run()
    account = line.bob.result
    assert account.assumptions == line.alice.result.assumptions
    assert account.reconciliation == method
    assert (ERROR_PATTERN_NOTE in account.assumptions) is two_way
