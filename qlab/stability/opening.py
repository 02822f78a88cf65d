"""Opening a file of readings, of whatever sort it is."""

from __future__ import annotations

from pathlib import Path

from qlab.errors import UsageError
from qlab.stability.readings import Readings, Wanted
from qlab.stability.runs import is_run_file, run_readings
from qlab.stability.text import text_readings
from qlab.stability.ticc import is_ticc, ticc_readings

__all__ = ["open_readings"]


def open_readings(path: Path, wanted: Wanted | None = None) -> Readings:
    """Open a file of phase or frequency readings.

    Text in columns or lists, plain or gzip; files of Stable32; logs of a TAPR TICC; and
    our own run files are told apart by what is in them.

    Parameters
    ----------
    path : Path
        The file.
    wanted : Wanted, optional
        What the user says about it.

    Raises
    ------
    UsageError
        The file cannot be read, is wrong, or contradicts what is wanted; the message
        names the line.
    RunFileError
        A run file cannot be believed or read.
    """
    wanted = wanted or Wanted()
    if not path.is_file():
        what = "not a file" if path.exists() else "no such file"
        raise UsageError(f"{path}: {what}", remedy="name a file of readings")
    try:
        readings = _opened(path, wanted)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if wanted.estimator is not None:
        readings.estimator = wanted.estimator
    if wanted.nominal_hz is not None:
        if readings.quantity == "phase":
            raise UsageError(
                "a nominal frequency is for readings of frequency",
                remedy="add --input frequency, or leave out --nominal",
            )
        nominal = wanted.nominal_hz
        readings.parts = ((part - nominal) / nominal for part in readings.parts)
    return readings


def _opened(path: Path, wanted: Wanted) -> Readings:
    if is_run_file(path):
        return run_readings(path, wanted)
    if wanted.dataset is not None:
        raise UsageError(f"{path}: not a run file", remedy="leave out --dataset")
    if is_ticc(path):
        return ticc_readings(path, wanted)
    return text_readings(path, wanted)
