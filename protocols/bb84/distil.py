"""Both parties run to the end in one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.bb84.messages import Message, decode, encode
from protocols.entropy import Entropy
from protocols.errors import MessageError

__all__ = ["ALICE_TO_BOB", "BOB_TO_ALICE", "distil"]

ALICE_TO_BOB = "alice-to-bob"
BOB_TO_ALICE = "bob-to-alice"


def distil(
    alice: Alice,
    bob: Bob,
    entropy_alice: Entropy,
    entropy_bob: Entropy,
    on_message: Callable[[str, bytes], None] | None = None,
) -> None:
    """Pass the messages between two parties until both are finished.

    Parameters
    ----------
    alice, bob
        Parties with all their patterns, not started.
    entropy_alice, entropy_bob : Entropy
        Each party's own.
    on_message : callable, optional
        Called with `ALICE_TO_BOB` or `BOB_TO_ALICE` and the bytes of every message, in
        order, before it is delivered.

    Raises
    ------
    MessageError
        The parties do not understand each other.
    """
    waiting: deque[tuple[str, Message]] = deque()

    def post(direction: str, messages: list[Message]) -> None:
        waiting.extend((direction, message) for message in messages)

    post(ALICE_TO_BOB, alice.start(entropy_alice))
    post(BOB_TO_ALICE, bob.start(entropy_bob))
    while waiting:
        direction, message = waiting.popleft()
        data = encode(message)
        if on_message is not None:
            on_message(direction, data)
        if direction == ALICE_TO_BOB:
            post(BOB_TO_ALICE, bob.receive(decode(data), entropy_bob))
        else:
            post(ALICE_TO_BOB, alice.receive(decode(data), entropy_alice))
    if not (alice.finished and bob.finished):
        raise MessageError("the parties stopped before they were finished")
