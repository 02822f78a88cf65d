"""Playing a recorded run again: same experiment, same drivers, answers from the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from drivers.core.context import Entropy
from drivers.core.link import Connect
from protocols.secret import SecretBits
from qlab.context import KeyFacts, Progress, RunContext, SeededEntropy, SilentProgress
from qlab.errors import QlabError
from qlab.experiments.interface import Experiment, RecordedData, experiment
from qlab.provenance import platform_mark
from qlab.replay.errors import Divergence, DivergenceError, JournalEndError
from qlab.replay.journal import Journal
from qlab.replay.sources import (
    IGNORED_SOURCES,
    ReplayClock,
    ReplayEntropy,
    ReplayPeer,
    ReplayRecorder,
    ReplaySink,
    compare,
    lost_processes,
)
from qlab.replay.transport import replay_connector
from qlab.runfile.errors import RunFileError
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runner import conduct
from qlab.station import Station, parse_station

if TYPE_CHECKING:
    from pyvisa.highlevel import VisaLibraryBase

    from qlab.station.connections import ForeignLibrary

__all__ = [
    "RecordedInputs",
    "ReplayReport",
    "reanalyse_run",
    "recorded_inputs",
    "replay_run",
]

#: How much floats may differ on another processor or with other libraries.
_ELSEWHERE = 1e-9
#: What ends a replay at once; all else may be what ended the run, too.
_OWN_ERRORS = (DivergenceError, JournalEndError, RunFileError, KeyboardInterrupt)


@dataclass(frozen=True)
class ReplayReport:
    """What a replay found.

    Attributes
    ----------
    matched : bool
        Whether everything that was recorded was reproduced.
    exchanges : int
        Records that the code asked for and got, or sent and matched.
    records : int
        Records in the journal.
    status : str
        How the recorded run ended.
    divergence : Divergence or None
        The first difference.
    same_platform : bool
        Whether floats were compared exactly.
    results : dict
        Results of the replay; empty where the run did not get that far.
    """

    matched: bool
    exchanges: int
    records: int
    status: str
    divergence: Divergence | None
    same_platform: bool
    results: dict[str, Any]

    def summary(self) -> str:
        """Return what a person is told: one line, or a few if it diverged."""
        if self.divergence is None:
            how = "exactly" if self.same_platform else f"floats within {_ELSEWHERE:g}"
            end = "" if self.status == RunStatus.COMPLETE else f" of a run that was {self.status}"
            return f"the replay matched: {self.exchanges:,} records{end}, {how}"
        found = self.divergence
        return (
            f"the replay diverged after {self.exchanges:,} records\n"
            f"  source    {found.source}, exchange {found.exchange}\n"
            f"  expected  {found.expected}\n"
            f"  got       {found.got}" + (f"\n  at        {found.where}" if found.where else "")
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON, without the results."""
        return {
            "matched": self.matched,
            "exchanges": self.exchanges,
            "records": self.records,
            "status": self.status,
            "divergence": asdict(self.divergence) if self.divergence else None,
            "same_platform": self.same_platform,
        }


class _Recorded:
    """The data of a run file, each dataset read once."""

    def __init__(self, run: RunFile) -> None:
        self._run = run
        self._read: dict[str, NDArray[Any]] = {}

    def data(self, name: str) -> NDArray[Any]:
        if name not in self._read:
            self._read[name] = self._run.read(f"data/{name}")
        return self._read[name]

    def is_secret(self, name: str) -> bool:
        return f"data/{name}" not in self._run.covered_rows


def replay_run(path: Path, progress: Progress | None = None) -> ReplayReport:
    """Replay the run in `path` and compare every exchange, datum and result.

    Raises
    ------
    RunFileError
        If the file cannot be believed or read.
    QlabError
        If its station or experiment is unknown here.
    """
    with RunFile.open(path) as run:
        ended = run.status in (RunStatus.COMPLETE, RunStatus.ABORTED, RunStatus.FAILED)
        journal = Journal(run, ended=ended)
        recorded = _Recorded(run)
        same = run.provenance.get("platform") == platform_mark()
        planned, station = _rebuild(
            run,
            lambda name: replay_connector(name, journal),
            lambda instruments: _foreign_library(instruments, journal),
        )
        recorder = ReplayRecorder(journal)
        relative = 0.0 if same else _ELSEWHERE
        sink = ReplaySink(journal, recorded, relative)
        seed = _seed(run)
        ctx = RunContext(
            station=station,
            clock=ReplayClock(journal),
            entropy=ReplayEntropy(journal, seed),
            recorder=recorder,
            data=sink,
            keys=_Nowhere(),
            progress=progress or SilentProgress(),
            peer=ReplayPeer(journal, planned.side) if planned.side in ("alice", "bob") else None,
            lost=lost_processes(journal),
        )
        results: dict[str, Any] = {}
        try:
            results = conduct(planned, ctx, _OWN_ERRORS).results
        except (DivergenceError, JournalEndError) as error:
            # Code on its way out may have hidden the first one.
            assert journal.stopped is not None, error
        divergence = _first_difference(run, journal, sink, results, relative)
        return ReplayReport(
            matched=divergence is None,
            exchanges=journal.served,
            records=len(journal.index),
            status=str(run.status.value),
            divergence=divergence,
            same_platform=same,
            results=results,
        )


def reanalyse_run(path: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Compute the results anew from the recorded data, with the code as it is now.

    Nothing is compared: newer code may ask and answer otherwise.

    Raises
    ------
    RunFileError
        If the file cannot be believed or read.
    """
    with RunFile.open(path) as run:
        inputs = recorded_inputs(run)
        ctx = RunContext(
            station=inputs.station,
            clock=ReplayClock(inputs.journal),
            entropy=inputs.entropy,
            recorder=_Nowhere(),
            data=_Nowhere(),
            keys=_Nowhere(),
            progress=progress or SilentProgress(),
        )
        return inputs.planned.reanalyse(ctx, inputs.data)


@dataclass(frozen=True)
class RecordedInputs:
    """What a recorded run gives to an analysis by the code as it is now.

    Attributes
    ----------
    planned : Experiment
        The experiment, set up as it was.
    station : Station
        Its station, without instruments.
    journal : Journal
        What the run exchanged.
    entropy : Entropy
        The run's random bytes.
    data : RecordedData
        Its data.
    seed : int or None
        What the random bytes were drawn from, if they were.
    """

    planned: Experiment
    station: Station
    journal: Journal
    entropy: Entropy
    data: RecordedData
    seed: int | None


def recorded_inputs(run: RunFile) -> RecordedInputs:
    """Return what an analysis of an open run file starts from.

    Raises
    ------
    RunFileError
        If the file cannot be believed or read.
    QlabError
        If its station or experiment is unknown here.
    """

    def no_instruments(name: str) -> Connect:
        def connect(address: str, line: object) -> Any:
            raise QlabError(f"a re-analysis has no instruments, but asks for {name}")

        return connect

    planned, station = _rebuild(run, no_instruments)
    journal = Journal(run, ended=True)
    seed = _seed(run)
    entropy: Entropy = ReplayEntropy(journal, None)
    if seed is not None:
        entropy = SeededEntropy(seed, _Nowhere())
    return RecordedInputs(planned, station, journal, entropy, _Recorded(run), seed)


class _Nowhere:
    """Takes records, data and keys and lets them go."""

    def record(self, source: str, kind: Any, data: Any = b"", **more: Any) -> None:
        """Keep no record."""

    def append(self, name: str, values: Any) -> None:
        """Keep no data."""

    def deposit(self, key: SecretBits, facts: KeyFacts, refill_bits: int = 0) -> None:
        """Let the key go: a replay proves that it could be made, no more."""

    def agreed(self) -> None:
        """Nobody else is there."""


def _rebuild(
    run: RunFile, connect: Callable[[str], Connect], foreign: ForeignLibrary | None = None
) -> tuple[Experiment, Station]:
    station_file = parse_station(run.config, f"the station in {run.path.name}")
    planned = experiment(run.experiment)(station_file, {})
    return planned, Station(station_file, connect=connect, foreign=foreign)


def _foreign_library(instruments: Mapping[str, str], journal: Journal) -> VisaLibraryBase:
    from qlab.replay.visa_library import ReplayVisaLibrary  # loads pyvisa

    return ReplayVisaLibrary(instruments, journal)


def _seed(run: RunFile) -> int | None:
    text = run.provenance.get("seed", "")
    return int(text) if text else None


def _first_difference(
    run: RunFile, journal: Journal, sink: ReplaySink, results: dict[str, Any], relative: float
) -> Divergence | None:
    """Return what stopped the journal, or what can be seen only at the end.

    That is left-over records, left-over data and other results.
    """
    if isinstance(journal.stopped, DivergenceError):
        return journal.stopped.divergence
    left = journal.unused(IGNORED_SOURCES) or sink.missing(_data_names(run))
    if left is not None:
        return left
    if journal.stopped is not None:
        return None  # an interrupted run: everything that it left was reproduced
    if not run.results:
        return Divergence("results", 0, "none", "results") if journal.ended else None
    found = compare(run.results[-1], json.loads(json.dumps(results)), relative)
    return Divergence(found[0], 0, found[1], found[2]) if found else None


def _data_names(run: RunFile) -> Iterator[str]:
    for name in run.datasets:
        group, _, rest = name.partition("/")
        if group == "data":
            yield rest
