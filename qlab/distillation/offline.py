"""From files named on the command line to a key in the store, or to an honest refusal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protocols.distillation.bound import AssumedSinglePhotons, Terms
from protocols.privacy_amplification.choice import amplifier
from protocols.reconciliation import choice
from qlab.context import Progress
from qlab.distillation.files import Format, read_sifted
from qlab.distillation.sifted import distil_sifted
from qlab.errors import UsageError
from qlab.keystore import KeyStore

__all__ = ["distil_files", "distil_recorded", "require_methods"]


def require_methods(reconciliation: str, amplification: str) -> None:
    """Raise ParameterError unless both are known by name."""
    choice.require(reconciliation)
    amplifier(amplification)


def distil_files(
    alice: Path,
    bob: Path,
    *,
    file_format: Format = "bits",
    counts: Path | None = None,
    protocol: str | None = None,
    reconciliation: str = "auto",
    amplification: str = "toeplitz",
    eps_sec: float | None = None,
    eps_cor: float | None = None,
    variable_length: bool = False,
    workers: int | None = None,
    keys: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Distil two files of sifted bits and return the results for a person or for JSON.

    Raises
    ------
    UsageError
        A file or an option makes no sense.
    InsecureRunError
        The keys are unrelated.
    """
    require_methods(reconciliation, amplification)
    if protocol not in (None, "single-photon", "bbm92"):
        raise UsageError(
            f"a key of {protocol!r} needs the counts of its intensities",
            remedy="add --counts COUNTS.json",
        )
    bound = AssumedSinglePhotons(
        1e-9 if eps_sec is None else eps_sec,
        1e-15 if eps_cor is None else eps_cor,
        protocol or "single-photon",
    )
    terms = Terms(bound, reconciliation, amplification)
    found = distil_sifted(
        read_sifted(alice, file_format),
        read_sifted(bob, file_format),
        terms,
        workers=workers or os.cpu_count() or 1,
        progress=progress,
    )
    return {**found.as_dict(), "key_id": None, "stored": False}


def distil_recorded(
    runs: Sequence[Path],
    *,
    reconciliation: str = "auto",
    amplification: str = "toeplitz",
    workers: int | None = None,
    keys: Path | None = None,
    progress: Progress | None = None,
    file_format: Format = "bits",
    variable_length: bool = False,
    **foreign: Any,
) -> dict[str, Any]:
    """Distil recorded runs; see `qlab.distillation.runs.distil_runs`.

    Raises
    ------
    UsageError
        As there, or an option is given that the runs themselves fix.
    """
    from qlab.distillation.runs import distil_runs

    require_methods(reconciliation, amplification)
    given = [name for name, value in foreign.items() if value is not None]
    if given or variable_length or file_format != "bits":
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given) or "this option"
        raise UsageError(
            f"{named}: a run's protocol, epsilons and length rule were agreed on before it",
            remedy="leave it out",
        )
    return distil_runs(
        runs,
        reconciliation=reconciliation,
        amplification=amplification,
        workers=workers or os.cpu_count() or 1,
        key_store=KeyStore(keys),
        progress=progress,
    )
