"""The other party's station, as a run sees it: a meeting, then messages, all recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from drivers.core.context import Entropy, Kind, Status
from protocols.secret import SecretBits
from qlab.context import KeyFacts, Opening, Tap
from qlab.errors import ExitCode, QlabError, UsageError, exit_code, one_line
from qlab.keystore import KeyRecord, KeyState, KeyStore, Pair, PairStore
from qlab.keystore.carried import DIRECTIONS
from qlab.link.ends import connect, listen
from qlab.link.errors import LinkEndedError, LinkLostError, TamperedError
from qlab.link.line import Line, Patience
from qlab.link.meeting import Meeting, meet, settle_key

__all__ = [
    "OPENING",
    "AgreedKeys",
    "LivePeer",
    "OtherParty",
    "PairEntropy",
    "meeting",
    "replayed_error",
]

#: Where a journal has what was agreed on.
OPENING = "message:session"
_LINK_ERRORS = (LinkEndedError, LinkLostError, TamperedError)


@dataclass(frozen=True)
class OtherParty:
    """Where the other party is, and what we share with it.

    Attributes
    ----------
    side : {'alice', 'bob'}
        Who *we* are.
    address : str
        To listen at or connect to.
    listening : bool
    pair : str
        Name of the pair; empty if the store has only one.
    patience : Patience
    """

    side: str
    address: str
    listening: bool
    pair: str = ""
    patience: Patience = field(default_factory=Patience)

    @property
    def ways(self) -> tuple[str, str]:
        """Our direction and theirs."""
        ours, theirs = DIRECTIONS if self.side == "alice" else DIRECTIONS[::-1]
        return ours, theirs


class LivePeer:
    """The other station over a line; see `qlab.context.Peer`."""

    def __init__(self, line: Line, tap: Tap, other: OtherParty, met: Meeting, pair: Pair) -> None:
        self._line = line
        self._tap = tap
        self._ours, self._theirs = (f"message:{way}" for way in other.ways)
        self.met = met
        self.pair = pair

    def opening(self) -> Opening:
        """Return what was agreed on."""
        agreed = {"session": self.met.session, "simulated": self.met.simulated}
        self._tap.record(OPENING, Kind.MESSAGE, json.dumps(agreed).encode())
        return Opening(**agreed)  # type: ignore[arg-type]  # the two fields of above

    def send(self, data: bytes) -> None:
        """Send a message."""
        self._tap.record(self._ours, Kind.MESSAGE, data)
        with suppress(*_LINK_ERRORS):  # the line remembers
            self._line.send(data)

    def receive(self) -> bytes:
        """Wait for the next message; how the line failed is recorded, too."""
        try:
            data = self._line.receive()
        except _LINK_ERRORS as error:
            said = json.dumps([type(error).__name__, error.message, error.remedy])
            self._tap.record(self._theirs, Kind.MESSAGE, said.encode(), status=Status.LOST)
            raise
        self._tap.record(self._theirs, Kind.MESSAGE, data)
        return data

    def close(self, error: BaseException | None) -> None:
        """End the session, and tell the other side if that is no good end.

        Raises
        ------
        TamperedError
            If something came at the end that nobody sent. All that counts was said and
            confirmed before.
        """
        if error is None:
            self._line.close()
            return
        text = one_line(error) if isinstance(error, Exception) else "it was stopped"
        self._line.close(text, insecure=exit_code(error) is ExitCode.INSECURE)


@contextmanager
def meeting(
    other: OtherParty,
    store: KeyStore,
    tap: Tap,
    *,
    simulated: bool,
    terms: Mapping[str, str],
) -> Iterator[LivePeer]:
    """Meet the other party and keep the line and the pair's share for the block.

    Raises
    ------
    QlabError, AuthenticationError
        As `meet` and `PairStore.open` say.
    """
    pairs = PairStore(store.folder)
    name = other.pair or pairs.only()
    with pairs.open(name) as pair:
        if pair.facts.side != other.side:
            raise UsageError(
                f"this station is {pair.facts.side} of the pair {name!r}, not {other.side}",
                remedy=f"use --role {pair.facts.side}, or another --pair",
            )
        _, theirs = other.ways
        make = listen if other.listening else connect

        def check() -> None:
            tap.stop_if_asked(f"message:{theirs}")

        with make(other.address, patience=other.patience, check=check) as line:
            line.open()
            met = meet(line, pair, store, simulated=simulated, terms=terms)
            line.trust()
            yield LivePeer(line, tap, other, met, pair)


class PairEntropy:
    """A run's random bytes, those of the streams ``pair/...`` from the pair's secret.

    Hash keys and pads of the conversation are both taken from the pair's pads, and given to
    no other run: what was given is recorded as a secret, so it must be worth nothing later.
    The hash keys that all meetings share are never given.
    """

    def __init__(self, pair: Pair, recorder: Tap, entropy: Entropy) -> None:
        self._pair = pair
        self._recorder = recorder
        self._entropy = entropy

    def take(self, stream: str, count: int) -> bytes:
        """Return the next `count` bytes of `stream`."""
        room, _, rest = stream.partition("/")
        if room != "pair":
            return self._entropy.take(stream, count)
        way = rest.removeprefix("hash-key-").removeprefix("pads-")
        data = self._pair.take(way, count)
        self._recorder.record(f"entropy:{stream}", Kind.ENTROPY, data, requested=count)
        return data


class AgreedKeys:
    """Where the keys of two stations go: pending first, final once both hold them."""

    def __init__(self, store: KeyStore, peer: LivePeer, *, run_id: str, run_file: str) -> None:
        self._store = store
        self._peer = peer
        self._run_id = run_id
        self._run_file = run_file
        self._ids: list[str] = []

    def deposit(self, key: SecretBits, facts: KeyFacts, refill_bits: int = 0) -> None:
        """Store a key as pending."""
        fit = not self._peer.met.simulated
        key_id = f"{self._peer.met.session}-{len(self._ids)}"
        record = KeyRecord(
            key_id,
            self._run_id,
            len(key),
            facts.eps_sec,
            facts.eps_cor,
            facts.proof,
            fit,
            state=KeyState.PENDING,
            created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            pair=self._peer.pair.facts.pair_id,
            refill=refill_bits if fit and refill_bits < len(key) else 0,
            run_file=self._run_file,
        )
        self._store.add(record, key.reveal())
        self._ids.append(key_id)

    def agreed(self) -> None:
        """Make the last key final."""
        settle_key(self._store, self._peer.pair, self._ids[-1])


def replayed_error(payload: bytes) -> QlabError:
    """Return the error that the line of a recorded run ended with."""
    name, message, remedy = json.loads(payload)
    kind = {kind.__name__: kind for kind in _LINK_ERRORS}[name]
    error = kind.__new__(kind)
    QlabError.__init__(error, message, remedy=remedy)
    return error
