"""How two paired stations begin a session: greet, prove who they are, settle what was cut.

Each says who it is, how far its pads are used and which of its keys are pending, and shows
by the calling key of its direction that it is no stranger: whoever merely greets costs no pad.
That is a computational proof, and nothing but pads is risked on it. Then both
take the larger offsets, and each proves with a tag over all that was said that it holds
the pair's secret. Pads are given up for the other side's tag only once that is verified, and
Alice, whose tag is the first, gives up few. Then a key that is pending on one side becomes
final if the other side holds it or held it, and is erased if not: that answer is
authenticated, too.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from protocols.authentication.wegman_carter import Authenticator
from protocols.bits import packed_size
from protocols.errors import AuthenticationError, ParameterError
from qlab.errors import QlabError, UsageError
from qlab.keystore import KeyState, KeyStore, Pair
from qlab.keystore.carried import DIRECTIONS
from qlab.keystore.pair import PairUnsafeError
from qlab.link.errors import TamperedError
from qlab.link.line import Line

__all__ = ["MEETING_TAGS", "Meeting", "meet", "settle_key"]

#: Tags that a meeting takes, of both directions together.
MEETING_TAGS = 2
#: Bytes of Alice's pads that Bob may have used before she has: a hash key, and one pad for a
#: tag that somebody else sent. What is said of more is not believed before a tag.
MOST_AHEAD = 64
_VERSION = 2
_STRANGER = "the other side does not hold this pair's secret, or somebody is in between"
_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**48)]
#: More keys than a session can leave pending.
_MOST_KEYS = 4096


class _Greeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="greeting"):
    """Who a side is and where it stands."""

    version: int
    side: _Text
    pair_id: _Text
    store: _Text
    simulated: bool
    used: dict[_Text, _Count]
    sessions: _Count
    mark: _Text
    mark_before: _Text
    refills: Annotated[list[_Text], msgspec.Meta(max_length=1 << 20)]
    pending: Annotated[list[_Text], msgspec.Meta(max_length=_MOST_KEYS)]
    terms: Annotated[dict[_Text, _Text], msgspec.Meta(max_length=200)]
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class _Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="shown"):
    """That a side knows its calling key: an HMAC of both greetings."""

    mac: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class _Holdings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="holdings"):
    """States of the keys that are pending on either side; what is not there is not named."""

    states: Annotated[dict[_Text, KeyState], msgspec.Meta(max_length=2 * _MOST_KEYS)]


class _Tagged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="tagged"):
    """A message with the tag of all that was said up to it."""

    body: bytes
    tag: Annotated[bytes, msgspec.Meta(max_length=16)]


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_GREETINGS = msgspec.msgpack.Decoder(_Greeting)
_SHOWN = msgspec.msgpack.Decoder(_Shown)
_HOLDINGS = msgspec.msgpack.Decoder(_Holdings)
_TAGGED = msgspec.msgpack.Decoder(_Tagged)


@dataclass(frozen=True)
class Meeting:
    """What two stations have agreed on.

    Attributes
    ----------
    session : str
        The session's id, the same on both sides.
    simulated : bool
        Whether the instruments of either side are simulated.
    promoted, erased : tuple of str
        The keys of earlier sessions that became final here, and those that were given up.
    """

    session: str
    simulated: bool
    promoted: tuple[str, ...]
    erased: tuple[str, ...]


def meet(
    line: Line, pair: Pair, store: KeyStore, *, simulated: bool, terms: Mapping[str, str]
) -> Meeting:
    """Begin a session with the pair's other side.

    Parameters
    ----------
    line : Line
        Open.
    pair : Pair
        This side's share.
    store : KeyStore
        This side's keys.
    simulated : bool
        Whether this station's instruments are simulated.
    terms : mapping of str to str
        What both sides must have set alike.

    Raises
    ------
    UsageError
        If the two do not belong together, or have other settings.
    PairUnsafeError
        If the pair's secret may be in other hands too.
    AuthenticationError
        If the other side does not hold the pair's secret, or somebody is in between.
    TamperedError
        If it says what nobody who follows the protocol says.
    """
    facts = pair.facts
    ours = _Greeting(
        version=_VERSION,
        side=facts.side,
        pair_id=facts.pair_id,
        store=store.identity(),
        simulated=simulated,
        used=dict(facts.used),
        sessions=facts.sessions,
        mark=facts.mark,
        mark_before=facts.mark_before,
        refills=list(facts.refills),
        pending=_pending(store, facts.pair_id),
        terms=dict(terms),
        nonce=secrets.token_bytes(16),
    )
    sent = _ENCODER.encode(ours)
    line.send(sent)
    received = line.receive()
    try:
        theirs = _GREETINGS.decode(received)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise TamperedError("the greeting cannot be read") from None
    _check(ours, theirs, pair)
    first, second = (sent, received) if facts.side == "alice" else (received, sent)
    _show(line, pair, first, second)
    starts = {way: max(ours.used[way], theirs.used.get(way, 0)) for way in DIRECTIONS}
    speaker = _Speaker(line, pair, starts)
    for way, greeting in zip(DIRECTIONS, (first, second), strict=True):
        speaker.tags.absorb(way, greeting)
    names = sorted({*ours.pending, *theirs.pending})
    states = speaker.exchange(_Holdings(_states(store, names))).states
    session = hashlib.sha256(first + second).hexdigest()[:16]
    behind = ours if ours.sessions <= theirs.sessions else theirs
    pair.remember(
        other_store=theirs.store,
        sessions=behind.sessions,
        mark_before=behind.mark,
        mark=session,
    )
    promoted, erased = [], []
    for key_id in ours.pending:
        if states.get(key_id) in (KeyState.PENDING, KeyState.FINAL, KeyState.CONSUMED):
            settle_key(store, pair, key_id)
            promoted.append(key_id)
        else:
            store.erase(key_id)
            erased.append(key_id)
    return Meeting(session, simulated or theirs.simulated, tuple(promoted), tuple(erased))


def settle_key(store: KeyStore, pair: Pair, key_id: str) -> None:
    """Make a pending key final; the bits at its end that pay for pads go to the pair."""
    record = store.record(key_id)
    if record.state is not KeyState.PENDING:
        return
    if not record.refill:
        store.promote(key_id)
        return
    kept = record.bits - record.refill
    if key_id not in pair.facts.refills:
        whole = store.key(key_id).reveal()
        number = int.from_bytes(whole, "big") >> (8 * len(whole) - record.bits)
        end = number & ((1 << record.refill) - 1)
        pair.refill(key_id, end.to_bytes(packed_size(record.refill), "big"))
    store.promote(key_id, kept)


def _show(line: Line, pair: Pair, first: bytes, second: bytes) -> None:
    """Show that we are no stranger, and see that the other side is none; no pad is used."""
    greetings = hashlib.sha256(first).digest() + hashlib.sha256(second).digest()
    ours, theirs = DIRECTIONS if pair.facts.side == "alice" else DIRECTIONS[::-1]

    def mac(way: str) -> bytes:
        return hmac.digest(pair.calling_key(way), b"qlab calls " + greetings, "sha256")

    line.send(_ENCODER.encode(_Shown(mac(ours))))
    try:
        shown = _SHOWN.decode(line.receive())
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise TamperedError("the proof of identity cannot be read") from None
    if not hmac.compare_digest(shown.mac, mac(theirs)):
        raise AuthenticationError(_STRANGER)


class _Speaker:
    """Exchanges one tagged message, Alice's first."""

    def __init__(self, line: Line, pair: Pair, starts: Mapping[str, int]) -> None:
        self._line = line
        self._pair = pair
        self._starts = starts
        self._first = pair.facts.side == "alice"
        self._ours, self._theirs = DIRECTIONS if self._first else DIRECTIONS[::-1]
        keys = {way: pair.hash_key(way) for way in DIRECTIONS}
        ahead = starts[self._ours] - pair.facts.used[self._ours]
        if self._first and ahead > MOST_AHEAD:  # Alice's tag comes before any proof of Bob's
            raise TamperedError("the other side names pads that were not used yet")
        self.tags = Authenticator(self._ours, keys, self._pads)

    def _pads(self, way: str, count: int) -> bytes:
        """Return the pad of our tag, which is burnt, or of theirs, once we believe it."""
        start = self._starts[way]
        if way == self._theirs:
            return self._pair.peek(way, start, count)
        self._pair.catch_up({way: start})
        return self._pair.take(way, count)

    def exchange(self, holdings: _Holdings) -> _Holdings:
        """Send ours and return theirs, both believed."""
        if self._first:
            self._send(holdings)
        try:
            tagged = _TAGGED.decode(self._line.receive())
            self.tags.absorb(self._theirs, tagged.body)
            self.tags.verify("meeting", tagged.tag)
            start = self._starts[self._theirs]
            self._pair.catch_up({self._theirs: start + len(tagged.tag)})
            theirs = _HOLDINGS.decode(tagged.body)
        except AuthenticationError:
            raise AuthenticationError(_STRANGER) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, ParameterError):
            raise TamperedError("the proof of identity cannot be read") from None
        if not self._first:
            self._send(holdings)
        return theirs

    def _send(self, holdings: _Holdings) -> None:
        body = _ENCODER.encode(holdings)
        self.tags.absorb(self._ours, body)
        self._line.send(_ENCODER.encode(_Tagged(body, self.tags.seal("meeting"))))


def _check(ours: _Greeting, theirs: _Greeting, pair: Pair) -> None:
    """Refuse a partner who is none."""
    if theirs.version != ours.version:
        raise UsageError(
            f"the other side greets in version {theirs.version}, this one in {ours.version}",
            remedy="install the same version on both",
        )
    if theirs.pair_id != ours.pair_id:
        raise UsageError(
            "the other side means another pair", remedy="name the pair that both share with --pair"
        )
    if theirs.side == ours.side:
        raise UsageError(
            f"both sides are {ours.side} of this pair",
            remedy="one makes a pair with `qlab key pair init`, the other one imports it",
        )
    if theirs.store == ours.store:
        raise UsageError(
            "both sides use one key store, or one is a copy of the other",
            remedy="give each its own folder (QLAB_KEYS) and import the pair there",
        )
    known = pair.facts.other_store
    if known and theirs.store != known:
        raise PairUnsafeError(
            "the other side's key store is another one than before: the pair was imported twice"
        )
    _check_history(ours, theirs)
    different = sorted(
        name
        for name in ours.terms.keys() | theirs.terms.keys()
        if ours.terms.get(name) != theirs.terms.get(name)
    )
    if different:
        shown = ", ".join(
            f"{name} ({ours.terms.get(name)} here, {theirs.terms.get(name)} there)"
            for name in different[:5]
        )
        raise UsageError(f"the sides have other settings: {shown}", remedy="set both alike")


def _check_history(ours: _Greeting, theirs: _Greeting) -> None:
    """Refuse a side whose sessions were not ours, but for one that a cut left unfinished."""
    ahead = ours.sessions - theirs.sessions
    same = {
        0: ours.mark == theirs.mark,
        1: ours.mark_before == theirs.mark,
        -1: ours.mark == theirs.mark_before,
    }
    shared = min(len(ours.refills), len(theirs.refills))
    if not same.get(ahead, False) or ours.refills[:shared] != theirs.refills[:shared]:
        raise PairUnsafeError(
            "the sides remember other sessions: one is a copy or a restored backup"
        )


def _pending(store: KeyStore, pair_id: str) -> list[str]:
    found = [
        record.key_id
        for record in store.records()
        if record.pair == pair_id and record.state is KeyState.PENDING
    ]
    if len(found) > _MOST_KEYS:
        raise QlabError(f"{len(found)} keys are pending", remedy="erase some: `qlab key erase`")
    return found


def _states(store: KeyStore, names: list[str]) -> dict[str, KeyState]:
    known = set(store.ids())
    return {name: store.record(name).state for name in names if name in known}
