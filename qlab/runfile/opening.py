"""Opening the HDF5 file behind a user block for reading, and checking that it is ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from .errors import DamagedFileError, ForeignFileError, NewerSchemaError
from .schema import COMMITS, FORMAT, HEAP, MAJOR, MINOR, ROWS, SOURCES, STATUS

__all__ = ["damaged", "open_hdf5"]

_NEEDED = {
    "main": (COMMITS, STATUS, ROWS, HEAP, SOURCES),
    "companion": (COMMITS, STATUS, HEAP),
}


def damaged(path: Path, problem: object) -> DamagedFileError:
    """Return the error for a file whose parts do not fit together."""
    first_line = (str(problem).splitlines() or ["no reason given"])[0]
    return DamagedFileError(first_line, path=path, remedy="take another copy of the file")


def open_hdf5(path: Path, role: str, *, sealed: bool) -> h5py.File:
    """Open a run file (`role` ``main``) or its companion (``companion``).

    The seal must have been checked, or a child process have read the file before.

    Raises
    ------
    DamagedFileError
        If HDF5 cannot open it, or parts are missing.
    ForeignFileError
        If it is not of this format, or has the other role.
    NewerSchemaError
        If its schema is of a later major version.
    """
    try:
        file = _open(path, sealed=sealed)
    except (OSError, RuntimeError) as error:
        raise damaged(path, f"HDF5 cannot open it: {error}") from error
    try:
        _check_kind(file, path, role)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        file.close()
        raise damaged(path, f"its declarations cannot be read: {error}") from error
    except BaseException:
        file.close()
        raise
    return file


def _open(path: Path, *, sealed: bool) -> h5py.File:
    if not sealed:
        try:
            # A file that its writer left open still carries the writer's mark.
            return h5py.File(path, "r", swmr=True, libver=("v110", "v110"), locking=False)
        except OSError:
            pass  # killed between clearing the mark and sealing: an ordinary file
    return h5py.File(path, "r", locking=False)


def _check_kind(file: h5py.File, path: Path, role: str) -> None:
    attributes: Any = file.attrs
    if attributes.get("format") != FORMAT:
        raise ForeignFileError(
            "an HDF5 file of another program",
            path=path,
            remedy="give a file that `qlab run` wrote",
        )
    major, minor = int(attributes["schema_major"]), int(attributes["schema_minor"])
    if major > MAJOR:
        raise NewerSchemaError(
            f"its schema is {major}.{minor}, this qlab reads {MAJOR}.{MINOR}",
            path=path,
            remedy="update qlab",
        )
    if attributes["role"] != role:
        raise ForeignFileError(
            f"it is a {attributes['role']} file, not a {role} file",
            path=path,
            remedy="give the run file itself; its companion is found beside it",
        )
    missing = [name for name in _NEEDED[role] if name not in file]
    if missing:
        raise KeyError(f"no {', '.join(missing)}")
