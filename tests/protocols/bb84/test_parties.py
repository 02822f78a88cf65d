"""Two honest parties: the same key or the same reason for none."""

from dataclasses import replace

import numpy as np
import pytest
from bb84_bench import SOURCE, Link, bench_channel, bench_setup, make_link
from hypothesis import given, settings
from hypothesis import strategies as st
from party_wire import (
    BENCH,
    Wire,
    authenticated_link,
    opened,
    ready_link,
    run,
    small_link,
)

from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.bb84.distillation import Setup
from protocols.bb84.lengths import FixedLength
from protocols.bb84.messages import CODEC, Announcement, Disclosure, TestReply
from protocols.bb84.settings import AliceSettings
from protocols.bb84.sifting import Detections
from protocols.distillation import messages as m
from protocols.distillation.block import count_errors
from protocols.distillation.local import distil
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.errors import AbortedError, InsecureError, MessageError, ParameterError


@pytest.fixture(scope="module", params=["cascade", "ldpc-64k"])
def keyed(request: pytest.FixtureRequest) -> tuple[Link, list[tuple[str, bytes]]]:
    """One block with a key: a tenth of the bench's pulses at ten times its transmittance.

    The agreement of the bench holds, since the detections are as many.
    """
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    setup = bench_setup(channel, 6_000_000, reconciliation=request.param)
    link = make_link(setup, channel, 6_000_000, blocks=3)
    return link, run(link)


def test_both_parties_have_the_same_key(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    link, _ = keyed
    result = link.alice.result
    assert result.reason is None and result.verified is True
    assert link.alice.key == link.bob.key
    assert len(link.alice.key) == result.secret_bits == link.setup.agreement.length > 45_000
    ones = int.from_bytes(link.alice.key.reveal(), "big").bit_count()
    n = len(link.alice.key)
    assert abs(ones - n / 2) < 5 * (n / 4) ** 0.5  # false alarm 6e-7, seed fixed


def test_both_parties_report_the_same(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    link, sent = keyed
    alice, bob = link.alice.result, link.bob.result
    unknown = {"double_clicks": None, "dropped_dead_time": None, "dropped_outside": None}
    assert replace(bob, **unknown) == alice
    assert bob.double_clicks is not None and bob.double_clicks > 0
    assert link.entropy_bob.drawn["double-clicks"] * 8 >= bob.double_clicks
    agreement = link.setup.agreement
    assert sum(alice.n_z) == agreement.n_z and sum(alice.n_x) == agreement.n_x
    assert alice.sifted_bits == agreement.n_z + agreement.n_x
    assert alice.discarded_z > 0 and alice.discarded_x > 0
    assert alice.qber_z == pytest.approx(0.013, abs=0.002)
    assert alice.qber_x == pytest.approx(0.013, abs=0.003)
    assert alice.reconciliation == link.setup.reconciliation
    most = {"cascade": 1.1, "ldpc-64k": 1.35}[alice.reconciliation]
    assert alice.efficiency is not None and 1 < alice.efficiency < most
    assert alice.bounds["length"] >= alice.secret_bits
    assert alice.bounds["leak_ec"] == alice.leak_ec_bits
    assert alice.length_rule == "fixed-length" and "Rusca" in alice.proof
    assert alice.net_secret_bits == alice.secret_bits and alice.pad_bits == 0
    assert any("phase randomisation" in text for text in alice.assumptions)
    assert any("authenticated by the channel" in text for text in alice.assumptions)
    kinds = [type(opened(packet)) for _, packet in sent]
    start, end = kinds.index(m.ReconciliationStart), kinds.index(m.ReconciliationEnd)
    wire = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}
    for direction, packet in sent[start : end + 1]:
        wire[direction] += 8 * len(packet)
    assert (alice.wire_bits_alice, alice.wire_bits_bob) == (wire[ALICE_TO_BOB], wire[BOB_TO_ALICE])
    assert 0 < alice.leak_ec_bits < alice.wire_bits_alice


def test_the_order_is_kept(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    """Bases after the complete list; the seed of the hash after everything else is public."""
    _, sent = keyed
    asking = (m.ReconciliationQuestion, m.ReconciliationAnswer)
    order = [(d, kind) for d, packet in sent if (kind := type(opened(packet))) not in asking]
    assert order == [
        (BOB_TO_ALICE, Announcement),
        (ALICE_TO_BOB, Disclosure),
        (BOB_TO_ALICE, TestReply),
        (BOB_TO_ALICE, m.ReconciliationStart),
        (BOB_TO_ALICE, m.ReconciliationEnd),
        (ALICE_TO_BOB, m.VerificationTag),
        (BOB_TO_ALICE, m.VerificationOutcome),
        (ALICE_TO_BOB, m.Amplification),
        (BOB_TO_ALICE, m.Confirmation),
        (ALICE_TO_BOB, m.Confirmation),
    ]


def test_secrets_do_not_show(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    link, _ = keyed
    for text in (repr(link.alice.key), repr(link.alice), repr(link.bob), repr(link.alice.result)):
        assert link.alice.key.reveal()[:4].hex() not in text
        assert repr(link.alice.key.reveal()[:4])[2:-1] not in text


def test_entropy_is_drawn_when_its_turn_comes() -> None:
    link = small_link()
    messages = link.bob.start(link.entropy_bob)
    link.alice.start(link.entropy_alice)
    settings_only = {"alice-settings"}
    assert set(link.entropy_alice.drawn) == settings_only
    link.alice.receive(messages[0], link.entropy_alice)
    assert set(link.entropy_alice.drawn) == settings_only | {"block-seed"}


def test_a_short_block_is_measured_in_full_but_gives_no_key() -> None:
    link = small_link()
    sent = run(link)
    for party in (link.alice, link.bob):
        result = party.result
        assert result.secret_bits == 0 and result.verified
        assert result.reason is not None and "bits in the key basis, fewer" in result.reason
        assert result.qber_z is not None and result.efficiency is not None
        with pytest.raises(InsecureError):
            _ = party.key
    last = opened(sent[-1][1])
    assert isinstance(last, m.Amplification) and last.length == 0
    assert "amplification-seed" not in link.entropy_alice.drawn


def test_a_high_error_rate_gives_no_key() -> None:
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    setup = bench_setup(channel, 1_500_000, margin=1.0)
    link = make_link(setup, replace(channel, misalignment=0.085), 1_500_000)
    run(link)
    result = link.alice.result
    assert result.qber_z == pytest.approx(0.085, abs=0.005)
    assert result.verified and result.secret_bits == 0
    assert result.reason == link.bob.result.reason
    assert result.reason is not None
    assert "phase error rate" in result.reason or "no secret bit" in result.reason


def test_without_phase_randomisation_there_is_no_key() -> None:
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    setup = bench_setup(channel, 3_000_000, "none", margin=3.0)
    link = make_link(setup, channel, 3_000_000)
    run(link)
    result = link.bob.result
    assert result.bounds["length"] > 0
    assert result.reason is not None and "phase is not randomised" in result.reason
    assert "source phase randomisation: none" in result.assumptions
    with pytest.raises(InsecureError, match="phase"):
        _ = link.alice.key
    with pytest.raises(ParameterError):
        replace(setup, phase_randomisation="some")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("slots", [0, 8, 16])
def test_nearly_nothing_detected_ends_with_a_reason(slots: int) -> None:
    alice, bob = Alice(BENCH), Bob(BENCH)
    link = small_link()
    zeros = np.zeros(slots, np.uint8)
    alice.add_block(AliceSettings(zeros, zeros, zeros))
    bob.add_block(
        Detections(slots, np.arange(slots // 2), zeros[: slots // 2]), zeros, link.entropy_bob
    )
    distil(alice, bob, link.entropy_alice, link.entropy_bob)
    for party in (alice, bob):
        assert party.result.reason == "no detections with equal bases in both bases"
        assert party.result.qber_x is None and party.result.efficiency is None
        with pytest.raises(InsecureError):
            _ = party.key


def test_a_key_is_final_only_where_the_other_holds_it() -> None:
    wire = Wire(ready_link())
    alice, bob = wire.link.alice, wire.link.bob
    to, packet = wire.until(m.Amplification)
    assert (alice.key_state, bob.key_state) == ("none", "none")
    alice.settle()
    assert (alice.key_state, bob.key_state) == ("pending", "none")
    wire.deliver(to, packet)
    assert (alice.key_state, bob.key_state) == ("pending", "pending")
    assert alice.pending_key == bob.pending_key
    for party in (alice, bob):
        with pytest.raises(MessageError):
            _ = party.key
    to, packet = wire.until(m.Confirmation)
    assert to is alice
    wire.deliver(to, packet)
    assert (alice.key_state, bob.key_state) == ("final", "pending")
    wire.rest()
    assert (alice.key_state, bob.key_state) == ("final", "final")
    assert alice.key == bob.key == bob.pending_key


def test_seven_tags_are_charged() -> None:
    link, pads = authenticated_link()
    run(link)
    for party in (link.alice, link.bob):
        result = party.result
        assert result.pad_bits == 7 * 128
        assert result.net_secret_bits == result.secret_bits - 7 * 128 > 0
        assert not any("authenticated by the channel" in text for text in result.assumptions)
    assert link.alice.key == link.bob.key
    assert pads[0].taken == pads[1].taken == {ALICE_TO_BOB: 64, BOB_TO_ALICE: 48}


END = CODEC.wrap(0, CODEC.encode(m.ReconciliationEnd()))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**16), st.floats(0, 0.11))
def test_blocks_of_any_error_rate_end_equal(seed: int, rate: float) -> None:
    """A wrong block would pass as right with a probability below 1e-15."""
    link = make_link(BENCH, replace(bench_channel(rate), transmittance=0.5), 5000, seed=seed)
    wire = Wire(link)
    to, end = wire.until(m.ReconciliationEnd)  # nothing is corrected yet
    errors = count_errors(link.alice._bits, link.bob._bits, link.bob._marks)
    wire.deliver(to, end)
    wire.rest()
    for party in (link.alice, link.bob):
        assert party.result.verified is True
        assert party.result.m_z == errors


def test_a_fault_of_ones_own_is_not_laid_on_the_other_party() -> None:
    class Faulty(Bob):
        def _start(self, entropy: object) -> list[bytes]:
            raise ParameterError("the patterns are too many")

    link, faulty = small_link(), Faulty(BENCH)
    with pytest.raises(ParameterError, match=r"^the patterns are too many$"):
        faulty.start(link.entropy_bob)
    with pytest.raises(AbortedError):
        faulty.receive(END, link.entropy_bob)


def test_parties_start_once_and_take_patterns_before() -> None:
    link = small_link()
    with pytest.raises(MessageError, match="not what is due"):
        link.bob.receive(END, link.entropy_bob)
    link.alice.start(link.entropy_alice)
    with pytest.raises(MessageError, match="once"):
        link.alice.start(link.entropy_alice)
    zeros = np.zeros(4, np.uint8)
    with pytest.raises(ParameterError, match="before the start"):
        link.alice.add_block(AliceSettings(zeros, zeros, zeros))
    fresh = Bob(BENCH)
    with pytest.raises(ParameterError, match="every slot"):
        fresh.add_block(Detections(5, np.arange(2), zeros[:2]), zeros, link.entropy_bob)
    fresh.start(link.entropy_bob)
    with pytest.raises(ParameterError, match="before the start"):
        fresh.add_block(Detections(4, np.arange(2), zeros[:2]), zeros, link.entropy_bob)


def test_alice_checks_her_settings() -> None:
    zeros, two = np.zeros(4, np.uint8), np.full(4, 2, np.uint8)
    for wrong in (
        AliceSettings(zeros, zeros, two),
        AliceSettings(two, zeros, zeros),
        AliceSettings(zeros, two, zeros),
        AliceSettings(zeros, zeros, zeros[1:]),
    ):
        with pytest.raises(ParameterError):
            Alice(BENCH).add_block(wrong)


def test_the_assumptions_name_the_station_fact() -> None:
    setup = Setup(SOURCE, BENCH.agreement, "modulated")
    assert FixedLength(setup).assumptions[0] == "source phase randomisation: modulated"


def test_the_rule_names_the_agreed_protocol() -> None:
    decoys = replace(BENCH.agreement, protocol="two-decoy")
    assert FixedLength(BENCH).protocol == BENCH.agreement.protocol == "one-decoy"
    assert FixedLength(replace(BENCH, agreement=decoys)).protocol == "two-decoy"


def test_nothing_disclosed_before_can_be_negative() -> None:
    with pytest.raises(ParameterError):
        replace(BENCH, already_disclosed=-1)
