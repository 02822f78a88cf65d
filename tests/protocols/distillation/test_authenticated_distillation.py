"""Somebody on the line: whatever is done to one packet, no two different keys are given."""

import contextlib

import numpy as np
import pytest
from distillation_bench import CODEC, Line, changed, noisy, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.distillation import messages as m
from protocols.distillation.bound import AssumedSinglePhotons, Terms
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.errors import AbortedError, AuthenticationError, InsecureError

KEYS = noisy(2000, 0.004)
LONG_KEYS = noisy(5000, 0.02)


@pytest.fixture(scope="module")
def plain() -> Line:
    line = Line(*KEYS, authenticated=True)
    line.run()
    return line


def test_tags_are_charged_and_pads_taken_once(plain: Line) -> None:
    for party in (plain.alice, plain.bob):
        account = party.result
        assert account.pad_bits == 5 * 128
        crossed = sum(len(packet) for _, packet in plain.sent)
        assert 5 * 2**-128 < account.eps_auth < 5 * (crossed / 16 + 60) * 2**-128
        assert account.net_secret_bits == account.secret_bits - 5 * 128 > 0
        assert not any("authenticated by" in text for text in account.assumptions)
    assert plain.alice.key == plain.bob.key
    taken = {ALICE_TO_BOB: 3 * 16, BOB_TO_ALICE: 2 * 16}
    assert plain.pads[ALICE_TO_BOB].taken == plain.pads[BOB_TO_ALICE].taken == taken
    tagged = [type(opened(p)) for _, p in plain.sent if CODEC.unwrap(p).tag]
    assert tagged == [
        m.VerificationTag, m.VerificationOutcome, m.Amplification, m.Confirmation, m.Confirmation,
    ]  # fmt: skip


def test_a_key_that_would_not_pay_for_its_pads_is_none() -> None:
    cheap = Line(*noisy(850, 0.0))
    cheap.run()
    assert 0 < cheap.alice.result.secret_bits <= 640
    line = Line(*noisy(850, 0.0), authenticated=True)
    line.run()
    for party in (line.alice, line.bob):
        assert party.result.secret_bits == party.result.net_secret_bits == 0
        assert party.result.reason is not None and "pay for 640 bits" in party.result.reason


def test_a_key_pays_for_what_was_spent_before() -> None:
    line = Line(*KEYS, authenticated=True)
    for party in (line.alice, line.bob):
        assert party._authenticator is not None
        party._authenticator.spent_bits = 100_000
    line.run()
    for party in (line.alice, line.bob):
        assert party.result.reason is not None
        assert "pay for 100640 bits" in party.result.reason


def attacked(at: int, what: str, data: int = 0) -> Line:
    """Run with the `at`-th delivery attacked; return the line as it was left."""
    line = Line(*KEYS, authenticated=True)
    seen: list[tuple[str, bytes]] = []

    def attack(count: int, waiting: list[tuple[str, bytes]]) -> None:
        direction, packet = waiting[0]
        if count != at:
            seen.append((direction, packet))
        elif what == "flip":
            raw = bytearray(packet)
            raw[data // 8 % len(raw)] ^= 1 << data % 8
            waiting[0] = direction, bytes(raw)
        elif what == "drop":
            del waiting[0]
        elif what == "duplicate":
            waiting.insert(0, waiting[0])
        elif what == "replay":
            earlier = [p for d, p in seen if d == direction]
            if earlier:
                waiting.insert(0, (direction, earlier[data % len(earlier)]))
        elif what == "swap" and len(waiting) > 1:
            waiting[0], waiting[1] = waiting[1], waiting[0]
        elif what == "reflect":
            other = BOB_TO_ALICE if direction == ALICE_TO_BOB else ALICE_TO_BOB
            waiting.insert(0, (other, packet))
        elif what == "renumber":
            found = CODEC.unwrap(packet)
            waiting[0] = direction, CODEC.wrap(found.sequence + 1, found.body, found.tag)

    with contextlib.suppress(InsecureError, AbortedError):
        line.run(attack)
    return line


def assert_no_harm(line: Line) -> None:
    """Keys that were given are equal, and the other side holds what one side has as final."""
    states = line.alice.key_state, line.bob.key_state
    if "final" in states:
        assert "none" not in states
        assert line.alice.pending_key == line.bob.pending_key
    for party in (line.alice, line.bob):
        if party.key_state != "final":
            with pytest.raises(InsecureError):
                _ = party.key
    for pads in line.pads.values():  # each side takes each pad at most once
        assert pads.taken[ALICE_TO_BOB] <= 3 * 16 and pads.taken[BOB_TO_ALICE] <= 2 * 16


@pytest.mark.parametrize("what", ["drop", "duplicate", "replay", "swap", "reflect", "renumber"])
def test_every_packet_attacked(plain: Line, what: str) -> None:
    for at in range(len(plain.sent)):
        line = attacked(at, what, data=at)
        assert_no_harm(line)
        if at < len(plain.sent) - 2 and what in ("drop", "renumber"):
            assert line.alice.key_state != "final" and line.bob.key_state != "final"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_every_bit_flipped(plain: Line, at: int, bit: int) -> None:
    """A tag passes by chance with a probability of 2**-120 or so."""
    line = attacked(at % len(plain.sent), "flip", bit)
    assert_no_harm(line)
    if at % len(plain.sent) < len(plain.sent) - 2:
        assert line.alice.key_state != "final" and line.bob.key_state != "final"


def test_the_last_confirmation_lost_leaves_bob_pending(plain: Line) -> None:
    line = attacked(len(plain.sent) - 1, "drop")
    assert (line.alice.key_state, line.bob.key_state) == ("final", "pending")
    assert line.alice.key == line.bob.pending_key
    line = attacked(len(plain.sent) - 2, "drop")
    assert (line.alice.key_state, line.bob.key_state) == ("pending", "pending")


def test_a_wrong_tag_ends_a_party_for_good(plain: Line) -> None:
    line = Line(*KEYS, authenticated=True)
    line.start()
    while not isinstance(opened(line.waiting[0][1]), m.VerificationTag):
        line.deliver(*line.waiting.pop(0))
    direction, packet = line.waiting[0]
    with pytest.raises(AuthenticationError, match="reconciliation"):
        line.deliver(direction, changed(packet, tag=bytes(8)))
    with pytest.raises(AbortedError):
        line.deliver(direction, packet)


def test_what_crossed_earlier_is_covered_by_the_tag() -> None:
    """A changed answer of reconciliation shows at the latest in the phase's tag."""
    line = Line(*KEYS, authenticated=True)
    line.start()
    while not isinstance(opened(line.waiting[0][1]), m.SampleDisclosure):
        line.deliver(*line.waiting.pop(0))
    direction, packet = line.waiting.pop(0)
    bits = opened(packet).bits  # type: ignore[attr-defined]  # of a SampleDisclosure
    flipped = np.array(bits.array())
    flipped[3] ^= 1
    line.deliver(direction, changed(packet, bits=type(bits).of(flipped)))
    with pytest.raises(InsecureError):
        while line.waiting:
            line.deliver(*line.waiting.pop(0))
    assert line.alice.key_state == line.bob.key_state == "none"


def test_other_secrets_give_no_key() -> None:
    line = Line(*KEYS, authenticated=True)
    line.pads[BOB_TO_ALICE].taken[ALICE_TO_BOB] = 16  # one pad ahead of Alice
    with pytest.raises(AuthenticationError):
        line.run()
    assert line.alice.key_state == line.bob.key_state == "none"


def test_one_side_without_authentication_gives_no_key() -> None:
    bare = Line(*KEYS)
    for authenticated in ("alice", "bob"):
        line = Line(*KEYS, authenticated=True)
        setattr(line, "bob" if authenticated == "alice" else "alice",
                getattr(bare, "bob" if authenticated == "alice" else "alice"))  # fmt: skip
        with pytest.raises(InsecureError):
            line.run()
        assert "final" not in (line.alice.key_state, line.bob.key_state)
        bare = Line(*KEYS)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(("cascade", "ldpc")), st.integers(0, 10**6), st.integers(0, 10**6))
def test_bare_parties_meet_flipped_bits_with_their_own_errors(
    method: str, at: int, bit: int
) -> None:
    """Nothing else is raised, whatever the bytes; equal keys are the channel's promise here."""
    line = Line(*LONG_KEYS, terms=Terms(AssumedSinglePhotons(), method))

    def attack(count: int, waiting: list[tuple[str, bytes]]) -> None:
        if count == at % 14:
            direction, packet = waiting[0]
            raw = bytearray(packet)
            raw[bit // 8 % len(raw)] ^= 1 << bit % 8
            waiting[0] = direction, bytes(raw)

    with contextlib.suppress(InsecureError, AbortedError):
        line.run(attack)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(("cascade", "ldpc")), st.integers(0, 10), st.binary(max_size=60))
def test_answers_and_questions_of_any_bytes(method: str, at: int, data: bytes) -> None:
    line = Line(*LONG_KEYS, terms=Terms(AssumedSinglePhotons(), method))
    asked = (m.ReconciliationQuestion, m.ReconciliationAnswer)
    seen = 0

    def attack(count: int, waiting: list[tuple[str, bytes]]) -> None:
        nonlocal seen
        direction, packet = waiting[0]
        if isinstance(opened(packet), asked):
            seen += 1
            if seen == at + 1:
                waiting[0] = direction, changed(packet, data=data)

    with contextlib.suppress(InsecureError, AbortedError):
        line.run(attack)
    for party in (line.alice, line.bob):
        if party.finished and party.result.verified:
            assert line.alice.result.m_z == line.bob.result.m_z
