"""The two parties of a run on one station: in this process, or each in one of its own.

The run's entropy gives them a first secret of a pair, so that they authenticate each
other as two stations do, and the pads count against the key.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import protocols.errors
from protocols.authentication.wegman_carter import Authenticator
from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.bb84.distillation import Distillation
from protocols.bb84.settings import AliceSettings
from protocols.bb84.sifting import Detections, double_click_bytes
from protocols.bits import BitArray
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE, KeyState
from protocols.entropy import Entropy
from protocols.errors import InsecureError, ProtocolError
from protocols.secret import SecretBits
from qlab.context import RunAbortedError
from qlab.errors import QlabError
from qlab.experiments.bb84 import errands as e
from qlab.experiments.bb84.doomed import Doom, Turns, doomed
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.plan import agreed_plan
from qlab.link import Patience, listen
from qlab.link.sockets import Private

__all__ = ["AliceApart", "BobApart", "RunSecret", "SomeAlice", "SomeBob", "apart", "together"]

_HASH_KEY_BYTES = 16
_PATIENCE = Patience(meeting_s=120.0, silence_s=1e9, lost_s=10.0)
_END_S = 5.0


_Pads = Callable[[str, int], bytes]


class RunSecret:
    """A pair's first secret, drawn from the run's entropy: hash keys, and pads as needed.

    Each pad is drawn when the first of the two parties asks for it, and given to both.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self.hash_keys = {
            way: entropy.take(f"pair/hash-key-{way}", _HASH_KEY_BYTES)
            for way in (ALICE_TO_BOB, BOB_TO_ALICE)
        }
        self._drawn: dict[tuple[str, str], deque[bytes]] = {
            (side, way): deque() for side in ("alice", "bob") for way in self.hash_keys
        }

    def pad(self, side: str, way: str, count: int) -> bytes:
        """Return the next pad of a direction for one of the two sides."""
        ours = self._drawn[side, way]
        if not ours:
            drawn = self._entropy.take(f"pair/pads-{way}", count)
            for each in ("alice", "bob"):
                self._drawn[each, way].append(drawn)
        return ours.popleft()

    def authenticator(
        self, side: str, spent_bits: int = 0, counted: Callable[[_Pads], _Pads] | None = None
    ) -> Authenticator:
        """Return the tags of one side, which answer for bits that were spent before, too."""
        way = ALICE_TO_BOB if side == "alice" else BOB_TO_ALICE
        pads: _Pads = partial(self.pad, side)
        if counted is not None:
            pads = counted(pads)
        return Authenticator(way, self.hash_keys, pads, spent_bits)


def together(
    options: Bb84Options, secret: RunSecret, lost: Mapping[str, bytes] | None = None
) -> tuple[Alice, Bob]:
    """Return both parties in this process.

    What is `lost`, by side, is the process that a party had in the run that is repeated: it
    ends where that did.
    """
    setup, _ = agreed_plan(options)
    if not lost:
        return Alice(setup, secret.authenticator("alice")), Bob(setup, secret.authenticator("bob"))
    turns = {
        side: Turns(Doom.read(lost[side]) if side in lost else None) for side in ("alice", "bob")
    }
    tags = {side: secret.authenticator(side, counted=each.pads) for side, each in turns.items()}
    alice, bob = Alice(setup, tags["alice"]), Bob(setup, tags["bob"])
    return doomed(alice, turns["alice"]), doomed(bob, turns["bob"])


def _unheard(side: str, doom: bytes) -> None:
    """Keep no record."""


@contextmanager
def apart(
    options: Bb84Options, secret: RunSecret, on_loss: Callable[[str, bytes], None] = _unheard
) -> Iterator[tuple[AliceApart, BobApart]]:
    """Give both parties in processes of their own, which end with the block.

    Of a process that is lost `on_loss` hears the side, and what `together` needs to end there.

    Raises
    ------
    QlabError
        If they cannot be started.
    """
    with ExitStack() as stack:
        alice = AliceApart(stack, "alice", options, secret, on_loss)
        bob = BobApart(stack, "bob", options, secret, on_loss)
        yield alice, bob


class _Apart:
    """A party in a process of its own, used like one that is here.

    One errand is run at a time, so that messages and random bytes come in the same order
    as with both parties in one process.
    """

    def __init__(
        self,
        stack: ExitStack,
        side: str,
        options: Bb84Options,
        secret: RunSecret,
        on_loss: Callable[[str, bytes], None],
    ) -> None:
        self._on_loss = on_loss
        self._turns = 0
        self._side = side
        self._secret = secret
        self._finished = False
        self._key_state: KeyState = "none"
        self._outcome: e.Outcome | None = None
        key = Private.drawn()
        self._line = listen("0", patience=_PATIENCE, check=self._check, private=key)
        stack.callback(self._line.close, "the run is over")
        self._process = stack.enter_context(_started(self._line.port, key))
        self._line.send(e.encode(e.Begin(side, options, secret.hash_keys)))

    @property
    def finished(self) -> bool:
        """As `protocols.distillation.party.Party.finished`."""
        return self._finished

    @property
    def key_state(self) -> KeyState:
        """As `protocols.distillation.party.Party.key_state`."""
        return self._key_state

    @property
    def result(self) -> Distillation:
        """As `protocols.distillation.party.Party.result`."""
        outcome = self._reported()
        return replace(outcome.result, bounds=outcome.bounds)

    @property
    def key(self) -> SecretBits:
        """As `protocols.distillation.party.Party.key`."""
        outcome = self._reported()
        if not outcome.key_bits:
            raise InsecureError(outcome.result.reason or "no key was made")
        return SecretBits(outcome.key, outcome.key_bits)

    def start(self, entropy: Entropy) -> list[bytes]:
        """As `protocols.distillation.party.Party.start`."""
        return self._packets(e.Start(), entropy)

    def receive(self, data: bytes, entropy: Entropy) -> list[bytes]:
        """As `protocols.distillation.party.Party.receive`."""
        return self._packets(e.Receive(data), entropy)

    def settle(self) -> None:
        """Do nothing: the process settles by itself."""

    def _packets(self, errand: e.Errand, entropy: Entropy) -> list[bytes]:
        done = self._run(errand, entropy)
        assert isinstance(done, e.Done)
        self._finished, self._key_state = done.finished, done.key_state
        return done.packets

    def _reported(self) -> e.Outcome:
        if self._outcome is None:
            outcome = self._run(e.Report(), None)
            assert isinstance(outcome, e.Outcome)
            self._outcome = outcome
        return self._outcome

    def _run(self, errand: e.Errand, entropy: Entropy | None) -> e.Errand:
        """Send one errand and give the random bytes that it takes."""
        self._send(errand)
        while True:
            answer = self._hear()
            if isinstance(answer, e.Failed):
                raise _error(answer, self._side)
            self._turns += 1
            if not isinstance(answer, e.Wanted):
                return answer
            kind, _, way = answer.stream.partition("/")
            if kind == "pads":
                data = self._secret.pad(self._side, way, answer.count)
            else:
                assert entropy is not None
                data = entropy.take(answer.stream, answer.count)
            self._send(e.Given(data))

    def _send(self, errand: e.Errand) -> None:
        with self._noted():
            self._line.open()
            self._line.send(e.encode(errand))

    def _hear(self) -> e.Errand:
        with self._noted():
            return e.decode(self._line.receive())

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Have it noted if the process is lost; a run that is stopped is noted elsewhere."""
        try:
            yield
        except RunAbortedError:
            raise
        except QlabError as error:
            self._on_loss(self._side, Doom.of(self._turns, error).data)
            raise

    def _check(self) -> None:
        code = self._process.poll()
        if code is not None:
            raise QlabError(
                f"the process of {self._side.capitalize()} ended unexpectedly, with code {code}",
                remedy="see what it said, and whether memory ran out",
            )


class AliceApart(_Apart):
    """Alice in a process of her own."""

    def add_block(self, settings: AliceSettings) -> None:
        """As `protocols.bb84.alice.Alice.add_block`."""
        self._line.send(e.encode(e.Sent.of(settings)))


class BobApart(_Apart):
    """Bob in a process of his own."""

    def add_block(self, found: Detections, basis: BitArray, entropy: Entropy) -> None:
        """As `protocols.bb84.bob.Bob.add_block`."""
        bits = entropy.take("double-clicks", double_click_bytes(found))
        self._line.send(e.encode(e.Detected.of(found, basis, bits)))


SomeAlice = Alice | AliceApart
"""Alice, wherever she works."""
SomeBob = Bob | BobApart
"""Bob, wherever he works."""


def _error(failed: e.Failed, side: str) -> Exception:
    """Return the error that a party raised in its process."""
    kind = getattr(protocols.errors, failed.kind, None)
    if isinstance(kind, type) and issubclass(kind, ProtocolError):
        return kind(failed.text)
    return QlabError(f"the process of {side.capitalize()} failed: {failed.text}")


@contextmanager
def _started(port: int, key: Private) -> Iterator[subprocess.Popen[bytes]]:
    """Start a party's process; at the end of the block there is none."""
    rooms = str(Path(__file__).parents[3])  # the process must find these, whatever is around
    paths = [rooms, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "qlab.experiments.bb84.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=os.name == "posix",  # Ctrl-C is the run's own business
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    assert process.stdin is not None
    try:
        process.stdin.write(f"{port}\n{key.public.hex()}\n".encode())
        process.stdin.flush()
        yield process
    finally:
        process.stdin.close()  # which ends it
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
