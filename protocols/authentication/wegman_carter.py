"""Authentication of a conversation by one-time tags over its running transcript.

A tag is the polynomial hash of the transcript, XOR a pad of 128 bits that is used once
(Wegman and Carter, J. Comput. Syst. Sci. 22, 265, 1981). The hash is XOR-universal:
whatever the difference that a forger wants between the hashes of two transcripts of at most
``w`` words of 128 bits, closing word included, at most ``w`` of the ``2**128`` hash keys
give it, since the difference is a polynomial in the key of degree at most ``w``, and not
constant. So one tag is forged with probability at most w·2**−128, after any number of other
tags have been seen (Krawczyk, CRYPTO '94, LNCS 839, 129, on XOR-universal hashes
under a one-time pad), and the hash key may serve on under new pads: composably, the bounds of
all tags add up (Portmann, IEEE Trans. Inf. Theory 60, 4383, 2014).

Both sides keep one transcript of what crossed in either direction, in its order, each
message with its direction and length. A side seals each phase of the protocol once. What a
phase said is believed only after its tag (delayed authentication: Tupkary, Nahar and Tan,
arXiv 2601.17960), and a change, loss, repetition or exchange of messages in either direction
shows in the next tag of either side. Each direction has its own hash key and its own pads,
so that no tag can be sent back to who made it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from protocols.authentication.polynomial import PolynomialHash, words
from protocols.errors import AbortedError, AuthenticationError, ParameterError

__all__ = ["PAD_BITS", "Authenticator", "forgery_probability"]

PAD_BITS = 128
"""Secret bits that one tag uses up."""

_PAD_BYTES = PAD_BITS // 8
_MESSAGE, _SEAL = b"m", b"s"


def forgery_probability(transcript_bytes: int) -> float:
    """Return the probability at most with which a tag of so long a transcript is forged."""
    return words(8 * transcript_bytes) / 2.0**PAD_BITS


class Authenticator:
    """One side's tags of one conversation.

    Parameters
    ----------
    direction : str
        The direction in which this side sends.
    hash_keys : mapping of str to bytes
        The two directions and the secret hash key of each, 16 bytes.
    pads : callable
        From a direction and a number of bytes to as many secret bytes of that direction's
        pads, which it never gives again, not even after a crash. Both sides' callables give
        the same bytes in the same order.
    spent_bits : int
        Shared secret bits that the conversation has cost already, as for its hash keys.

    Raises
    ------
    ParameterError
        There are not two directions with two different keys, or `direction` is neither.
    """

    def __init__(
        self,
        direction: str,
        hash_keys: Mapping[str, bytes],
        pads: Callable[[str, int], bytes],
        spent_bits: int = 0,
    ) -> None:
        if len(hash_keys) != 2 or direction not in hash_keys:
            raise ParameterError(f"two directions have hash keys, and {direction!r} is one of them")
        first, second = hash_keys.values()
        if hmac.compare_digest(first, second):
            raise ParameterError("the two directions may not share a hash key")
        self._sends = direction
        (self._receives,) = hash_keys.keys() - {direction}
        self._running = {way: PolynomialHash(key) for way, key in hash_keys.items()}
        self._pads = pads
        self.spent_bits = spent_bits
        self._sealed: set[tuple[str, str]] = set()
        self._last_pad = dict.fromkeys(hash_keys, b"")
        self._forgery = 0.0
        self._broken = False

    @property
    def pad_bits(self) -> int:
        """Secret bits used up so far, in both directions, with those spent before."""
        return self.spent_bits + PAD_BITS * len(self._sealed)

    @property
    def forgery_probability(self) -> float:
        """At most the probability that any tag so far, in either direction, was forged."""
        return self._forgery

    def absorb(self, direction: str, data: bytes) -> None:
        """Add a message that crossed in `direction` to the transcript.

        Raises
        ------
        AbortedError
            A tag was wrong.
        ParameterError
            There is no such direction.
        """
        self._check(direction)
        self._add(_MESSAGE, direction, data)

    def seal(self, phase: str) -> bytes:
        """Return this side's tag of the transcript up to here, 16 bytes.

        Raises
        ------
        AbortedError
            A tag was wrong.
        ParameterError
            This side has sealed that phase, or the pad is not what was asked for.
        """
        return self._tag(self._sends, phase)

    def verify(self, phase: str, tag: bytes) -> None:
        """Check the other side's tag of the transcript up to here.

        Whatever the outcome, its pad is used up. A wrong tag ends the conversation.

        Raises
        ------
        AuthenticationError
            The tag belongs to another transcript or phase, or is none at all.
        AbortedError
            A tag was wrong before.
        ParameterError
            The other side has sealed that phase, or the pad is not what was asked for.
        """
        if not hmac.compare_digest(self._tag(self._receives, phase), tag):
            self._broken = True
            raise AuthenticationError(
                f"the tag of phase {phase!r} is wrong: what was sent {self._receives} or back "
                "was changed, lost, repeated or exchanged, or the sides' secrets differ"
            )

    def _tag(self, direction: str, phase: str) -> bytes:
        self._check(direction)
        if (direction, phase) in self._sealed:
            raise ParameterError(f"phase {phase!r} is already sealed {direction}")
        self._sealed.add((direction, phase))
        self._add(_SEAL, direction, phase.encode())
        running = self._running[direction]
        self._forgery += forgery_probability(running.size)
        pad = self._pads(direction, _PAD_BYTES)
        if len(pad) != _PAD_BYTES or hmac.compare_digest(pad, self._last_pad[direction]):
            self._broken = True
            raise ParameterError("a pad is too short, too long or the one before once more")
        self._last_pad[direction] = pad
        return bytes(a ^ b for a, b in zip(running.digest(), pad, strict=True))

    def _check(self, direction: str) -> None:
        if self._broken:
            raise AbortedError("a tag or a pad was wrong; the conversation is over")
        if direction not in self._running:
            raise ParameterError(f"nothing crosses {direction!r}")

    def _add(self, kind: bytes, direction: str, data: bytes) -> None:
        name = direction.encode()
        head = b"".join((kind, len(name).to_bytes(2, "big"), name, len(data).to_bytes(8, "big")))
        for running in self._running.values():
            running.update(head)
            running.update(data)
