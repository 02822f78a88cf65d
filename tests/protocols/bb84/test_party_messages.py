"""What parties do about messages that are lost, repeated, changed or out of turn."""

import pytest
from bb84_bench import Link
from party_wire import KINDS, Wire, authenticated_link, changed, opened, ready_link, small_link

from protocols.bb84.messages import CODEC, Announcement, Disclosure, TestReply
from protocols.distillation import messages as m
from protocols.distillation.codec import Bits, Message
from protocols.distillation.party import Party
from protocols.errors import AbortedError, InsecureError, MessageError


def assert_aborted(party: Party, packet: bytes, link: Link) -> None:
    for _ in range(2):
        with pytest.raises(AbortedError):
            party.receive(packet, link.entropy_alice)
    assert not party.finished and party.key_state == "none"
    with pytest.raises(MessageError):
        _ = party.result
    with pytest.raises(InsecureError):
        _ = party.key


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_repeated_message_aborts(kind: type[Message]) -> None:
    wire = Wire(small_link())
    to, packet = wire.until(kind)
    wire.deliver(to, packet)
    with pytest.raises(MessageError):
        to.receive(packet, wire.link.entropy_alice)
    with pytest.raises(AbortedError):
        to.receive(packet, wire.link.entropy_alice)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_lost_message_aborts(kind: type[Message]) -> None:
    """Its successor in the same direction has the wrong number or type."""
    wire = Wire(small_link())
    to, packet = wire.until(kind)
    found = CODEC.unwrap(packet)
    with pytest.raises(MessageError):
        to.receive(CODEC.wrap(found.sequence + 1, found.body), wire.link.entropy_alice)
    assert_aborted(to, packet, wire.link)


@pytest.mark.parametrize("due", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_of_another_kind_aborts(due: type[Message]) -> None:
    wire = Wire(small_link())
    to, packet = wire.until(due)
    foreign = m.Confirmation() if due is not m.Confirmation else m.ReconciliationEnd()
    body = CODEC.encode(foreign)
    with pytest.raises(MessageError, match="not what is due"):
        to.receive(CODEC.wrap(CODEC.unwrap(packet).sequence, body), wire.link.entropy_alice)
    assert_aborted(to, packet, wire.link)


@pytest.mark.parametrize("due", KINDS, ids=lambda kind: kind.__name__)
def test_a_tag_that_nobody_expects_aborts(due: type[Message]) -> None:
    wire = Wire(small_link())
    to, packet = wire.until(due)
    found = CODEC.unwrap(packet)
    with pytest.raises(MessageError, match="tag where none is due"):
        to.receive(CODEC.wrap(found.sequence, found.body, bytes(16)), wire.link.entropy_alice)
    assert_aborted(to, packet, wire.link)


def shorter(bits: Bits) -> Bits:
    return Bits.of(bits.array()[1:])


def flip(bits: Bits) -> Bits:
    array = bits.array()
    array[0] ^= 1
    return Bits.of(array)


NONE = Bits(0, b"")
WRONG = [
    (Announcement, lambda x: {"patterns": x.patterns[:0], "basis": NONE}),
    (Disclosure, lambda x: {"basis": shorter(x.basis)}),
    (Disclosure, lambda x: {"basis": flip(x.basis)}),
    (Disclosure, lambda x: {"intensity": (shorter(x.intensity[0]),)}),
    (Disclosure, lambda x: {"intensity": ()}),
    (Disclosure, lambda x: {"intensity": x.intensity * 2}),
    (Disclosure, lambda x: {"test_bits": shorter(x.test_bits)}),
    (TestReply, lambda x: {"test_bits": shorter(x.test_bits)}),
    (m.ReconciliationStart, lambda x: {"size": x.size + 1}),
    (m.ReconciliationStart, lambda x: {"method": "none"}),
    (m.ReconciliationStart, lambda x: {"errors": x.errors + 1}),
    (m.ReconciliationStart, lambda x: {"errors": x.sample + 1}),
    (m.ReconciliationQuestion, lambda x: {"data": b""}),
    (m.ReconciliationAnswer, lambda x: {"data": x.data[1:]}),
    (m.VerificationTag, lambda x: {"tag": x.tag[1:]}),
    (m.VerificationOutcome, lambda x: {"errors": x.errors[1:]}),
    (m.VerificationOutcome, lambda x: {"errors": (10**9, 0)}),
    (m.Amplification, lambda x: {"length": 7}),
]


@pytest.mark.parametrize(("kind", "change"), WRONG)
def test_a_contradicting_message_aborts(kind: type[Message], change) -> None:
    wire = Wire(small_link())
    to, packet = wire.until(kind)
    link = wire.link
    with pytest.raises(MessageError):
        answers = to.receive(changed(packet, **change(opened(packet))), link.entropy_alice)
        # A flipped basis only shows when the other party's lists no longer match.
        other = link.alice if to is link.bob else link.bob
        for answer in answers:
            other.receive(answer, link.entropy_alice)
    assert not (link.alice.finished and link.bob.finished)


def test_a_changed_tag_fails_verification() -> None:
    wire = Wire(small_link())
    to, packet = wire.until(m.VerificationTag)
    tag = opened(packet).tag  # type: ignore[attr-defined]  # of a VerificationTag
    wire.deliver(to, changed(packet, tag=bytes(len(tag))))
    wire.rest()
    for party in (wire.link.alice, wire.link.bob):
        assert party.result.verified is False
        assert party.result.reason == "verification failed: the parties' keys differ"
        assert party.result.m_z is None and party.result.qber_z is None
        with pytest.raises(InsecureError, match="verification failed"):
            _ = party.key


def test_another_length_or_seed_than_agreed_aborts_bob() -> None:
    for change in (
        lambda x: {"length": x.length - 1},
        lambda x: {"seed": x.seed[1:]},
        lambda x: {"seed": x.seed[:-1] + b"\xff"},
    ):
        wire = Wire(ready_link())
        to, packet = wire.until(m.Amplification)
        message = opened(packet)
        assert isinstance(message, m.Amplification) and message.length > 0
        with pytest.raises(MessageError):
            to.receive(changed(packet, **change(message)), wire.link.entropy_bob)
        assert to.key_state == "none"


def test_alice_alone_can_refuse_the_key() -> None:
    wire = Wire(ready_link())
    to, packet = wire.until(m.Amplification)
    wire.deliver(to, changed(packet, length=0, seed=b""))
    assert wire.link.bob.result.reason == "Alice gives no key"


@pytest.mark.parametrize("kind", [*KINDS, m.Confirmation], ids=lambda kind: kind.__name__)
def test_a_changed_bit_gives_no_key(kind: type[Message]) -> None:
    """Whatever it is in, a tag notices it, at the end of its phase at the latest."""
    link, _ = authenticated_link()
    wire = Wire(link)
    to, packet = wire.until(kind)
    found = CODEC.unwrap(packet)
    body = bytearray(found.body)
    body[-1] ^= 1  # of bits, counts, seeds and tags alike
    with pytest.raises(InsecureError):
        wire.deliver(to, CODEC.wrap(found.sequence, bytes(body), found.tag))
        wire.rest()
    for party in (link.alice, link.bob):
        assert not party.finished and party.key_state != "final"
    if kind is not m.Confirmation and kind is not m.Amplification:
        assert link.alice.key_state == link.bob.key_state == "none"
