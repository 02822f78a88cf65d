"""The file with a pair's first secret that is carried by hand to the other side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qlab.errors import ExitCode, QlabError, UsageError
from qlab.keystore import files

__all__ = ["DIRECTIONS", "Carried", "read_carried", "write_carried"]

#: As the messages of a distillation are told apart; see `protocols.bb84.distil`.
DIRECTIONS = ("alice-to-bob", "bob-to-alice")
_MAGIC = b"qlab pair 2\n"
_DIGEST_BYTES = 32
_MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class Carried:
    """What the other side gets.

    Attributes
    ----------
    name : str
        The maker's name for the pair.
    pair_id : str
    side : {'alice', 'bob'}
        Who the reader of the file is.
    created : str
    content : dict
        Per direction the hash key, the calling key and the pads.
    """

    name: str
    pair_id: str
    side: str
    created: str
    content: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"<carried pair {self.name!r}>"


class DamagedPairError(QlabError):
    """The carried file is not what was written."""

    exit_code = ExitCode.DAMAGED


def write_carried(path: Path, carried: Carried) -> None:
    """Write the file for its owner alone, with a digest at its end.

    Raises
    ------
    UsageError
        If it exists.
    QlabError
        If it cannot be written.
    """
    import msgspec

    data = _MAGIC + msgspec.msgpack.encode(carried)
    try:
        files.write_new(path, data + hashlib.sha256(data).digest())
    except FileExistsError:
        raise UsageError(f"{path} exists", remedy="choose another name with -o") from None
    except OSError as error:
        raise QlabError(f"{path} cannot be written: {error.strerror}") from None


def read_carried(path: Path) -> Carried:
    """Read such a file.

    Raises
    ------
    UsageError
        If it is not there, or something else.
    DamagedPairError
        If it is damaged.
    """
    import msgspec

    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not data.startswith(_MAGIC):
        raise UsageError(f"{path} is no file of `qlab key pair init`")
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise DamagedPairError(f"{path} is damaged", remedy="carry it over once more")
    try:
        found = msgspec.msgpack.decode(body[len(_MAGIC) :], type=Carried)
    except msgspec.DecodeError:
        raise DamagedPairError(f"{path} is of another version") from None
    sizes = {len(data) for data in found.content.values()}
    whole = found.content.keys() == set(DIRECTIONS) and len(sizes) == 1 and min(sizes) > 32
    if found.side not in ("alice", "bob") or not whole:
        raise DamagedPairError(f"{path} contradicts itself")
    return found
