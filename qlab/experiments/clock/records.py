"""Calibration records that a delay ledger takes in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.errors import ParameterError
from qlab.errors import StationError
from qlab.experiments.clock.options import DelayEntry, SiteOptions
from qlab.station import StationFile
from qlab.station.source import parse_toml
from qlab.station.tables import read_dataclass, setting

__all__ = ["SiteRecord", "read_record", "records", "with_records"]

_LONGEST = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SiteRecord:
    """The table ``[site]`` of a record: what it adds to a site of ``[clock]``."""

    delays: tuple[DelayEntry, ...] = setting((), doc="Delays of the ledger.")
    asymmetry_s: float = setting(0.0, doc="Two-way: delay to here less delay back.", unit="s")
    asymmetry_uncertainty_s: float = setting(
        0.0, doc="Two-way: its standard uncertainty.", unit="s", low=0.0
    )
    asymmetry_date: str = setting("", doc="Two-way: when that was calibrated.")


def read_record(path: Path) -> SiteRecord:
    """Read what the record of a calibration adds to a site.

    Raises
    ------
    StationError
        If it cannot be read, is no record, or adds nothing.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise StationError(f"cannot be read: {reason}", file=str(path)) from None
    document, source = parse_toml(text.replace("\r\n", "\n"), str(path))
    if "calibration" not in document or "site" not in document:
        raise StationError(
            "this is no record that adds to a delay ledger",
            file=str(path),
            remedy="`qlab calibrate counter-skew` and `two-way` write such records",
        )
    return read_dataclass(source, ("site",), document["site"], SiteRecord)


def records(station: StationFile, key: tuple[Any, ...], names: Sequence[str]) -> list[SiteRecord]:
    """Read the records that stand at `key` of a station file, beside which they are."""
    folder = Path(station.source.name).parent
    found = []
    for number, name in enumerate(names):
        try:
            found.append(read_record(folder / name))
        except StationError as error:
            raise station.source.error((*key, number), str(error)) from None
    return found


def with_records(station: StationFile, number: int, site: SiteOptions) -> SiteOptions:
    """Return a site with its records taken in, and named no more.

    Raises
    ------
    StationError
        If a record cannot be read, or says what is said already.
    """
    key = ("clock", "sites", number, "ledger")
    for record in records(station, key, site.ledger):
        if record.asymmetry_date:
            if site.asymmetry_date:
                raise station.source.error(key, "the asymmetry is given twice")
            site = dataclasses.replace(
                site,
                asymmetry_s=record.asymmetry_s,
                asymmetry_uncertainty_s=record.asymmetry_uncertainty_s,
                asymmetry_date=record.asymmetry_date,
            )
        site = dataclasses.replace(site, delays=site.delays + record.delays)
    try:
        for signal in ("pulse", "sine"):
            site.correction(signal)
    except ParameterError as error:
        raise station.source.error(key[:-1], str(error)) from None
    return dataclasses.replace(site, ledger=())
