"""The record of a calibration as a file, which a delay ledger can take in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qlab.errors import UsageError
from qlab.station.toml import toml_text

__all__ = ["record_text", "write_record"]

#: Results that belong to the run and not to what was found.
_OF_THE_RUN = ("run_file", "record", "utc_warning", "safe_state", "close_error")


def record_text(results: Mapping[str, Any], run_file: Path) -> str:
    """Return a calibration's results as TOML; what is not known is left out."""
    kept = {key: value for key, value in results.items() if key not in _OF_THE_RUN}
    site = kept.pop("site", None)
    document = {**kept, "run_file": run_file.name}
    if site is not None:
        document["site"] = site
    return toml_text(_known(document))


def write_record(results: Mapping[str, Any], run_file: Path, record: Path) -> None:
    """Write the record of a complete run; never over another.

    Raises
    ------
    UsageError
        If the file exists.
    """
    try:
        with record.open("x", encoding="utf-8", newline="\n") as out:
            out.write(record_text(results, run_file))
    except FileExistsError:
        raise UsageError(f"{record} exists", remedy="choose another name") from None


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_known(inner) for inner in value]
    return value
