"""Streams of single channels, from one file or two, in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from protocols.timetags.correlation.kernels import split
from protocols.timetags.tags import Tags
from qlab.errors import QlabError

__all__ = ["Channel", "Pair", "ahead", "in_step", "rescaled", "watched", "within"]

Ticks = npt.NDArray[np.int64]
_T = TypeVar("_T")
_MOST_NAMED = 20


@dataclass(frozen=True)
class Pair:
    """What two streams hold of a stretch of time.

    Attributes
    ----------
    starts, stops : int64 array
        Ticks in order.
    begin, end : int
        First and last tick of the stretch. The next one may begin at the tick at which this one
        ends, but no sooner.
    """

    starts: Ticks
    stops: Ticks
    begin: int
    end: int


def within(chunks: Iterator[Tags], start: int, stop: int) -> Iterator[Pair]:
    """Give two channels of one file, or one channel twice, for each chunk of sorted tags."""
    begin: int | None = None
    for tags in chunks:
        if not len(tags):
            continue
        if begin is None:
            begin = int(tags.ticks[0])
        end = int(tags.ticks[-1])
        starts, stops = np.empty((2, len(tags) + 1), np.int64)
        n, m = split(tags.ticks, tags.channels, start, stop, starts, stops)
        yield Pair(starts[:n], starts[:n] if start == stop else stops[:m], begin, end)
        begin = end


@dataclass
class Channel:
    """One channel of a file of its own, read as it is needed.

    Attributes
    ----------
    chunks : iterator of Tags
        Sorted.
    channel : int
    convert : callable, optional
        Brings ticks to the time and the tick of the other file, keeping their order.
    begin, end : int or None
        First and last tick read so far, of any channel; None if there is none.
    kept : int64 array
        Tags read and not yet taken.
    """

    chunks: Iterator[Tags]
    channel: int
    convert: Callable[[Ticks], Ticks] | None = None
    begin: int | None = None
    end: int | None = None
    kept: Ticks = field(default_factory=lambda: np.empty(0, np.int64))

    def read(self) -> bool:
        """Read on; return whether there was anything."""
        for tags in self.chunks:
            if not len(tags):
                continue
            ends = tags.ticks[[0, -1]]
            ticks = tags.ticks[tags.channels == self.channel]
            if self.convert is not None:
                ends, ticks = self.convert(ends), self.convert(ticks)
            first, last = int(ends[0]), int(ends[1])
            if self.end is not None:  # a model's pieces may meet a tick apart
                ticks = np.maximum(ticks, self.end)
                last = max(last, self.end)
            self.begin = first if self.begin is None else self.begin
            self.end = last
            self.kept = np.concatenate([self.kept, ticks]) if self.kept.size else ticks
            return True
        return False

    def take(self, below: int) -> Ticks:
        """Take the tags before a tick."""
        n = int(np.searchsorted(self.kept, below))
        taken, self.kept = self.kept[:n], self.kept[n:]
        return taken


def in_step(a: Channel, b: Channel) -> Iterator[Pair]:
    """Give two channels of two files over the time that both files span.

    Of the files the one that is behind is read on, so of each no more than a chunk is held,
    whatever their rates and gaps.
    """
    if not (a.read() and b.read()) or a.begin is None or b.begin is None:
        return
    begin = max(a.begin, b.begin)
    while a.end is not None and b.end is not None:
        end = min(a.end, b.end)
        a.take(begin), b.take(begin)  # from before both were there
        if end >= begin:
            yield Pair(a.take(end), b.take(end), begin, end)
            begin = end
        behind = a if a.end == end else b
        if not behind.read():
            if end >= begin:
                yield Pair(a.take(end + 1), b.take(end + 1), end, end)
            return


def watched(
    chunks: Iterator[Tags],
    wanted: set[int],
    name: str,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Tags]:
    """Pass chunks on, and fail at the end if a wanted channel had no tags.

    Parameters
    ----------
    chunks : iterator of Tags
    wanted : set of int
        Channels.
    name : str
        Of the file.
    say : callable
        Takes a line that says how far it is.

    Raises
    ------
    QlabError
        It names the channels that have.
    """
    seen: set[int] = set()
    total = 0
    for tags in chunks:
        if not wanted <= seen:
            seen.update(np.unique(tags.channels).tolist())
        yield tags
        total += len(tags)
        say(f"{name}: {total:,} tags")
    missing = sorted(wanted - seen)
    if not missing:
        return
    if not seen:
        raise QlabError(f"there are no tags in {name}")
    there = ", ".join(str(channel) for channel in sorted(seen)[:_MOST_NAMED])
    more = f" and {len(seen) - _MOST_NAMED} more" if len(seen) > _MOST_NAMED else ""
    raise QlabError(
        f"{name} has no tags on channel {missing[0]}", remedy=f"it has on {there}{more}"
    )


def rescaled(ticks: Ticks, ratio: Fraction) -> Ticks:
    """Return ticks times a ratio, to the nearest whole number, exactly.

    Raises
    ------
    QlabError
        The result would leave 64 bits.
    """
    if ratio == 1:
        return ticks
    longest = max(abs(int(ticks.min())), abs(int(ticks.max()))) if ticks.size else 0
    if longest * ratio >= 1 << 62 or ratio.denominator >= 1 << 31:
        raise QlabError("the ticks of the two files are too different to bring together")
    whole, rest = np.divmod(ticks, ratio.denominator)
    half = 2 * rest * ratio.numerator + ratio.denominator
    scaled: Ticks = whole * ratio.numerator + half // (2 * ratio.denominator)
    return scaled


def ahead(pieces: Iterator[_T]) -> Iterator[_T]:
    """Pass pieces on, and get the next one meanwhile in a thread."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = pool.submit(next, pieces, None)
            yield piece
