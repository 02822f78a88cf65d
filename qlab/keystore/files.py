"""Files for their owner alone, which a crash leaves either old or new, never in between."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from qlab.errors import QlabError, UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = [
    "erase",
    "is_draft",
    "locked",
    "prepare_folder",
    "publish",
    "replace",
    "stage",
    "sync_folder",
    "write_new",
]

_DRAFT = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_PIECE = 1 << 20
_POLL_S = 0.05


def prepare_folder(folder: Path) -> None:
    """Make a folder that only its owner can read, and see that it is one and takes files.

    Raises
    ------
    UsageError
        If there is something else of that name.
    QlabError
        If it cannot be made or written, or others can read it.
    """
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is no folder, so keys cannot be stored in it",
                remedy="set QLAB_KEYS to a folder of its own for keys",
            )
        if os.name == "posix":
            _refuse_readers(folder)
        probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
        os.close(_create(probe))
        probe.unlink()
    except OSError as error:
        raise unwritable(folder, error) from None


def _refuse_readers(folder: Path) -> None:
    """Raise QlabError if others than the owner can look into `folder`."""
    if not folder.stat().st_mode & 0o077:
        return
    remedy = "choose a folder of its own for keys"
    if all(path.suffix in (".key", ".json", "") for path in folder.iterdir()):
        remedy = f"chmod 700 {folder}, or choose another folder"
    raise QlabError(f"others can read the key store {folder}", remedy=remedy)


def unwritable(folder: Path, error: OSError) -> QlabError:
    """Return the error that says that `folder` takes no files, and what to do."""
    return QlabError(
        f"keys cannot be stored in {folder}: {error.strerror or error}",
        remedy="set QLAB_KEYS to a folder that you can write to",
    )


@contextmanager
def locked(path: Path, *, patience_s: float = 30.0, busy: str = "") -> Iterator[None]:
    """Hold the lock file `path` against other processes, which the system frees with ours.

    Parameters
    ----------
    path : Path
        Made if it is not there; it stays.
    patience_s : float
        How long to wait for another process.
    busy : str
        What to say if it takes longer.

    Raises
    ------
    QlabError
        If another process holds it for too long.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + patience_s
        while not _try_lock(descriptor):
            if time.monotonic() >= end:
                raise QlabError(
                    busy or f"another process holds {path}", remedy="wait until it has ended"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)  # which unlocks


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
    except OSError:
        return False
    return True


def stage(path: Path, data: bytes) -> Path:
    """Write `data` beside `path` under a draft's name, down to the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(_create(draft), "wb") as file:
            _write_down(file, data)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    return draft


def publish(draft: Path, path: Path) -> None:
    """Give a draft its final name.

    Raises
    ------
    FileExistsError
        If there is a file of that name.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with os.fdopen(_create(path), "wb") as file:
            _write_down(file, draft.read_bytes())
    sync_folder(path.parent)
    draft.unlink()
    sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist; it is complete as soon as it has its name.

    Raises
    ------
    FileExistsError
        If there is one.
    """
    draft = stage(path, data)
    try:
        publish(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink()


def replace(path: Path, data: bytes) -> None:
    """Put `data` in place of a file in one step; on return it is on the disk."""
    draft = stage(path, data)
    draft.replace(path)
    sync_folder(path.parent)


def erase(path: Path) -> None:
    """Overwrite a file and remove it; of a file that is not there nothing is left to do.

    Overwriting is a best effort: file systems that copy on write, journals and the
    flash translation of a disk may keep what was there.
    """
    with suppress(FileNotFoundError):
        with path.open("r+b") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0:
                left -= file.write(bytes(min(left, _PIECE)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)


def is_draft(path: Path) -> bool:
    """Whether a file is a draft that `stage` made."""
    return _DRAFT.fullmatch(path.name) is not None


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk; Windows does so by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(path: Path) -> int:
    """Create a file that must not exist, readable by its owner only from its first moment."""
    binary = getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o600)
    if os.name == "posix":
        os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
    return descriptor


def _write_down(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
