import itertools
from dataclasses import replace

import numpy as np
import pytest
from bb84_bench import SOURCE, Link, bench_channel, bench_setup, make_link
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bb84 import messages as m
from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.bb84.distil import ALICE_TO_BOB, BOB_TO_ALICE, distil
from protocols.bb84.distillation import Setup
from protocols.bb84.party import Party
from protocols.bb84.settings import AliceSettings
from protocols.bb84.sifting import Detections, intensity_counts
from protocols.errors import AbortedError, InsecureError, MessageError, ParameterError

BENCH = bench_setup(bench_channel(), 40_000_000)


def small_link(seed: int = 1, **changes: float) -> Link:
    """Return a strong short link whose block is too small for the bench's key."""
    channel = replace(bench_channel(), transmittance=0.5, **changes)
    return make_link(BENCH, channel, 40_000, blocks=2, seed=seed)


def run(link: Link) -> list[tuple[str, bytes]]:
    sent: list[tuple[str, bytes]] = []
    distil(
        link.alice,
        link.bob,
        link.entropy_alice,
        link.entropy_bob,
        lambda direction, data: sent.append((direction, data)),
    )
    return sent


@pytest.fixture(scope="module")
def keyed() -> tuple[Link, list[tuple[str, bytes]]]:
    """One block with a key: a tenth of the bench's pulses at ten times its transmittance.

    The agreement of the bench holds, since the detections are as many.
    """
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    setup = bench_setup(channel, 6_000_000)
    link = make_link(setup, channel, 6_000_000, blocks=3)
    return link, run(link)


def test_both_parties_have_the_same_key(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    link, _ = keyed
    result = link.alice.result
    assert result.reason is None and result.verified is True
    assert link.alice.key == link.bob.key
    assert len(link.alice.key) == result.secret_bits == link.setup.agreement.length > 50_000
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
    assert alice.efficiency is not None and 1 < alice.efficiency < 1.12
    assert alice.bounds is not None and alice.bounds.length >= alice.secret_bits
    assert alice.bounds.lambda_ec == alice.leak_ec_bits
    assert alice.length_rule == "fixed-length" and "Rusca" in alice.proof
    assert any("phase randomisation" in text for text in alice.assumptions)
    assert any("2307.00576" in text for text in alice.assumptions)
    start = next(i for i, (_, data) in enumerate(sent) if data[3] == m.ReconciliationStart.code)
    end = next(i for i, (_, data) in enumerate(sent) if data[3] == m.FrameDisclosure.code)
    wire = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}
    for direction, data in sent[start : end + 1]:
        wire[direction] += 8 * len(data)
    assert (alice.wire_bits_alice, alice.wire_bits_bob) == (wire[ALICE_TO_BOB], wire[BOB_TO_ALICE])
    answered = sum(
        m.decode(data).parities.size  # type: ignore[attr-defined]  # of a ParityAnswer
        for _, data in sent
        if data[3] == m.ParityAnswer.code
    )
    frames = -(-agreement.n_z >> 17)
    assert alice.leak_ec_bits == answered + 33 * frames


def test_the_order_is_kept(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    """Bases after the complete list; the seed of the hash after everything else."""
    _, sent = keyed
    order = [data[3] for _, data in sent]
    assert [code for code, _ in itertools.groupby(c for c in order if c not in (5, 6))] == [
        1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14,
    ]  # fmt: skip
    assert order[-1] == m.Amplification.code
    assert order.count(m.Announcement.code) == 1


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
    last = m.decode(sent[-1][1])
    assert isinstance(last, m.Amplification) and last.length == 0
    assert "toeplitz-seed" not in link.entropy_alice.drawn


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
    assert result.bounds is not None and result.bounds.length > 0
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


class Wire:
    """Runs two parties by hand, so that a test can change one message."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.waiting: list[tuple[Party, m.Message]] = []
        link.alice.start(link.entropy_alice)
        self.post(link.alice, link.bob.start(link.entropy_bob))

    def post(self, to: Party, messages: list[m.Message]) -> None:
        self.waiting.extend((to, message) for message in messages)

    def until(self, kind: type[m.Message]) -> tuple[Party, m.Message]:
        """Deliver messages up to the first of `kind`, which is held back."""
        while True:
            to, message = self.waiting.pop(0)
            if isinstance(message, kind):
                return to, message
            self.deliver(to, message)

    def deliver(self, to: Party, message: m.Message) -> None:
        link = self.link
        if to is link.alice:
            self.post(link.bob, link.alice.receive(message, link.entropy_alice))
        else:
            self.post(link.alice, link.bob.receive(message, link.entropy_bob))

    def rest(self) -> None:
        while self.waiting:
            self.deliver(*self.waiting.pop(0))


KINDS = [
    m.Announcement,
    m.Disclosure,
    m.TestReply,
    m.ReconciliationStart,
    m.ParityQuestion,
    m.ParityAnswer,
    m.ReconciliationEnd,
    m.FrameTags,
    m.FrameOutcome,
    m.FrameDisclosure,
    m.VerificationTag,
    m.VerificationOutcome,
    m.ErrorCounts,
    m.Amplification,
]


def assert_aborted(party: Party, message: m.Message, link: Link) -> None:
    for _ in range(2):
        with pytest.raises(AbortedError):
            party.receive(message, link.entropy_alice)
    assert not party.finished
    with pytest.raises(MessageError):
        _ = party.result
    with pytest.raises(MessageError):
        _ = party.key


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_repeated_message_aborts(kind: type[m.Message]) -> None:
    wire = Wire(small_link())
    to, message = wire.until(kind)
    wire.deliver(to, message)
    with pytest.raises(MessageError):
        to.receive(message, wire.link.entropy_alice)
    with pytest.raises(AbortedError):
        to.receive(message, wire.link.entropy_alice)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_lost_message_aborts(kind: type[m.Message]) -> None:
    """Its successor in the same direction has the wrong number or type."""
    wire = Wire(small_link())
    to, message = wire.until(kind)
    later = replace(message, sequence=message.sequence + 1)
    with pytest.raises(MessageError):
        to.receive(later, wire.link.entropy_alice)
    assert_aborted(to, message, wire.link)


@pytest.mark.parametrize("due", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_of_another_kind_aborts(due: type[m.Message]) -> None:
    wire = Wire(small_link())
    to, message = wire.until(due)
    foreign = m.Amplification if due is not m.Amplification else m.ReconciliationEnd
    fields = (0, np.empty(0, np.uint8)) if foreign is m.Amplification else ()
    with pytest.raises(MessageError, match="not what is due"):
        to.receive(foreign(message.sequence, *fields), wire.link.entropy_alice)
    assert_aborted(to, message, wire.link)


def flip(bits: np.ndarray, at: int = 0) -> np.ndarray:
    changed = bits.copy()
    changed[at] ^= 1
    return changed


NONE = np.empty(0, np.uint8)
WRONG = [
    (m.Announcement, lambda x: replace(x, slot_counts=(*x.slot_counts[:1], 5))),
    (m.Disclosure, lambda x: replace(x, basis=x.basis[1:])),
    (m.Disclosure, lambda x: replace(x, basis=flip(x.basis))),
    (m.Disclosure, lambda x: replace(x, intensity=x.intensity[1:])),
    (m.Disclosure, lambda x: replace(x, intensity=x.intensity + np.uint8(2))),
    (m.Disclosure, lambda x: replace(x, test_bits=x.test_bits[1:])),
    (m.TestReply, lambda x: replace(x, test_bits=x.test_bits[1:])),
    (m.ReconciliationStart, lambda x: replace(x, size=x.size + 1)),
    (m.ReconciliationStart, lambda x: replace(x, levels=())),
    (m.ReconciliationStart, lambda x: replace(x, frame_level=40)),
    (m.ParityAnswer, lambda x: replace(x, parities=x.parities[1:])),
    (m.FrameTags, lambda x: replace(x, tags=x.tags[1:])),
    (m.FrameTags, lambda x: replace(x, key=x.key[1:])),
    (m.FrameOutcome, lambda x: replace(x, failed=NONE)),
    (m.FrameDisclosure, lambda x: replace(x, bits=np.ones(3, np.uint8))),
    (m.VerificationTag, lambda x: replace(x, tag=x.tag[1:])),
    (m.VerificationTag, lambda x: replace(x, key=b"")),
    (m.ErrorCounts, lambda x: replace(x, counts=x.counts[1:])),
    (m.ErrorCounts, lambda x: replace(x, counts=(10**9, 0))),
    (m.Amplification, lambda x: replace(x, length=7)),
]


@pytest.mark.parametrize(("kind", "change"), WRONG)
def test_a_contradicting_message_aborts(kind: type[m.Message], change) -> None:
    wire = Wire(small_link())
    to, message = wire.until(kind)
    changed = change(message)
    link = wire.link
    with pytest.raises(MessageError):
        answers = to.receive(changed, link.entropy_alice)
        # A flipped basis only shows when the other party's lists no longer match.
        other = link.alice if to is link.bob else link.bob
        for answer in answers:
            other.receive(answer, link.entropy_alice)
    assert not (link.alice.finished and link.bob.finished)


def with_a_changed_parity(answer: int, parity: int) -> Wire:
    """Return a wire on which one parity of that answer of Alice's was flipped."""
    wire = Wire(small_link())
    for _ in range(answer):
        wire.deliver(*wire.until(m.ParityAnswer))
    to, message = wire.until(m.ParityAnswer)
    assert isinstance(message, m.ParityAnswer)
    wire.deliver(to, replace(message, parities=flip(message.parities, parity)))
    return wire


@pytest.mark.parametrize(("answer", "parity"), [(0, 0), (0, -1), (7, 0), (21, -1), (46, 0)])
def test_a_changed_parity_is_caught(answer: int, parity: int) -> None:
    with pytest.raises(MessageError, match="contradict each other"):
        with_a_changed_parity(answer, parity).rest()


@pytest.mark.parametrize(("answer", "parity"), [(7, -1), (14, -1)])
def test_a_changed_parity_that_nothing_hangs_on_does_no_harm(answer: int, parity: int) -> None:
    """Bob's key is Alice's all the same: he finds the errors that there are."""
    wire = with_a_changed_parity(answer, parity)
    wire.rest()
    plain = small_link()
    run(plain)
    result = wire.link.bob.result
    assert result.verified is True
    assert result.m_z == plain.bob.result.m_z is not None


def test_a_changed_frame_is_disclosed_whole_and_stays_in() -> None:
    wire = Wire(small_link())
    to, message = wire.until(m.FrameTags)
    assert isinstance(message, m.FrameTags)
    wire.deliver(to, replace(message, tags=(bytes(4), *message.tags[1:])))
    wire.rest()
    result = wire.link.bob.result
    plain = small_link()
    run(plain)
    assert result.verified is True
    assert result.m_z == plain.bob.result.m_z and result.n_z == plain.bob.result.n_z
    frame = sum(result.n_z)  # the block is one frame
    assert result.leak_ec_bits == plain.bob.result.leak_ec_bits + frame
    assert wire.link.alice.result.leak_ec_bits == result.leak_ec_bits
    assert result.wire_bits_alice == wire.link.alice.result.wire_bits_alice


def test_a_changed_tag_fails_verification() -> None:
    wire = Wire(small_link())
    to, message = wire.until(m.VerificationTag)
    assert isinstance(message, m.VerificationTag)
    wire.deliver(to, replace(message, tag=bytes(len(message.tag))))
    wire.rest()
    for party in (wire.link.alice, wire.link.bob):
        assert party.result.verified is False
        assert party.result.reason == "verification failed: the parties' keys differ"
        assert party.result.m_z is None and party.result.qber_z is None
        with pytest.raises(InsecureError, match="verification failed"):
            _ = party.key


def test_another_length_or_seed_than_agreed_aborts_bob() -> None:
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    setup = bench_setup(channel, 3_000_000, margin=3.0)
    for change in (
        lambda x: replace(x, length=x.length - 1),
        lambda x: replace(x, seed=x.seed[1:]),
    ):
        wire = Wire(make_link(setup, channel, 3_000_000))
        to, message = wire.until(m.Amplification)
        assert isinstance(message, m.Amplification) and message.length > 0
        with pytest.raises(MessageError, match="not what was agreed"):
            to.receive(change(message), wire.link.entropy_bob)


def test_alice_alone_can_refuse_the_key(keyed: tuple[Link, list[tuple[str, bytes]]]) -> None:
    channel = replace(bench_channel(), transmittance=0.5, dead_time_s=0.0, jitter_s=0.0)
    wire = Wire(make_link(bench_setup(channel, 3_000_000, margin=3.0), channel, 3_000_000))
    to, message = wire.until(m.Amplification)
    wire.deliver(to, m.Amplification(message.sequence, 0, NONE))
    assert wire.link.bob.result.reason == "Alice gives no key"


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**16), st.floats(0, 0.11))
def test_blocks_of_any_error_rate_end_equal(seed: int, rate: float) -> None:
    """A wrong block would pass as right with a probability below 1e-15."""
    link = make_link(BENCH, replace(bench_channel(rate), transmittance=0.5), 5000, seed=seed)
    wire = Wire(link)
    to, reply = wire.until(m.TestReply)  # both keys are sifted now, none is corrected
    errors = intensity_counts(link.bob._intensity, 2, where=link.alice._bits ^ link.bob._bits)
    wire.deliver(to, reply)
    wire.rest()
    for party in (link.alice, link.bob):
        assert party.result.verified is True
        assert party.result.m_z == errors


def test_a_fault_of_ones_own_is_not_laid_on_the_other_party() -> None:
    class Faulty(Bob):
        def _start(self, entropy: object) -> list[m.Message]:
            raise ParameterError("the patterns are too many")

    link, faulty = small_link(), Faulty(BENCH)
    with pytest.raises(ParameterError, match=r"^the patterns are too many$"):
        faulty.start(link.entropy_bob)
    with pytest.raises(AbortedError):
        faulty.receive(m.ReconciliationEnd(0), link.entropy_bob)


def test_parties_start_once_and_take_patterns_before() -> None:
    link = small_link()
    with pytest.raises(MessageError, match="not what is due"):
        link.bob.receive(m.ReconciliationEnd(0), link.entropy_bob)
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
    assert setup.assumptions[0] == "source phase randomisation: modulated"
