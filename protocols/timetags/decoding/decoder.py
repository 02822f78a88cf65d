"""What every decoder of time tags offers, and what those of fixed records share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import FormatError
from protocols.timetags.tags import Tags

__all__ = ["Bytes", "Decoder", "RecordDecoder", "kernel"]

Bytes = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
_F = TypeVar("_F", bound=Callable[..., object])


def kernel(function: _F) -> _F:
    """Compile a loop once per machine, to run without the interpreter's lock."""
    return cast(_F, njit(cache=True, nogil=True)(function))


class Decoder(Protocol):
    """Takes the bytes of a stream in order, cut anywhere, and gives the tags in them."""

    @property
    def tick_s(self) -> Fraction:
        """Length of a tick in seconds."""

    @property
    def records(self) -> int:
        """Whole records seen so far, with those that are no events."""

    @property
    def leftover(self) -> int:
        """Bytes of a record that has not been completed."""

    def decode(self, data: Bytes) -> Tags:
        """Return the tags that the next bytes complete.

        Raises
        ------
        FormatError
            The stream cannot be of this format.
        """

    def finish(self) -> Tags:
        """Return what has been held back, at the end of the stream."""


class RecordDecoder(ABC):
    """A decoder of records of one length; see `Decoder`.

    Parameters
    ----------
    size : int
        Bytes of a record.
    header : int
        Bytes before the first record, which are passed over.
    """

    tick_s: Fraction

    def __init__(self, size: int, header: int = 0) -> None:
        self._size = size
        self._to_skip = header
        self._rest = np.empty(0, np.uint8)
        self.records = 0

    @property
    def leftover(self) -> int:
        """Bytes of a record that has not been completed."""
        return self._rest.size

    def decode(self, data: Bytes) -> Tags:
        """Return the tags in the records that these bytes complete; see `Decoder`."""
        fresh = np.frombuffer(data, np.uint8)
        if self._to_skip:
            skipped = min(self._to_skip, fresh.size)
            self._to_skip -= skipped
            fresh = fresh[skipped:]
        if self._rest.size:
            fresh = np.concatenate([self._rest, fresh])
        count = fresh.size // self._size
        whole, self._rest = fresh[: count * self._size], fresh[count * self._size :].copy()
        self.records += count
        return self._tags(whole) if count else Tags.none()

    def finish(self) -> Tags:
        """Return nothing: whole records are given at once."""
        return Tags.none()

    @abstractmethod
    def _tags(self, whole: npt.NDArray[np.uint8]) -> Tags:
        """Return the tags in whole records."""


def too_long() -> FormatError:
    """Return the error for a stream whose time runs beyond 64 bits."""
    return FormatError("its times run beyond 64 bits: it is of another format, or damaged")
