"""The way to the safe state: every step is tried, and it ends in bounded time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from drivers.core import Coupling, Instrument, Link
from drivers.core.context import Kind, Recorder, Status
from drivers.core.declared import Endpoint
from drivers.core.errors import (
    ConnectionLostError,
    DriverError,
    InstrumentFaultError,
    MisuseError,
)
from qlab.errors import QlabError, one_line
from qlab.station.check import SafeTarget
from qlab.station.targets import endpoint_of, property_of

__all__ = [
    "HANGS",
    "SAFE_DEADLINE_S",
    "RecorderGate",
    "SafeStep",
    "StepHangsError",
    "make_safe",
    "walk",
]

#: Time for the whole way, unless the caller says otherwise.
SAFE_DEADLINE_S = 10.0
#: What the journal says of an instrument that was left behind.
HANGS = b"hangs on the way to the safe state"


class StepHangsError(QlabError):
    """In a replay: here the instrument hung in the run."""


@dataclass(frozen=True, slots=True)
class SafeStep:
    """What became of one step.

    Attributes
    ----------
    target : str
        The property, as in ``laser.channel1.output``.
    value : object
        What it was to be set to.
    error : str
        Why it was not, in one line; empty if it was.
    cause : Exception or None
        The exception behind `error`.
    """

    target: str
    value: Any
    error: str = ""
    cause: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether the instrument took the value."""
        return not self.error


def walk(
    steps: Sequence[tuple[str, Any, Callable[[], None]]],
    deadline_s: float,
    give_up: Callable[[str, threading.Thread], None] = lambda target, thread: None,
) -> list[SafeStep]:
    """Take each step, whatever became of the one before.

    Each is taken in a thread of its own, so that neither a second Ctrl-C nor an
    instrument that hangs can stop the way. One that hangs is left behind in time
    for those after it.

    Parameters
    ----------
    steps : sequence of tuple
        Target, value, and what takes the step.
    deadline_s : float
        Time for all of them.
    give_up : callable
        Hears the target and the thread of a step that is left behind.
    """
    results = []
    end_s = time.monotonic() + deadline_s
    reserve_s = deadline_s / (4 * max(len(steps), 1))
    with _deaf_to_interrupts():
        for later, (target, value, take) in zip(reversed(range(len(steps))), steps, strict=True):
            left_s = end_s - time.monotonic() - later * reserve_s
            found, thread = _take(target, value, take, max(left_s, reserve_s))
            if thread is not None:
                give_up(target, thread)
            late = SafeStep(target, value, f"not done within {deadline_s:g} s")
            results.append(found or late)
    return results


def _take(
    target: str, value: Any, take: Callable[[], None], patience_s: float
) -> tuple[SafeStep | None, threading.Thread | None]:
    """Return what became of one step, or the thread that it hangs in."""
    found: list[SafeStep] = []

    def attempt() -> None:
        try:
            take()
        except StepHangsError:
            pass  # in a replay, where it hung in the run
        except Exception as error:  # noqa: BLE001 - the next step is taken whatever happens
            found.append(SafeStep(target, value, one_line(error), error))
        else:
            found.append(SafeStep(target, value))

    worker = threading.Thread(target=attempt, name="safe state", daemon=True)
    worker.start()
    worker.join(patience_s)
    if found:
        return found[0], None
    return None, worker if worker.is_alive() else None


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let Ctrl-C come to nothing meanwhile; only the main thread hears it anyway.

    A handler that raises nothing stays, such as that of a run, which takes note.
    """
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not raises or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def make_safe(
    reach: Callable[[], Instrument], link: Link, step: SafeTarget, timeout_s: float
) -> None:
    """Set one property and read it back, with less patience; again if the session broke.

    Parameters
    ----------
    reach : callable
        Returns the instrument, opened.
    link : Link
        Its link.
    step : SafeTarget
        The property and its value.
    timeout_s : float
        Time for one reply, if that is shorter than usual.
    """
    usual_s = link.line.timeout_s
    link.line = replace(link.line, timeout_s=min(usual_s, timeout_s))
    try:
        try:
            _set_calmly(reach(), step)
        except ConnectionLostError:
            link.close()
            _set_calmly(reach(), step)
    finally:
        # Only the time goes back: what opening has learnt of the line stays.
        link.line = replace(link.line, timeout_s=usual_s)
        if link.is_open:
            link.transport.timeout_s = usual_s


def _set_calmly(instrument: Instrument, step: SafeTarget) -> None:
    """Set a property whatever an exchange that was cut short has left behind.

    It is read back where it can be: a lost command need not be an error.
    """
    link = instrument.link
    link.transport.timeout_s = link.line.timeout_s
    try:
        link.transport.clear()  # a late reply
        instrument.reporting.forget(link)  # an old error
    except ConnectionLostError:
        raise
    except DriverError:
        pass  # the setting itself shows whether the instrument can be used
    endpoint = endpoint_of(instrument, step.target)
    declared = property_of(type(endpoint), step.target)
    _make_true(endpoint, declared.name)
    setattr(endpoint, declared.name, step.value)
    if declared.query is not None and not declared.read_back:
        actual = getattr(endpoint, declared.name)
        if not declared.agrees(step.value, actual):
            raise InstrumentFaultError(
                f"{declared.name} is still {actual!r}",
                instrument=instrument.name,
                address=instrument.address,
            )


def _make_true(endpoint: Endpoint, name: str) -> None:
    """Set what else decides over a property so that its value is what it says.

    Such as an attenuator's offset, with which it shows more than it attenuates.
    """
    declared = endpoint.properties()
    for other, value in endpoint.couplings.get(name, Coupling()).true_while.items():
        if declared[other].command is not None:
            setattr(endpoint, other, value)


class RecorderGate:
    """Passes records on, except those of threads that were left behind."""

    def __init__(self, recorder: Recorder) -> None:
        self._record = recorder.record
        self._lock = threading.Lock()
        self._shut_out: set[threading.Thread] = set()
        self._sessions: dict[str, int] = {}

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
        with self._lock:
            if self._shut_out and threading.current_thread() in self._shut_out:
                raise MisuseError("the instrument answered after it was given up")
            self._sessions[source] = session
            self._record(source, kind, data, session=session, requested=requested, status=status)

    def shut_out(self, thread: threading.Thread, instrument: str) -> None:
        """Refuse what a thread would record from now on, and record that it hangs."""
        with self._lock:
            self._shut_out.add(thread)
            self._record(instrument, Kind.ABORT, HANGS, session=self._sessions.get(instrument, 0))
