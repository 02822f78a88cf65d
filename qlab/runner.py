"""Running an experiment: run file, signals, and the way out.

Whatever ends a run, its outputs are driven to their safe state, that is
recorded, and the file is closed with an honest status.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from drivers.core.context import Entropy
from protocols.secret import SecretBits
from qlab.context import (
    AbortFlag,
    KeyFacts,
    KeySink,
    Progress,
    RunAbortedError,
    RunClock,
    RunContext,
    SeededEntropy,
    SilentProgress,
    SystemEntropy,
    Tap,
)
from qlab.errors import ExitCode, QlabError, UsageError, one_line
from qlab.experiments.interface import Experiment, experiment
from qlab.hands import Operator, hands_of
from qlab.keystore import KeyRecord, KeyStore
from qlab.link.errors import TamperedError
from qlab.link.peer import AgreedKeys, OtherParty, PairEntropy, meeting
from qlab.provenance import provenance
from qlab.runfile.placing import refuse_existing
from qlab.runfile.schema import RunStatus
from qlab.runfile.writer import RunWriter
from qlab.station import Station, StationFile, parse_station
from qlab.station.toml import toml_text

__all__ = ["SAFE_STATE_S", "Outcome", "UnsafeOutputsError", "conduct", "run_experiment"]

#: Time that the way to the safe state may take, in seconds.
SAFE_STATE_S = 10.0


class UnsafeOutputsError(QlabError):
    """The way to the safe state did not succeed everywhere."""

    exit_code = ExitCode.INSTRUMENT

    def __init__(self, failed: Sequence[str]) -> None:
        super().__init__(
            f"NOT IN THEIR SAFE STATE: {', '.join(failed)}",
            remedy="switch them off by hand, or try `qlab station safe FILE`",
        )


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    status : RunStatus
        ``complete``, ``aborted`` or ``failed``.
    results : dict
        The experiment's results, or ``error`` and ``error_type``; always with ``safe_state``.
    error : BaseException or None
        What ended it early.
    """

    status: RunStatus
    results: dict[str, Any]
    error: BaseException | None

    @property
    def unsafe(self) -> UnsafeOutputsError | None:
        """The error that says which outputs are not known to be safe; None if all are."""
        steps = self.results["safe_state"]
        failed = [f"{step['target']} ({step['error']})" for step in steps if step["error"]]
        return UnsafeOutputsError(failed) if failed else None


def run_experiment(
    name: str,
    station_file: StationFile,
    output: Path,
    *,
    seed: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    key_store: KeyStore | None = None,
    apart: bool = True,
    other: OtherParty | None = None,
    operator: Operator | None = None,
) -> Outcome:
    """Run an experiment and write its run file.

    Parameters
    ----------
    name : str
        Experiment, such as ``bb84``.
    station_file : StationFile
        The station.
    output : Path
        The run file, which must not exist.
    seed : int, optional
        Makes a simulated run repeatable; drawn anew if not given. Refused on a
        real station.
    overrides : mapping, optional
        Options that replace those of the station's table.
    progress : Progress, optional
        Display.
    key_store : KeyStore, optional
        Where a final key goes; the user's own by default.
    apart : bool
        Whether the parties of a distillation work in processes of their own.
    other : OtherParty, optional
        The other party's station, if each has its own.
    operator : callable, optional
        Has a person do what a calibration of real instruments needs done by hand; takes a
        `qlab.context.HandWork` and returns when it is done.

    Returns
    -------
    Outcome
        Also of a run that failed or was stopped: then with its error.

    Raises
    ------
    UsageError
        If the call makes no sense for this station.
    RunFileError
        If the file exists or cannot be written.
    QlabError
        If the key store cannot be written.
    """
    simulated = station_file.simulation is not None
    if seed is not None and not simulated:
        raise UsageError(
            "a seed is for simulated stations only: whoever knows it knows the key",
            remedy="leave --seed out",
        )
    if seed is not None and seed < 0:
        raise UsageError("a seed is not negative", remedy="give 0 or more, or leave it out")
    if simulated and seed is None:
        seed = secrets.randbits(63)
    side = {} if other is None else {"side": other.side}
    planned = experiment(name)(station_file, {**(overrides or {}), **side})
    if other is None and planned.side in ("alice", "bob"):
        raise UsageError(
            f"this station is {planned.side.capitalize()}'s alone",
            remedy=f"add --role {planned.side} with --listen or --connect",
        )
    config = toml_text({**_resolved(station_file), name: planned.table})
    started = datetime.now(UTC)
    flag = AbortFlag()
    tap = Tap(flag)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    store = key_store or KeyStore()
    store.prepare()
    outcome: Outcome | None = None
    with ExitStack() as stack:
        stack.enter_context(_signals(flag))
        peer = None
        if other is not None:
            refuse_existing(output)
            peer = stack.enter_context(
                meeting(other, store, tap, simulated=station_file.simulated, terms=planned.terms)
            )
        station = stack.enter_context(
            Station(parse_station(config, station_file.source.name), seed=seed, recorder=tap)
        )
        origin = provenance(seed)
        if flag.reason:
            raise RunAbortedError(flag.reason)
        writer = RunWriter.create(
            output,
            experiment=name,
            run_id=run_id,
            start_utc=started,
            config=config,
            provenance=origin,
            datasets=planned.datasets(),
            secret_sources=planned.secret_sources | {"entropy", "key"},
            operational=not simulated,
            clock=station.clock.now_ns,
        )
        entropy: Entropy = SystemEntropy(tap) if seed is None else SeededEntropy(seed, tap)
        own = _Keys(store, output)
        keys: KeySink = own
        if peer is not None:
            entropy = PairEntropy(peer.pair, tap, entropy)
            keys = AgreedKeys(store, peer, run_id=run_id, run_file=str(output.absolute()))
        try:
            tap.attach(writer)
            ctx = RunContext(
                station=station,
                clock=RunClock(station.clock, tap, flag),
                entropy=entropy,
                recorder=tap,
                data=_FileSink(writer),
                keys=keys,
                progress=progress or SilentProgress(),
                shielded=tap.shielded,
                apart=apart,
                peer=peer,
                hands=hands_of(station, operator, tap),
            )
            outcome = conduct(planned, ctx)
            if peer is not None:
                try:
                    peer.close(outcome.error)
                except TamperedError as meddling:  # too late for the run, not for its user
                    outcome = replace(outcome, error=meddling)
            writer.result(outcome.results)
            writer.close(outcome.status)
        finally:
            if outcome is None:
                with contextlib.suppress(Exception):  # the first error is the one to show
                    writer.close(RunStatus.FAILED)
        if outcome.status is RunStatus.COMPLETE:
            own.store(run_id, fit_for_use=not station.simulated)
    if outcome.error is not None and not isinstance(outcome.error, (Exception, KeyboardInterrupt)):
        raise outcome.error
    return outcome


def conduct(
    planned: Experiment,
    ctx: RunContext,
    fatal: tuple[type[BaseException], ...] = (),
) -> Outcome:
    """Run to the end, whatever it is, then go to the safe state.

    Errors in `fatal` are raised at once: they are a replay's own, and there is
    nothing to bring to safety. The same steps happen in a run and in its replay.
    """
    error: BaseException | None = None
    results: dict[str, Any] = {}
    status = RunStatus.COMPLETE
    try:
        results = planned.run(ctx)
    except fatal:
        raise
    except RunAbortedError as stop:
        status, error = RunStatus.ABORTED, stop
    except BaseException as failure:  # noqa: BLE001 - also sys.exit in a driver must end safe
        status, error = RunStatus.FAILED, failure
    if error is not None:
        results = {"error": one_line(error), "error_type": type(error).__name__}
    with ctx.shielded():
        steps = ctx.station.to_safe_state(SAFE_STATE_S)
        for step in steps:
            if isinstance(step.cause, fatal):
                raise step.cause
        results["safe_state"] = [
            {"target": step.target, "value": step.value, "error": step.error} for step in steps
        ]
        try:
            ctx.station.close()
        except fatal:
            raise
        except Exception as failure:  # noqa: BLE001 - the results are worth more than a clean line
            results["close_error"] = one_line(failure)
    return Outcome(status, results, error)


def _resolved(station_file: StationFile) -> dict[str, Any]:
    """Return the station's document with everything that defaults would fill in."""
    if station_file.simulation is None:
        return dict(station_file.document)
    from qlab.station.simulation import resolved_document

    return resolved_document(station_file)


class _Keys:
    """Holds a final key until the run file is closed."""

    def __init__(self, key_store: KeyStore, run_file: Path) -> None:
        self._key_store = key_store
        self._run_file = run_file
        self._held: list[tuple[SecretBits, KeyFacts]] = []

    def deposit(self, key: SecretBits, facts: KeyFacts, refill_bits: int = 0) -> None:
        self._held.append((key, facts))

    def agreed(self) -> None:
        """Nobody else has to agree."""

    def store(self, run_id: str, *, fit_for_use: bool) -> None:
        for number, (key, facts) in enumerate(self._held):
            record = KeyRecord(
                f"{run_id}-{number}",
                run_id,
                len(key),
                facts.eps_sec,
                facts.eps_cor,
                facts.proof,
                fit_for_use,
                created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                run_file=str(self._run_file.absolute()),
            )
            self._key_store.add(record, key.reveal())


class _FileSink:
    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer

    def append(self, name: str, values: Any) -> None:
        self._writer.append(f"data/{name}", values)


@contextlib.contextmanager
def _signals(flag: AbortFlag) -> Iterator[None]:
    """Turn signals into requests to stop, from the main thread only.

    What is ignored stays ignored, such as SIGHUP under ``nohup``. On Windows
    SIGBREAK is what a console that closes sends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def request(number: int, frame: FrameType | None) -> None:
        flag.request(signal.Signals(number).name)

    # SIGQUIT would leave a core file behind, with all keys in it.
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {
        number: signal.signal(number, request)
        for number in known
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
