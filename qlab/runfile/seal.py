"""The 512 bytes before the HDF5 file: the mark of an open file, or the seal of a closed one.

The block is either exactly `UNSEALED` or a seal: the length of the file and the
SHA-256 of everything behind the block. Its own last 32 bytes are the SHA-256 of
the 480 before them, so a change of any bit of the file, of its length or of the
block shows, and shows before HDF5 has looked at a byte. A seal detects change,
not forgery: whoever can write the file can write the block.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from struct import Struct

from .errors import DamagedFileError, ForeignFileError, NewerSchemaError, RunFileNotFoundError

__all__ = ["BLOCK_SIZE", "UNSEALED", "Seal", "check_seal", "encode", "seal"]

BLOCK_SIZE = 512
_MAGIC = b"\x89qlab run file\r\n"
_VERSION = 1
_OPEN, _SEALED = 0, 1
_HEAD = Struct("<16sHHIQ32s")  # magic, version, state, zero, file length, SHA-256
_NOTE = b"HDF5 begins at byte 512. Files of this kind are written once and never changed.\n"
_FILL = (_NOTE * 8)[: BLOCK_SIZE - 32 - _HEAD.size]


@dataclass(frozen=True)
class Seal:
    """What a seal says.

    Parameters
    ----------
    length : int
        Length of the whole file in bytes, the block included.
    digest : bytes
        SHA-256 of everything behind the block.
    """

    length: int
    digest: bytes


def encode(seal: Seal | None) -> bytes:
    """Return the block that carries `seal`, or for None the mark of an open file."""
    state, length, digest = (
        (_OPEN, 0, bytes(32)) if seal is None else (_SEALED, seal.length, seal.digest)
    )
    body = _HEAD.pack(_MAGIC, _VERSION, state, 0, length, digest) + _FILL
    return body + hashlib.sha256(body).digest()


UNSEALED = encode(None)


def seal(path: Path) -> Seal:
    """Seal the finished file at `path` and return the seal; the write is fsynced."""
    with path.open("r+b") as file:
        file.seek(BLOCK_SIZE)
        digest = hashlib.file_digest(file, "sha256").digest()
        made = Seal(file.seek(0, os.SEEK_END), digest)
        file.seek(0)
        file.write(encode(made))
        file.flush()
        os.fsync(file.fileno())
    return made


def check_seal(path: Path) -> Seal | None:
    """Check the file at `path` against its seal, without HDF5.

    Returns
    -------
    Seal or None
        None when the file is not closed yet, or never was.

    Raises
    ------
    DamagedFileError
        If the file and its seal differ, or the block is neither.
    ForeignFileError
        If this never was a run file.
    NewerSchemaError
        If the block is of a later version.
    RunFileNotFoundError
        If there is no file.
    """
    if path.is_dir():
        raise RunFileNotFoundError("this is a folder", path=path, remedy="name a run file in it")
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise RunFileNotFoundError(
            "there is no such file", path=path, remedy="check the name"
        ) from error
    with file:
        said = _decode(file.read(BLOCK_SIZE), path)
        if said is not None:
            _compare(said, file, path)
    return said


def _decode(block: bytes, path: Path) -> Seal | None:
    if block == UNSEALED:
        return None
    body, check = block[:-32], block[-32:]
    if len(block) < BLOCK_SIZE or hashlib.sha256(body).digest() != check:
        raise _not_ours(block, path)
    magic, version, state, _, length, digest = _HEAD.unpack_from(body)
    if magic == _MAGIC and version > _VERSION:
        raise NewerSchemaError(
            f"its seal is of version {version}, this qlab knows {_VERSION}",
            path=path,
            remedy="update qlab",
        )
    said = Seal(length, digest)
    if state != _SEALED or encode(said) != block:
        raise _not_ours(block, path)
    return said


def _compare(said: Seal, file: BufferedReader, path: Path) -> None:
    size = os.fstat(file.fileno()).st_size
    remedy = "take another copy of the file; this one is not what the run wrote"
    if size != said.length:
        change = "truncated" if size < said.length else "appended to"
        raise DamagedFileError(
            f"the file was {change}: {size} bytes, sealed with {said.length}",
            path=path,
            remedy=remedy,
        )
    if hashlib.file_digest(file, "sha256").digest() != said.digest:
        raise DamagedFileError("the bytes do not match the seal", path=path, remedy=remedy)


def _not_ours(block: bytes, path: Path) -> DamagedFileError | ForeignFileError:
    """Tell a damaged block of ours from a file that never was one, by what agrees."""
    agree = sum(a == b for a, b in zip(block, UNSEALED, strict=False))
    if 2 * agree >= len(block) or block.startswith(_MAGIC):
        return DamagedFileError(
            "the file is empty" if not block else "its first 512 bytes were changed",
            path=path,
            remedy="take another copy of the file",
        )
    kind = "an HDF5 file of another program" if block.startswith(b"\x89HDF") else "no HDF5 file"
    return ForeignFileError(
        f"not a run file: {kind}", path=path, remedy="give a file that `qlab run` wrote"
    )
