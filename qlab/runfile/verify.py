"""Whether a file says what its writer said, and how much of it can be believed."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlab.confined import confined_command, confined_environment

from . import errors
from .opening import damaged
from .seal import Seal, check_seal

__all__ = ["Trust", "examine_in_child", "trust"]

_SECONDS = 30
_STALL_SECONDS = 10
_BYTES_PER_SECOND = 2 << 20  # far below what decompression takes


@dataclass(frozen=True)
class Trust:
    """What of a file may be believed.

    Parameters
    ----------
    seal : Seal or None
        The seal, checked; None for a file that was not closed.
    commits : int or None
        How many commits hold, of an unsealed file; None: all.
    digest : bytes
        Digest of the last of them, of an unsealed file.
    problem : str
        Why commits after these do not hold; empty if all do.
    """

    seal: Seal | None
    commits: int | None = None
    digest: bytes = b""
    problem: str = ""


def trust(path: Path, role: str = "main") -> Trust:
    """Check a file before anything of it is read in this process.

    Raises
    ------
    RunFileError
        If nothing of it can be believed; see `seal.check_seal` and `examine_in_child`.
    """
    found = check_seal(path)
    if found is not None:
        return Trust(found)
    said = examine_in_child(path, role)
    found = check_seal(path)
    if found is not None:
        return Trust(found)  # it was closed meanwhile
    if said["commits"] < 1:
        raise damaged(path, said["problem"] or "it holds no commit")
    return Trust(None, said["commits"], bytes.fromhex(said["digest"]), said["problem"])


def examine_in_child(path: Path, role: str, *, seconds: int | None = None) -> dict[str, Any]:
    """Follow the commits of an unsealed file in a process of its own.

    Parameters
    ----------
    path : Path
        The file.
    role : str
        ``main`` or ``companion``.
    seconds : int, optional
        Time limit; 30 s and a second for each 2 MB if not given. Where the system
        has alarms, 10 s without any progress end it too.

    Returns
    -------
    dict
        ``commits`` that hold, ``rows`` there are, ``digest`` (hex), ``problem``.

    Raises
    ------
    DamagedFileError
        If HDF5 cannot read it, crashes on it, or does not come to an end.
    ForeignFileError, NewerSchemaError
        As when it is opened.
    """
    path = Path(path).absolute()
    limit = seconds or _SECONDS + path.stat().st_size // _BYTES_PER_SECOND
    stall = str(_STALL_SECONDS)
    command = confined_command("qlab.runfile.child", role, str(path), str(limit), stall)
    try:
        run = subprocess.run(  # noqa: S603 - this interpreter, our module; the path is an argument
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=limit,
            env=confined_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise damaged(path, "reading it does not come to an end") from error
    if run.returncode == -getattr(signal, "SIGALRM", 0) != 0:
        raise damaged(path, "reading it does not come to an end")
    try:
        said = json.loads(run.stdout)
    except ValueError as error:
        last = run.stderr.decode(errors="replace").strip().splitlines()[-1:]
        reason = f"exit {run.returncode}" + (f", {last[0]}" if last else "")
        raise damaged(path, f"HDF5 fails on reading it ({reason})") from error
    if "error" in said:
        kind = getattr(errors, said["error"])
        raise kind(said["message"], path=path, remedy=said["remedy"])
    if not isinstance(said, dict):
        raise damaged(path, "HDF5 fails on reading it")
    return said
