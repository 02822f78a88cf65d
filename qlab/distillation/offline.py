"""From files named on the command line to a key in the store, or to an honest refusal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from protocols.authentication.polynomial import KEY_BYTES, polynomial_tag
from protocols.bb84.counted import CountedKey
from protocols.bb84.finite_key import KeyCounts
from protocols.distillation.bound import AssumedSinglePhotons, Bound, Terms
from protocols.privacy_amplification.choice import amplifier
from protocols.reconciliation import choice
from protocols.reconciliation.interface import Estimate
from protocols.secret import SecretBits
from qlab.context import Progress
from qlab.counts import read_counts
from qlab.distillation.files import Format, read_sifted
from qlab.distillation.results import Distilled
from qlab.distillation.sifted import check_keys, distil_sifted
from qlab.errors import UsageError
from qlab.keystore import KeyRecord, KeyStore

__all__ = ["distil_files", "distil_recorded", "require_methods"]


_EPS_SEC, _EPS_COR = 1e-9, 1e-15

ID_BITS = 64
"""Length of the hash by which one party's sifted key is known again."""


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
    if counts is None:
        bound: Bound = _assumed(protocol, variable_length, eps_sec, eps_cor)
    else:
        bound = _counted(counts, protocol, variable_length, eps_sec, eps_cor)
    ours, theirs = read_sifted(alice, file_format), read_sifted(bob, file_format)
    bound.tag_bits(ours.bit_count)  # raises where no tag is long enough
    store, estimate = KeyStore(keys), None
    ids: tuple[str, ...] = ()
    if isinstance(bound, CountedKey):
        check_counts(bound.counts, check_keys(ours, theirs), ours.bit_count)
        estimate = Estimate(sum(bound.counts.m_z), sum(bound.counts.n_z))
        ids = unused_ids(store, (ours, theirs))
    found = distil_sifted(
        ours,
        theirs,
        Terms(bound, reconciliation, amplification),
        estimate=estimate,
        workers=workers or os.cpu_count() or 1,
        progress=progress,
    )
    stored = found.key is not None and bool(ids)
    if found.key is not None and ids:
        store.add(_record(ids, found), found.key.reveal())
    return {**found.as_dict(), "key_id": ids[0] if stored else None, "stored": stored}


def _assumed(
    protocol: str | None, variable_length: bool, eps_sec: float | None, eps_cor: float | None
) -> AssumedSinglePhotons:
    if protocol not in (None, "single-photon", "bbm92"):
        raise UsageError(
            f"a key of {protocol!r} needs the counts of its intensities",
            remedy="add --counts COUNTS.json",
        )
    return AssumedSinglePhotons(
        _EPS_SEC if eps_sec is None else eps_sec,
        _EPS_COR if eps_cor is None else eps_cor,
        protocol or "single-photon",
    )


def _counted(
    path: Path,
    protocol: str | None,
    variable_length: bool,
    eps_sec: float | None,
    eps_cor: float | None,
) -> CountedKey:
    given = {"eps_sec": eps_sec, "eps_cor": eps_cor}
    counts = read_counts(
        path,
        given={name: value for name, value in given.items() if value is not None},
        assumed={"leak_ec": 0, "eps_sec": _EPS_SEC, "eps_cor": _EPS_COR},
    )
    if protocol not in (None, counts.protocol):
        raise UsageError(
            f"{path}: the counts are of {counts.protocol}, not of {protocol}",
            remedy="leave --protocol out, or mend it",
        )
    announced = counts.announced_bits + 2 * ID_BITS
    return CountedKey(replace(counts, announced_bits=announced), variable_length)


def check_counts(counts: KeyCounts, errors: int, bits: int) -> None:
    """Raise UsageError unless the counts are those of keys of so many bits and errors."""
    for name, counted, found, what in (
        ("n_z", sum(counts.n_z), bits, "bits"),
        ("m_z", sum(counts.m_z), errors, "errors"),
    ):
        if counted != found:
            raise UsageError(
                f"{name}: {counted} {what} counted in the key basis, but the keys have {found}",
                remedy="counts and keys must be of the same block",
            )


def unused_ids(store: KeyStore, keys: Sequence[SecretBits]) -> tuple[str, ...]:
    """Return an id for each party's sifted key, the same whenever it is distilled here.

    It is a universal hash of the sifted bits, `ID_BITS` long, which are charged as public.
    The first is the id of the secret key, whose record names them all. Only the same bits in
    the same order are known again.

    Raises
    ------
    UsageError
        The store has held a key of one of them.
    """
    store.prepare()
    salt = hashlib.sha256(store.identity().encode()).digest()[:KEY_BYTES]
    tags = (polynomial_tag(key.reveal(), key.bit_count, salt, ID_BITS) for key in keys)
    ids = tuple(f"sifted-{tag.hex()}" for tag in tags)
    for record in store.records():
        if not {record.key_id, *record.run_id.split(",")}.isdisjoint(ids):
            raise UsageError(
                f"these detections have given the key {record.key_id} already",
                remedy="`qlab key list --all` shows what became of it",
            )
    return ids


def _record(ids: tuple[str, ...], found: Distilled) -> KeyRecord:
    assert found.key is not None
    account = found.account
    return KeyRecord(
        ids[0],
        ",".join(ids),
        found.key.bit_count,
        account.eps_sec,
        account.eps_cor,
        account.proof,
        fit_for_use=True,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


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
