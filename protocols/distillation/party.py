"""What both parties of a conversation have in common: order, authentication, and the way out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from protocols.authentication.wegman_carter import PAD_BITS, Authenticator
from protocols.distillation.account import Account
from protocols.distillation.bound import Tally, Terms, Verdict
from protocols.distillation.codec import VERSION, Codec, Message
from protocols.distillation.messages import DISTILLATION_MESSAGES
from protocols.entropy import Entropy
from protocols.errors import AbortedError, InsecureError, MessageError, ParameterError
from protocols.privacy_amplification.choice import amplifier
from protocols.reconciliation import choice
from protocols.reconciliation.interface import Estimate, Leak
from protocols.secret import SecretBits

__all__ = ["ALICE_TO_BOB", "BOB_TO_ALICE", "KeyState", "Party"]

ALICE_TO_BOB = "alice-to-bob"
BOB_TO_ALICE = "bob-to-alice"

KeyState = Literal["none", "pending", "final"]
"""Whether a party holds a key, and whether the other party is known to hold it, too."""


_NO_BITS = SecretBits(b"", 0)

Handler = Callable[[Any, Entropy], list[bytes]]


class Party(ABC):
    """One side of a distillation: packets and entropy in, packets out, no I/O.

    Call `start` once, give every packet of the other side to `receive` in its order, send on
    what they return, then call `settle`, until `finished`. Only one side speaks at a time, so
    both have the same transcript. With an `Authenticator` the last message of a side in a
    phase carries a tag of all that was sent and received so far; without one the tags
    are empty, and `assumptions` says what stands in for them.

    A packet that is malformed, changed, repeated, late, lost or not meant for this party
    raises InsecureError and ends the party for good.

    Keys have two states. A party holds its key as *pending* from `settle` on, before it sends
    the packet that says so; it is *final* once the other party has said the same. Whoever
    stores keys does so before sending on what `receive` returned. So a key that is final on
    one side is at least pending on the other, wherever the line is cut.

    Parameters
    ----------
    terms : Terms
    authenticator : Authenticator, optional
        Of this conversation only.
    workers : int
        Threads that reconciliation and privacy amplification may use.

    Raises
    ------
    ParameterError
        The terms name a method that there is not.
    """

    #: This party's packets travel so.
    direction: ClassVar[str]
    #: Those of the other party.
    answers: ClassVar[str]
    _codec: ClassVar[Codec] = Codec(DISTILLATION_MESSAGES)
    #: Tags of a conversation that ends in a key, both directions together.
    tags: ClassVar[int] = 5

    def __init__(
        self, terms: Terms, authenticator: Authenticator | None = None, workers: int = 1
    ) -> None:
        choice.require(terms.reconciliation)
        amplifier(terms.amplification)
        self._terms = terms
        self._authenticator = authenticator
        self._workers = workers
        self._handlers: dict[type[Message], Handler] = {}
        self._started = self._aborted = False
        self._sent = self._received = 0
        self._counting_wire = False
        self._wire = {ALICE_TO_BOB: 0, BOB_TO_ALICE: 0}
        self._bits = _NO_BITS
        self._task: Callable[[], None] | None = None
        self._key: SecretBits | None = None
        self._result: Account | None = None
        self._n_z: tuple[int, ...] = (0,)
        self._n_x: tuple[int, ...] = (0,)
        self._m_x: tuple[int, ...] | None = None
        self._m_z: tuple[int, ...] | None = None
        self._sample = Estimate(0, 0)
        self._method = ""
        self._two_way = False
        self._leak = Leak()
        self._verified: bool | None = None

    @property
    def finished(self) -> bool:
        """Whether the party needs no more packets."""
        return self._result is not None

    @property
    def result(self) -> Account:
        """The public account.

        Raises
        ------
        MessageError
            The distillation is not finished.
        """
        if self._result is None:
            raise MessageError("the distillation is not finished")
        return self._result

    @property
    def key_state(self) -> KeyState:
        """Whether there is a key, and how far it is agreed upon."""
        if self._key is None:
            return "none"
        return "final" if self.finished else "pending"

    @property
    def pending_key(self) -> SecretBits:
        """The key as soon as this party has it; not to be used before it is final.

        Raises
        ------
        InsecureError
            There is none.
        """
        if self._key is None:
            raise InsecureError("no key was made")
        return self._key

    @property
    def key(self) -> SecretBits:
        """The final key.

        Raises
        ------
        InsecureError
            There is none; the message says why.
        MessageError
            The distillation is not finished.
        """
        if self.result.reason is not None or self._key is None:
            raise InsecureError(self.result.reason or "no key was made")
        return self._key

    @property
    def sifted_key(self) -> SecretBits:
        """The party's own bits as they stand; none before the block and after the end."""
        return self._bits

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the length takes for granted."""
        carried = (
            ()
            if self._authenticator is not None
            else ("messages are authenticated by the channel that carries them",)
        )
        return (
            *self._terms.bound.assumptions,
            *choice.assumptions(self._method, self._two_way),
            *carried,
        )

    def start(self, entropy: Entropy) -> list[bytes]:
        """Begin, and return the first packets.

        Raises
        ------
        MessageError
            The party was started before.
        ParameterError
            Of what the party was given no message can be made; it is aborted.
        """
        if self._started:
            raise MessageError("a party starts only once")
        self._started = True
        return self._guard(lambda: self._start(entropy))

    def receive(self, data: bytes, entropy: Entropy) -> list[bytes]:
        """Take one packet of the other party, return the answers.

        Raises
        ------
        InsecureError
            The packet is not what is due, or not from the other party; this one is aborted.
        AbortedError
            The party was aborted before.
        """
        return self._guard(lambda: self._receive(data, entropy))

    def settle(self) -> None:
        """Do the work that nobody waits for; harmless to call after every packet."""
        task, self._task = self._task, None
        if task is not None:
            task()

    def _receive(self, data: bytes, entropy: Entropy) -> list[bytes]:
        self.settle()
        try:
            return self._take(data, entropy)
        except ParameterError as error:  # our own parameters were checked before
            raise MessageError(f"the other party's message contradicts ours: {error}") from None

    def _take(self, data: bytes, entropy: Entropy) -> list[bytes]:
        packet = self._codec.unwrap(data)
        if packet.sequence != self._received:
            raise MessageError(f"message {packet.sequence} came where {self._received} is due")
        message = self._codec.decode(packet.body)
        handler = self._handlers.get(type(message))
        if handler is None:
            raise MessageError(f"{type(message).__name__} is not what is due")
        self._received += 1
        if self._counting_wire:
            self._wire[self.answers] += 8 * len(data)
        if self._authenticator is not None:
            self._absorb(self._authenticator, self.answers, packet.sequence, packet.body)
        if self._authenticator is not None and message.phase is not None:
            self._authenticator.verify(message.phase, packet.tag)
        elif packet.tag:
            raise MessageError(f"{type(message).__name__} carries a tag where none is due")
        return handler(message, entropy)

    def _guard(self, action: Callable[[], list[bytes]]) -> list[bytes]:
        """Abort the party on any error."""
        if self._aborted:
            raise AbortedError("the party was aborted and takes no more messages")
        self._aborted = True
        try:
            packets = action()
        except BaseException:
            self._bits, self._task, self._handlers = _NO_BITS, None, {}
            raise
        self._aborted = False
        return packets

    @abstractmethod
    def _start(self, entropy: Entropy) -> list[bytes]:
        """Return the first packets and await the other party's."""

    def _await(self, handlers: Mapping[type[Message], Handler]) -> None:
        """Name the messages that may come next."""
        self._handlers = dict(handlers)

    def _send(self, message: Message) -> bytes:
        body = self._codec.encode(message)
        tag = b""
        if self._authenticator is not None:
            self._absorb(self._authenticator, self.direction, self._sent, body)
            if message.phase is not None:
                tag = self._authenticator.seal(message.phase)
        data = self._codec.wrap(self._sent, body, tag)
        self._sent += 1
        if self._counting_wire:
            self._wire[self.direction] += 8 * len(data)
        return data

    def _absorb(self, tags: Authenticator, way: str, sequence: int, body: bytes) -> None:
        """Add a message to the transcript: its version and number, then its body."""
        tags.absorb(way, VERSION.to_bytes(4, "big") + sequence.to_bytes(4, "big"))
        tags.absorb(way, body)

    def _decide(self) -> Verdict:
        """Return the length of the key, or why there is none."""
        assert self._m_z is not None
        tally = Tally(self._n_z, self._n_x, self._m_z, self._m_x or ())
        disclosed = self._leak.total + self._sample.sample
        verdict = self._terms.bound.decide(tally, disclosed, self._tag_bits)
        tags = self._authenticator
        pads = 0 if tags is None else tags.spent_bits + PAD_BITS * self.tags
        if verdict.reason is None and verdict.length <= pads:
            reason = f"the key of {verdict.length} bits would not pay for {pads} bits of pads"
            return Verdict(0, reason, verdict.bounds)
        return verdict

    @property
    def _tag_bits(self) -> int:
        return self._terms.bound.tag_bits(sum(self._n_z))

    def _finish(self, verdict: Verdict) -> None:
        """Close the account."""
        self._handlers = {}
        self._bits = _NO_BITS
        if verdict.reason is not None:
            self._key = None
        bound, tags = self._terms.bound, self._authenticator
        self._result = self._make_account(
            bits=sum(self._n_z),
            n_z=self._n_z,
            n_x=self._n_x,
            m_z=self._m_z,
            m_x=self._m_x,
            sample_bits=self._sample.sample,
            sample_errors=self._sample.errors,
            leak=self._leak,
            wire_bits_alice=self._wire[ALICE_TO_BOB],
            wire_bits_bob=self._wire[BOB_TO_ALICE],
            verified=self._verified,
            tag_bits=self._tag_bits,
            bounds=dict(verdict.bounds),
            secret_bits=0 if verdict.reason is not None else verdict.length,
            pad_bits=0 if tags is None else tags.pad_bits,
            eps_auth=None if tags is None else tags.forgery_probability,
            reason=verdict.reason,
            reconciliation=self._method,
            amplification=self._terms.amplification if self._key is not None else "",
            eps_sec=bound.eps_sec,
            eps_cor=bound.eps_cor,
            protocol=bound.protocol,
            proof=bound.proof,
            length_rule=bound.length_rule,
            assumptions=self.assumptions,
        )

    def _nothing_sifted(self) -> list[bytes]:
        """End for want of a block."""
        self._finish(Verdict(0, "no detections with equal bases in both bases"))
        return []

    def _make_account(self, **facts: Any) -> Account:
        """Return the account; a protocol adds what it knows besides."""
        return Account(**facts)
