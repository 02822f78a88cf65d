"""Both parties run to the end, one message at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.entropy import Entropy
from protocols.errors import MessageError

__all__ = ["Speaker", "distil"]


class Speaker(Protocol):
    """A party, wherever it works; see `protocols.distillation.party.Party`."""

    @property
    def finished(self) -> bool:
        """Whether it needs no more packets."""

    def start(self, entropy: Entropy) -> list[bytes]:
        """Begin, and return the first packets."""

    def receive(self, data: bytes, entropy: Entropy) -> list[bytes]:
        """Take one packet of the other party, return the answers."""


def distil(
    alice: Speaker,
    bob: Speaker,
    entropy_alice: Entropy,
    entropy_bob: Entropy,
    on_message: Callable[[str, bytes], None] | None = None,
) -> None:
    """Pass the packets between two parties until both are finished.

    Parameters
    ----------
    alice, bob : Speaker
        Not started.
    entropy_alice, entropy_bob : Entropy
        Each party's own.
    on_message : callable, optional
        Called with `ALICE_TO_BOB` or `BOB_TO_ALICE` and every packet, in order, before it
        is delivered.

    Raises
    ------
    InsecureError
        The parties do not understand each other.
    """
    waiting: deque[tuple[str, bytes]] = deque()

    def post(direction: str, packets: list[bytes]) -> None:
        waiting.extend((direction, packet) for packet in packets)

    post(ALICE_TO_BOB, alice.start(entropy_alice))
    post(BOB_TO_ALICE, bob.start(entropy_bob))
    while waiting:
        direction, packet = waiting.popleft()
        if on_message is not None:
            on_message(direction, packet)
        if direction == ALICE_TO_BOB:
            post(BOB_TO_ALICE, bob.receive(packet, entropy_bob))
        else:
            post(ALICE_TO_BOB, alice.receive(packet, entropy_alice))
    if not (alice.finished and bob.finished):
        raise MessageError("the parties stopped before they were finished")
