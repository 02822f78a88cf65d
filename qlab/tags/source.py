"""A file of time tags, open for reading."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from protocols.errors import FormatError
from protocols.timetags.decoding.decoder import Decoder
from protocols.timetags.tags import Tags
from qlab.errors import ExitCode, QlabError

__all__ = ["CHUNK_BYTES", "UNPACKING", "DamagedTagsError", "DecodedSource", "TagSource", "opened"]

#: So much of a file is taken at once: memory is bounded by it.
CHUNK_BYTES = 1 << 22
#: What gzip raises of a damaged file.
UNPACKING = (EOFError, zlib.error, gzip.BadGzipFile)


class DamagedTagsError(QlabError):
    """A file of time tags is damaged, or of another format."""

    exit_code = ExitCode.DAMAGED


class TagSource(Protocol):
    """A file of time tags.

    Attributes
    ----------
    path : Path
    format : str
        Short name of its format.
    notes : list of str
        What a person should know about it; complete after reading.
    """

    path: Path
    format: str
    notes: list[str]

    @property
    def tick_s(self) -> Fraction:
        """Length of a tick in seconds."""

    @property
    def records(self) -> int:
        """Records read so far, with those that are no events."""

    @property
    def leftover(self) -> int:
        """Bytes of an unfinished record at the end."""

    def chunks(self) -> Iterator[Tags]:
        """Give the tags as they stand in the file, once, in pieces of bounded size.

        Raises
        ------
        DamagedTagsError
            The file is not what it seemed.
        """

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""


def opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a file for reading, through gzip if that is what it is."""
    file = path.open("rb")
    try:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
    except BaseException:
        file.close()
        raise
    if not packed:
        return file
    file.close()
    return gzip.open(path, "rb")


class DecodedSource:
    """A file whose bytes a decoder understands; see `TagSource`.

    Parameters
    ----------
    path : Path
    format_name : str
    decoder : Decoder
    """

    def __init__(self, path: Path, format_name: str, decoder: Decoder) -> None:
        self.path = path
        self.format = format_name
        self.notes: list[str] = []
        self._decoder = decoder
        self._file = opened(path)

    @property
    def tick_s(self) -> Fraction:
        """Length of a tick in seconds."""
        return self._decoder.tick_s

    @property
    def records(self) -> int:
        """Records read so far."""
        return self._decoder.records

    @property
    def leftover(self) -> int:
        """Bytes of an unfinished record at the end."""
        return self._decoder.leftover

    def chunks(self) -> Iterator[Tags]:
        """Give the tags as they stand in the file; see `TagSource`."""
        try:
            while data := self._file.read(CHUNK_BYTES):
                yield self._decoder.decode(data)
            yield self._decoder.finish()
        except FormatError as error:
            raise DamagedTagsError(
                f"{self.path}: read as {self.format}: {error}",
                remedy="name its format with --format, or take another copy",
            ) from None
        except UNPACKING as error:
            raise DamagedTagsError(
                f"{self.path}: it cannot be unpacked: {error}", remedy="take another copy"
            ) from None
        except OSError as error:
            raise QlabError(f"{self.path}: cannot be read: {error}") from None
        if self.leftover:
            self.notes.append(f"{self.leftover} bytes of an unfinished record at the end left out")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
