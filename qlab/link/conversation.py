"""A distillation with a party that is elsewhere, so that no cut leaves unequal keys."""

from __future__ import annotations

from collections.abc import Callable

from protocols.distillation.party import Party
from protocols.entropy import Entropy
from protocols.secret import SecretBits
from qlab.context import Peer

__all__ = ["converse"]


def converse(
    party: Party,
    peer: Peer,
    entropy: Entropy,
    hold: Callable[[SecretBits], None],
    on_message: Callable[[], None],
) -> bool:
    """Pass messages between our party and the other one until ours is finished.

    Parameters
    ----------
    party : Party
        Not started.
    peer : Peer
        The other one's station.
    entropy : Entropy
        Ours.
    hold : callable
        Puts our key on the disk as pending. Called before the other party is told
        that we have it, and not at all if there is none.
    on_message : callable
        Called for each message received.

    Returns
    -------
    bool
        Whether the key that was held is final: the other party holds it, too.
    """
    held = False

    def hold_once() -> None:
        nonlocal held
        if not held and party.key_state == "pending":
            hold(party.pending_key)
            held = True

    packets = party.start(entropy)
    while True:
        hold_once()
        for packet in packets:
            peer.send(packet)
        if party.finished:
            return held
        party.settle()
        hold_once()
        packets = party.receive(peer.receive(), entropy)
        on_message()
