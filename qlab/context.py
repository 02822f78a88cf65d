"""The run context: everything an experiment may depend on, and the record of it.

An experiment gets its instruments, the time, random bytes, messages and its
configuration from here and from nowhere else. Each of them is recorded, so a
run can be repeated from its file: `qlab.replay` builds the same context with
sources that answer from the journal.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from drivers.core.context import Clock, Entropy, Kind, Recorder, Status
from qlab.errors import ExitCode, QlabError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from protocols.secret import SecretBits
    from qlab.station import Station

__all__ = [
    "AbortFlag",
    "DataSink",
    "HandWork",
    "KeyFacts",
    "KeySink",
    "Opening",
    "Peer",
    "Progress",
    "RunAbortedError",
    "RunClock",
    "RunContext",
    "SeededEntropy",
    "SilentProgress",
    "SystemEntropy",
    "Tap",
    "seeded_bytes",
    "sleep_pieces",
]

#: A wait is cut into slices of this length, so that an abort is noticed in time.
_SLICE_S = 0.1
_TIME = struct.Struct("<q")


class RunAbortedError(QlabError):
    """The run was asked to stop: Ctrl-C (exit code 130) or SIGTERM, SIGHUP (5)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the run was stopped by {reason}")
        self.reason = reason
        interrupted = reason == "SIGINT"
        self.exit_code = ExitCode.INTERRUPTED if interrupted else ExitCode.ABORTED


class AbortFlag:
    """Set by a signal handler, looked at after each exchange."""

    def __init__(self) -> None:
        self.reason = ""

    def request(self, reason: str) -> None:
        """Ask the run to stop; the first reason stands."""
        if not self.reason:
            self.reason = reason


class Tap:
    """Passes records on, and turns a pending abort into `RunAbortedError`.

    The abort is journaled behind the exchange that noticed it, in the same
    source, so that a replay stops at the same place.
    """

    _STOPS = frozenset((Kind.WRITE, Kind.READ, Kind.CLOCK, Kind.ENTROPY, Kind.MESSAGE))

    def __init__(self, flag: AbortFlag) -> None:
        self._recorder: Recorder | None = None
        self._flag = flag
        self._shielded = False

    def attach(self, recorder: Recorder) -> None:
        """Name the recorder; what is recorded before is lost."""
        self._recorder = recorder

    def record(
        self,
        source: str,
        kind: Kind,
        data: bytes | bytearray | memoryview = b"",
        *,
        session: int = 0,
        requested: int = 0,
        status: Status = Status.OK,
    ) -> None:
        """Append a record; see `drivers.core.context.Recorder`."""
        if self._recorder is None:
            return
        self._recorder.record(
            source, kind, data, session=session, requested=requested, status=status
        )
        if self._flag.reason and not self._shielded and kind in self._STOPS:
            self._recorder.record(source, Kind.ABORT, self._flag.reason.encode(), session=session)
            raise RunAbortedError(self._flag.reason)

    def stop_if_asked(self, source: str) -> None:
        """Let a pending abort end a wait for `source`, in which there is nothing to record."""
        if self._flag.reason and not self._shielded:
            if self._recorder is not None:
                self._recorder.record(source, Kind.ABORT, self._flag.reason.encode())
            raise RunAbortedError(self._flag.reason)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold aborts back: the way to the safe state is never cut short."""
        before, self._shielded = self._shielded, True
        try:
            yield
        finally:
            self._shielded = before


class RunClock:
    """The run's time with a record of every look at it."""

    def __init__(self, clock: Clock, recorder: Recorder, flag: AbortFlag) -> None:
        self._clock = clock
        self._record = recorder.record
        self._flag = flag

    def now_ns(self) -> int:
        """Return nanoseconds since the start of the run."""
        now = self._clock.now_ns()
        self._record("clock", Kind.CLOCK, _TIME.pack(now))
        return now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass, in pieces that an abort can end."""
        for piece in sleep_pieces(seconds):
            slices = max(1, math.ceil(piece / _SLICE_S))
            for _ in range(slices):
                self._clock.sleep(piece / slices)
                if self._flag.reason:
                    break
            self._record("clock", Kind.CLOCK, requested=round(piece * 1e9))


def sleep_pieces(seconds: float) -> list[float]:
    """Cut a wait into the equal pieces that are recorded: of 0.1 s, but at most a hundred."""
    count = min(100, max(1, math.ceil(seconds / _SLICE_S)))
    return [max(seconds, 0.0) / count] * count


def seeded_bytes(seed: int, stream: str, start: int, count: int) -> bytes:
    """Return bytes `start` to `start + count` of `stream` of a seeded run."""
    from protocols.generator import expand

    key = seed.to_bytes((seed.bit_length() + 8) // 8, "big")
    return expand(key, f"run/{stream}", start, count)


class SeededEntropy:
    """Named streams from one seed (SHAKE-256, see `protocols.generator`).

    For simulated stations only: whoever knows the seed knows the key. The
    record holds digests; a replay draws the same bytes from the seed.
    """

    def __init__(self, seed: int, recorder: Recorder) -> None:
        self._seed = seed
        self._record = recorder.record
        self._offsets: dict[str, int] = {}

    def take(self, stream: str, count: int) -> bytes:
        """Return the next `count` bytes of `stream`."""
        start = self._offsets.get(stream, 0)
        self._offsets[stream] = start + count
        data = seeded_bytes(self._seed, stream, start, count)
        digest = hashlib.sha256(data).digest()
        self._record(f"entropy:{stream}", Kind.ENTROPY, digest, requested=count)
        return data


class SystemEntropy:
    """The operating system's generator; what it gave is recorded as a secret."""

    def __init__(self, recorder: Recorder) -> None:
        self._record = recorder.record

    def take(self, stream: str, count: int) -> bytes:
        """Return `count` bytes."""
        data = os.urandom(count)
        self._record(f"entropy:{stream}", Kind.ENTROPY, data, requested=count)
        return data


class DataSink(Protocol):
    """Where declared data go: the run file, or a comparison with one."""

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Append rows to the declared dataset ``/data/NAME``."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What goes into the key store beside a key; see `qlab.keystore.KeyRecord`."""

    eps_sec: float
    eps_cor: float
    proof: str


class KeySink(Protocol):
    """Takes a run's final key; in a replay it takes it nowhere."""

    def deposit(self, key: SecretBits, facts: KeyFacts, refill_bits: int = 0) -> None:
        """Keep a key.

        Of one station until the run has ended well, then it is stored. Of two it is
        pending on the disk when this returns; its last `refill_bits` are for the pads.
        """

    def agreed(self) -> None:
        """Make the key final: the other party holds it, too."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What two stations agreed on when they met.

    Attributes
    ----------
    session : str
        The session's id, the same on both sides.
    simulated : bool
        Whether the instruments of either side are simulated.
    """

    session: str
    simulated: bool


class Peer(Protocol):
    """The other party's station; everything that crosses is recorded."""

    def opening(self) -> Opening:
        """Return what was agreed on; asked once, first."""

    def send(self, data: bytes) -> None:
        """Send a message. If the line has failed, the next `receive` says so."""

    def receive(self) -> bytes:
        """Wait for the next message."""


class Progress(Protocol):
    """Shows how far a run is; never influences it."""

    def phase(self, title: str, total: int = 0) -> None:
        """Begin a phase of `total` steps (0: unknown)."""

    def step(self, note: object = "") -> None:
        """One step of the phase is done; `note` is asked for its text where it is shown."""


class SilentProgress:
    """No display."""

    def phase(self, title: str, total: int = 0) -> None:
        """Show nothing."""

    def step(self, note: object = "") -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class HandWork:
    """Something at an instrument's front panel that only a person can do.

    Attributes
    ----------
    instrument : str
        Whose front panel.
    action : str
        What, for a simulated bench: ``split``, ``swap`` or ``restore`` the leads.
    text : str
        What, for a person.
    """

    instrument: str
    action: str
    text: str


@dataclass(frozen=True)
class RunContext:
    """What a running experiment holds.

    Attributes
    ----------
    station : Station
        Roles and instruments, guarded by the station's limits.
    clock : Clock
        The run's time.
    entropy : Entropy
        Random bytes, by stream.
    recorder : Recorder
        The journal, for messages and notes of the experiment itself.
    data : DataSink
        Declared data.
    keys : KeySink
        Where a final key goes.
    progress : Progress
        Display for a person.
    shielded : callable
        Gives a block in which nobody can stop the run: for the way to the safe state.
    apart : bool
        Whether parties work in processes of their own; a replay works alone.
    peer : Peer or None
        The other party's station, if it has one of its own.
    lost : mapping of str to bytes
        In a replay, the parties whose process the run lost, and how.
    hands : callable or None
        Gets something done by hand; None in a replay, where it has been done.
    """

    station: Station
    clock: Clock
    entropy: Entropy
    recorder: Recorder
    data: DataSink
    keys: KeySink
    progress: Progress
    shielded: Callable[[], AbstractContextManager[None]] = nullcontext
    apart: bool = False
    peer: Peer | None = None
    lost: Mapping[str, bytes] = field(default_factory=dict)
    hands: Callable[[HandWork], None] | None = None

    def note(self, text: str) -> None:
        """Write a line into the run's log."""
        self.recorder.record("run", Kind.LOG, text.encode())

    def by_hand(self, work: HandWork) -> None:
        """Have a person do something, recorded before: an abort of the wait stands behind it."""
        self.recorder.record("operator", Kind.MESSAGE, work.text.encode())
        if self.hands is not None:
            self.hands(work)

    def message(self, direction: str, payload: bytes) -> None:
        """Record a message between the parties, such as ``alice-to-bob``."""
        self.recorder.record(f"message:{direction}", Kind.MESSAGE, payload)
