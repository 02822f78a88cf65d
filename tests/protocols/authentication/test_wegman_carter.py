import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.authentication.polynomial import ghash, polynomial_tag
from protocols.authentication.wegman_carter import PAD_BITS, Authenticator, forgery_probability
from protocols.errors import AbortedError, AuthenticationError, InsecureError, ParameterError

OUT, BACK = "alice-to-bob", "bob-to-alice"
KEYS = {OUT: bytes(range(16)), BACK: bytes(range(16, 32))}


def store() -> Callable[[str, int], bytes]:
    """Pads as two stores with the same secret give them."""
    counts = dict.fromkeys(KEYS, 0)

    def take(direction: str, count: int) -> bytes:
        counts[direction] += 1
        return ghash(KEYS[direction], counts[direction].to_bytes(count, "big"))

    return take


def sides() -> tuple[Authenticator, Authenticator]:
    return Authenticator(OUT, KEYS, store()), Authenticator(BACK, KEYS, store())


WAYS = st.sampled_from([OUT, BACK])
TRANSCRIPT = st.lists(st.tuples(WAYS, st.binary(max_size=40)), max_size=8)


@settings(deadline=None)
@given(st.lists(TRANSCRIPT, min_size=1, max_size=4))
def test_equal_transcripts_agree_in_every_phase(phases: list[list[tuple[str, bytes]]]) -> None:
    alice, bob = sides()
    tags = []
    for number, messages in enumerate(phases):
        for direction, data in messages:
            alice.absorb(direction, data)
            bob.absorb(direction, data)
        phase = f"phase {number}"
        for sender, receiver in ((alice, bob), (bob, alice)):
            tags.append(sender.seal(phase))
            receiver.verify(phase, tags[-1])
    assert alice.pad_bits == bob.pad_bits == 2 * PAD_BITS * len(phases)
    assert len(set(tags)) == len(tags)
    assert alice.forgery_probability == bob.forgery_probability
    # 8 tags of at most 32 messages and 8 seals, of at most 5 words each
    assert 0 < alice.forgery_probability <= 8 * 40 * 5 * 2.0**-128


@settings(deadline=None)
@given(TRANSCRIPT, TRANSCRIPT)
def test_different_transcripts_never_agree(
    ours: list[tuple[str, bytes]], theirs: list[tuple[str, bytes]]
) -> None:
    """Chance agreement has a probability below 1e-36 an example."""
    alice, bob = sides()
    for message in ours:
        alice.absorb(*message)
    for message in theirs:
        bob.absorb(*message)
    tag = alice.seal("sifting")
    if ours == theirs:
        bob.verify("sifting", tag)
    else:
        with pytest.raises(AuthenticationError):
            bob.verify("sifting", tag)


MESSAGES = [(OUT, b"slots"), (BACK, b"bases"), (OUT, b"bits"), (OUT, b""), (BACK, b"\0")]


def altered() -> list[list[tuple[str, bytes]]]:
    """Every exchange, loss, repetition and change of one bit or direction; and cuts moved."""
    cases = []
    for i, (way, data) in enumerate(MESSAGES):
        before, after = MESSAGES[:i], MESSAGES[i + 1 :]
        cases += [before + after, [*before, (way, data), (way, data), *after]]
        cases.append([*before, (BACK if way == OUT else OUT, data), *after])
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            cases.append([*before, (way, bytes(flipped)), *after])
    cases += [list(order) for order in itertools.permutations(MESSAGES) if list(order) != MESSAGES]
    cases.append([(OUT, b"slot"), (OUT, b"s"), *MESSAGES[1:]])
    cases.append([*MESSAGES, (OUT, b"\0" * 16)])
    return cases


def test_every_alteration_of_a_conversation_is_found() -> None:
    for case in altered():
        alice, bob = sides()
        for message in MESSAGES:
            alice.absorb(*message)
        for message in case:
            bob.absorb(*message)
        with pytest.raises(AuthenticationError):
            bob.verify("end", alice.seal("end"))


@given(st.integers(0, 127))
def test_a_changed_tag_ends_the_conversation(bit: int) -> None:
    alice, bob = sides()
    tag = bytearray(alice.seal("sifting"))
    tag[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InsecureError):
        bob.verify("sifting", bytes(tag))
    for action in (
        lambda: bob.absorb(OUT, b""),
        lambda: bob.seal("sifting"),
        lambda: bob.verify("later", bytes(16)),
    ):
        with pytest.raises(AbortedError):
            action()


@pytest.mark.parametrize("tag", [b"", bytes(15), bytes(17)])
def test_a_tag_of_another_length_is_wrong(tag: bytes) -> None:
    with pytest.raises(AuthenticationError):
        sides()[1].verify("sifting", tag)


def test_tags_cannot_be_replayed_reflected_or_moved() -> None:
    alice, bob = sides()
    first = alice.seal("sifting")
    bob.verify("sifting", first)
    with pytest.raises(ParameterError):  # the phase is over
        bob.verify("sifting", first)
    with pytest.raises(AuthenticationError):  # of another phase
        bob.verify("bound", first)
    with pytest.raises(AuthenticationError):  # sent back
        alice.verify("sifting", first)
    alice, bob = sides()
    with pytest.raises(AuthenticationError):  # named as another phase
        bob.verify("bound", alice.seal("sifting"))


def test_no_phase_is_sealed_twice() -> None:
    alice, _ = sides()
    alice.seal("sifting")
    with pytest.raises(ParameterError):
        alice.seal("sifting")
    assert alice.pad_bits == PAD_BITS


def test_a_tag_is_hash_and_pad() -> None:
    alice, _ = sides()
    alice.absorb(BACK, b"bases")
    transcript = b"m\0\x0cbob-to-alice" + (5).to_bytes(8, "big") + b"bases"
    transcript += b"s\0\x0calice-to-bob" + (7).to_bytes(8, "big") + b"sifting"
    tag, pad = alice.seal("sifting"), store()(OUT, 16)
    value = bytes(a ^ b for a, b in zip(tag, pad, strict=True))
    assert value == polynomial_tag(transcript, 8 * len(transcript), KEYS[OUT])
    words = -(-len(transcript) // 16) + 1
    assert alice.forgery_probability == forgery_probability(len(transcript)) == words / 2**128


@pytest.mark.parametrize("pad", [b"", bytes(15), bytes(17)])
def test_pads_of_another_length_are_refused(pad: bytes) -> None:
    alice = Authenticator(OUT, KEYS, lambda direction, count: pad)
    with pytest.raises(ParameterError):
        alice.seal("sifting")
    with pytest.raises(AbortedError):
        alice.seal("bound")


def test_a_store_that_repeats_its_pads_is_refused() -> None:
    alice = Authenticator(OUT, KEYS, lambda direction, count: bytes(count))
    alice.seal("sifting")
    with pytest.raises(ParameterError):
        alice.seal("bound")


@pytest.mark.parametrize(
    "keys", [{OUT: bytes(16)}, {BACK: bytes(16), "x": bytes(15)}, dict.fromkeys(KEYS, bytes(16))]
)
def test_keys_that_cannot_serve_are_refused(keys: dict[str, bytes]) -> None:
    with pytest.raises(ParameterError):
        Authenticator(OUT, keys, store())


def test_other_directions_are_refused() -> None:
    alice, _ = sides()
    with pytest.raises(ParameterError):
        alice.absorb("to eve", b"")
    with pytest.raises(ParameterError):
        Authenticator(OUT, {OUT: bytes(16), BACK: bytes(17)}, store())
