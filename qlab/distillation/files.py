"""Sifted keys from elsewhere: files of bits that nobody vouches for.

``bits`` is text of the digits 0 and 1, line ends allowed anywhere; ``packed`` is eight bits a
byte, the most significant first. A file is read in pieces into packed bits, so that memory
holds an eighth of a byte for each bit and no more, whatever the file says.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import numpy as np
import numpy.typing as npt

from protocols.secret import SecretBits
from qlab.errors import QlabError, UsageError

__all__ = ["MOST_BITS", "Format", "SiftedFileError", "read_sifted"]

Format = Literal["bits", "packed"]
"""How a file holds its bits."""

MOST_BITS = 1 << 28
"""Bits of the longest block; beyond, a lab computer runs out of memory."""

_PIECE = 1 << 22
_ZERO, _ONE, _LINE_FEED, _RETURN = b"01\n\r"


class SiftedFileError(UsageError):
    """A file does not hold a sifted key."""


def read_sifted(path: Path, file_format: Format = "bits") -> SecretBits:
    """Read one party's sifted key.

    Parameters
    ----------
    path : Path
        A regular file.
    file_format : {'bits', 'packed'}

    Raises
    ------
    SiftedFileError
        It is not a regular file, empty, too long, or holds something else than bits.
    QlabError
        It cannot be read.
    """
    if file_format not in get_args(Format):
        raise UsageError(f"there is no format {file_format!r}", remedy="bits or packed")
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        with os.fdopen(descriptor, "rb") as file:  # a pipe without a writer must not hang
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SiftedFileError(
                    f"{path} is not a regular file", remedy="write the bits into a file first"
                )
            return _read_text(file, path) if file_format == "bits" else _read_packed(file, path)
    except IsADirectoryError:
        raise SiftedFileError(f"{path} is a folder", remedy="name a file of bits") from None
    except FileNotFoundError:
        raise SiftedFileError(f"there is no file {path}", remedy="check the path") from None
    except OSError as error:
        raise QlabError(f"{path} cannot be read: {error.strerror}") from None


_BINARY = getattr(os, "O_BINARY", 0)


def _read_packed(file: BinaryIO, path: Path) -> SecretBits:
    data = file.read(MOST_BITS // 8 + 1)
    if len(data) > MOST_BITS // 8:
        raise _too_long(path)
    if not data:
        raise _empty(path)
    return SecretBits(data, 8 * len(data))


def _read_text(file: BinaryIO, path: Path) -> SecretBits:
    packed: list[bytes] = []
    rest: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
    count = at = 0
    while piece := file.read(_PIECE):
        signs = np.frombuffer(piece, np.uint8)
        digits = signs[(signs != _LINE_FEED) & (signs != _RETURN)]
        if ((digits | 1) != _ONE).any():
            raise _foreign(signs, at, path)
        at += len(piece)
        count += digits.size
        if count > MOST_BITS or at > 2 * MOST_BITS:
            raise _too_long(path)
        bits = np.concatenate((rest, digits & 1))
        whole = bits.size & ~7
        packed.append(np.packbits(bits[:whole]).tobytes())
        rest = bits[whole:]
    packed.append(np.packbits(rest).tobytes())
    if not count:
        raise _empty(path)
    return SecretBits(b"".join(packed), count)


def _foreign(signs: npt.NDArray[np.uint8], at: int, path: Path) -> SiftedFileError:
    known = ((signs | 1) == _ONE) | (signs == _LINE_FEED) | (signs == _RETURN)
    place = at + int(np.argmin(known))
    return SiftedFileError(
        f"{path}: byte {place} is neither 0 nor 1 nor a line end",
        remedy="--format packed reads eight bits a byte",
    )


def _empty(path: Path) -> SiftedFileError:
    return SiftedFileError(f"{path} holds no bit", remedy="name a file of sifted bits")


def _too_long(path: Path) -> SiftedFileError:
    return SiftedFileError(
        f"{path} holds more than {MOST_BITS} bits",
        remedy="cut both files at the same places and distil each part as a block of its own",
    )
