"""Giving a new file its name only when it is fit to be read, and never over another."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from .errors import RunFileExistsError

__all__ = ["Draft", "claim", "discard", "new_draft", "publish", "refuse_existing"]


@dataclass(frozen=True)
class Draft:
    """A file that is being prepared.

    Parameters
    ----------
    file : Path
        The file.
    folder : Path or None
        The directory that was made for it alone, if there is one.
    """

    file: Path
    folder: Path | None


def refuse_existing(path: Path) -> None:
    """Raise RunFileExistsError if there is anything at `path`, be it a dangling link."""
    if os.path.lexists(path):
        raise RunFileExistsError(
            "the file exists already and is not overwritten",
            path=path,
            remedy="give another name or move the file away",
        )


def claim(path: Path, *, private: bool) -> None:
    """Create `path` empty, for the owner alone if `private`; it must not exist."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666)
    except FileExistsError:
        refuse_existing(path)
        raise
    os.close(handle)


def new_draft(path: Path, *, private: bool) -> Draft:
    """Create the empty file in which `path` is prepared, on the same file system.

    A private draft lies in a directory of the owner's own: where a file's mode
    does not say who may read it (Windows), it takes after the directory, and
    keeps that under its final name.
    """
    place = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    if private:
        place.mkdir(mode=0o700)
    draft = Draft(place / path.name, place) if private else Draft(place, None)
    claim(draft.file, private=private)
    return draft


def publish(draft: Draft, path: Path) -> bool:
    """Give the file of `draft` the name `path` as well, in one step.

    Returns
    -------
    bool
        False if this file system has no hard links.

    Raises
    ------
    RunFileExistsError
        If there is a file of that name.
    """
    try:
        os.link(draft.file, path)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError:
        return False
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True


def discard(draft: Draft) -> bool:
    """Remove a draft's name; False if the system forbids it while the file is open."""
    try:
        draft.file.unlink(missing_ok=True)
        if draft.folder is not None:
            draft.folder.rmdir()
    except PermissionError:
        return False
    return True
