"""One key from the recorded detections of several runs, none of which is used twice.

The runs of a session are one block: what each of them recorded is added to the same two
parties, as `qlab replay --from-data` adds one, and the block is agreed on for all their
pulses together. A run that gave a key of its own is refused, and so is one whose key or part
of a key the store has ever held.

A run without a key has told of the same bits all the same: parities, a tag, error counts. All
of that is charged to the key of the session, and a run whose file does not say how much it
told is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.distillation.local import distil
from qlab.context import Progress, SilentProgress
from qlab.distillation.counting import CountingBob
from qlab.distillation.entropy import SystemEntropy
from qlab.distillation.results import Distilled
from qlab.errors import QlabError, UsageError
from qlab.experiments.bb84.experiment import Bb84
from qlab.keystore import KeyRecord, KeyStore
from qlab.replay.player import RecordedInputs, recorded_inputs
from qlab.runfile.opening import damaged
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus

__all__ = ["UsedDetectionsError", "distil_runs"]


#: What it costs that the length depends on how much was told, of at most 2**50 possible
#: numbers of bits; see docs/security.md, section 14.
_CHOICE_BITS = 2 * 50
_CHOSEN_BEFORE = "which runs make up the block was agreed on before they were looked at"


class UsedDetectionsError(UsageError):
    """Detections that are in a key already, or would be in one twice."""


class _Bob(CountingBob, Bob):
    """Bob of the recorded runs."""


def distil_runs(
    paths: Sequence[Path],
    *,
    reconciliation: str = "auto",
    amplification: str = "toeplitz",
    workers: int = 1,
    key_store: KeyStore | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Distil the runs of one session into one key, and put it into the store.

    Parameters
    ----------
    paths : sequence of Path
        Run files of BB84 with equal settings, in any order.
    reconciliation, amplification : str
        Methods by name.
    workers : int
        Threads.
    key_store : KeyStore, optional
        Where the key goes; the user's own by default.
    progress : Progress, optional

    Returns
    -------
    dict
        The results; ``no_key`` says why there is no key, if so.

    Raises
    ------
    UsedDetectionsError
        A detection would be used twice.
    UsageError
        The runs do not belong together.
    RunFileError
        A file cannot be believed or read.
    """
    progress = progress or SilentProgress()
    store = key_store or KeyStore()
    store.prepare()
    session = _Session(store)
    progress.phase("runs read", len(paths))
    planned, slots = _common_settings(paths, session)
    planned.options = dataclasses.replace(
        planned.options, slots=slots, reconciliation=reconciliation, amplification=amplification
    )
    setup, hopeless = planned.setup()
    told = session.already_disclosed + _CHOICE_BITS
    setup = dataclasses.replace(setup, already_disclosed=told)
    alice, bob = Alice(setup, workers=workers), _Bob(setup, workers=workers)
    bob.alice = alice
    for path in paths:
        with RunFile.open(path) as run:
            session.add(path, recorded_inputs(run), alice, bob)
        progress.step(path.name)
    progress.phase("key distillation")
    entropy = SystemEntropy()
    start = time.perf_counter()
    distil(alice, bob, entropy, entropy, lambda way, packet: progress.step())
    seconds = time.perf_counter() - start
    account = bob.result
    if hopeless is not None:
        account = dataclasses.replace(account, secret_bits=0, reason=hopeless)
    key = alice.key if account.reason is None else None
    found = Distilled(account, bob.errors, bob.residual_errors, seconds, 0.0, key)
    key_id = None if key is None else session.store_key(found)
    return {
        **found.as_dict(),
        "assumptions": [*account.assumptions, _CHOSEN_BEFORE],
        "already_disclosed_bits": told,
        "runs": session.run_ids,
        "sifted_bits": account.sifted_bits,
        "agreed_length": max(0, account.agreed_length),
        "n_z": list(account.n_z),
        "n_x": list(account.n_x),
        "m_z": None if account.m_z is None else list(account.m_z),
        "m_x": None if account.m_x is None else list(account.m_x),
        "key_id": key_id,
        "stored": key_id is not None,
        "fit_for_use": key_id is not None and not session.simulated,
    }


def _common_settings(paths: Sequence[Path], session: _Session) -> tuple[Bb84, int]:
    """Return the experiment that all runs were, and their pulses together."""
    first: Bb84 | None = None
    slots = 0
    for path in paths:
        with RunFile.open(path) as run:
            planned = session.admit(path, run)
        slots += planned.options.slots
        if first is None:
            first = planned
        elif _settings(planned) != _settings(first):
            raise UsageError(
                f"{path} was run with other settings than {paths[0]}",
                remedy="distil runs of equal settings together, the others apart",
            )
    if first is None:
        raise UsageError("no run is named", remedy="qlab key distill RUN.h5 ...")
    return first, slots


def _settings(planned: Bb84) -> dict[str, Any]:
    return {name: value for name, value in planned.table.items() if name != "slots"}


def _disclosed(path: Path, run: RunFile, planned: Bb84) -> int:
    """Return how many bits about its key a run has told: leak, tag and error counts."""
    accounts = [results for results in run.results if "leak_ec_bits" in results]
    talked = [n for n, name in enumerate(run.sources) if name.startswith("message:")]
    if not accounts and np.isin(run.index["source"], talked).any():
        raise UsedDetectionsError(
            f"{path} ended while its parties talked, and does not say how much they told",
            remedy="leave it out; `qlab replay --from-data` analyses it without making a key",
        )
    tag_bits = planned.setup()[0].agreement.tag_bits
    total = 0
    for results in accounts:
        leak, counts = results["leak_ec_bits"], results.get("n_z")
        if not isinstance(counts, list) or not all(_is_count(n) for n in (leak, *counts)):
            raise damaged(path, "its results hold counts that are none")
        total += leak + tag_bits + len(counts) * sum(counts).bit_length()
    if total >= 1 << 40:
        raise damaged(path, "its results hold counts that are none")
    return total


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


class _Session:
    """The runs that come together, and which detections they are."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._used = {
            run_id for record in store.records() for run_id in record.run_id.split(",") if run_id
        }
        self._seen: dict[str, Path] = {}
        self._detections: dict[bytes, Path] = {}
        self.run_ids: list[str] = []
        self.simulated = False
        self.already_disclosed = 0

    def admit(self, path: Path, run: RunFile) -> Bb84:
        """Return a run's experiment, or refuse the run."""
        if run.status not in (RunStatus.COMPLETE, RunStatus.ABORTED, RunStatus.FAILED):
            raise UsageError(f"{path} is still being written", remedy="wait for its end")
        if run.run_id in self._seen:
            raise UsedDetectionsError(
                f"{path} and {self._seen[run.run_id]} are the same run",
                remedy="name every run once",
            )
        self._seen[run.run_id] = path
        results = run.results[-1] if run.results else {}
        if results.get("secret_bits") or run.run_id in self._used:
            raise UsedDetectionsError(
                f"the detections of {path} have given a key already",
                remedy="`qlab replay --from-data` analyses them again without making a key",
            )
        planned = recorded_inputs(run).planned
        if not isinstance(planned, Bb84):
            raise UsageError(f"{path} is a run of {run.experiment}, which gives no key")
        if planned.options.side != "both":
            raise UsageError(
                f"{path} holds what {planned.options.side} recorded, and not the other party",
                remedy="the key of such a run is made by both stations while it lasts",
            )
        if planned.options.pattern_repeats > 1:
            raise UsageError(f"{path} sent its patterns more than once: a demonstration, no key")
        self.already_disclosed += _disclosed(path, run, planned)
        self.run_ids.append(run.run_id)
        return planned

    def add(self, path: Path, inputs: RecordedInputs, alice: Alice, bob: Bob) -> None:
        """Add a run's detections to both parties."""
        assert isinstance(inputs.planned, Bb84)
        digest = hashlib.sha256()
        for name in ("timestamps", "detectors", "block_events"):
            digest.update(inputs.data.data(name).tobytes())
        known = self._detections.setdefault(digest.digest(), path)
        if known != path:
            raise UsedDetectionsError(
                f"{path} and {known} hold the same detections", remedy="name one of them"
            )
        self.simulated |= inputs.station.simulated
        inputs.planned.add_recorded(inputs.entropy, inputs.data, alice, bob)

    def store_key(self, found: Distilled) -> str:
        """Put the key into the store; return its id."""
        assert found.key is not None
        runs = ",".join(sorted(self.run_ids))
        key_id = f"session-{hashlib.sha256(runs.encode()).hexdigest()[:16]}"
        account = found.account
        record = KeyRecord(
            key_id,
            runs,
            found.key.bit_count,
            account.eps_sec,
            account.eps_cor,
            account.proof,
            fit_for_use=not self.simulated,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            self._store.add(record, found.key.reveal())
        except QlabError as error:
            raise UsedDetectionsError(f"the key of these runs is not stored: {error}") from None
        return key_id
