"""Synchronising two stations' files: from their names to the clock model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from protocols.timetags.synchronisation.acquisition import Acquired, Bounds, acquire
from protocols.timetags.synchronisation.clock_model import ClockModel
from protocols.timetags.synchronisation.common_time import CommonTime, settle
from protocols.timetags.synchronisation.tracking import Tracker, refined
from protocols.timetags.synchronisation.zoom import Line
from protocols.timetags.tags import Tags
from qlab.errors import QlabError, UsageError
from qlab.tags.opening import open_tags, sorted_chunks
from qlab.tags.source import TagSource
from qlab.tags.streams import rescaled, watched

__all__ = ["GRAIN_S", "Synchronised", "synchronise", "synchronise_files"]

Ticks = npt.NDArray[np.int64]

GRAIN_S = Fraction(1, 8 * 10**12)
"""The unit in which both stations' tags are compared."""

#: Tags of each station that are held for the search.
_HELD = 4_000_000
_BUFFERS = 3
_NODES = 4096


@dataclass(frozen=True, eq=False)
class Synchronised:
    """Two stations' common time.

    Attributes
    ----------
    found : CommonTime
        In grains of `GRAIN_S`, from A's first tag.
    offset_s : Fraction
        t_B − t_A at A's first tag.
    log_false_alarm : float
        Natural logarithm of the false-alarm probability of the first find.
    origin : int
        A's first tag, in A's ticks.
    model : ClockModel
    identical : bool
        Whether both streams began with the same tags, tick for tick.
    """

    found: CommonTime
    offset_s: Fraction
    log_false_alarm: float
    origin: int
    model: ClockModel
    identical: bool


@dataclass
class _Stream:
    """One station's tags, read as they are needed, in grains since the first one."""

    chunks: Iterator[Tags]
    tick_s: Fraction
    channels: frozenset[int] | None
    origin: int | None = None
    kept: Ticks = field(default_factory=lambda: np.empty(0, np.int64))
    last: int = 0
    ended: bool = False

    def read(self) -> bool:
        """Read a piece more; return whether there was one."""
        for tags in self.chunks:
            ticks = tags.ticks
            if self.channels is not None:
                ticks = ticks[np.isin(tags.channels, list(self.channels))]
            if not ticks.size:
                continue
            if self.origin is None:
                self.origin = int(ticks[0])
            grains = rescaled(ticks - self.origin, self.tick_s / GRAIN_S)
            self.kept = np.concatenate([self.kept, grains]) if self.kept.size else grains
            self.last = int(grains[-1])
            return True
        self.ended = True
        return False

    def fill(self, wanted: int) -> None:
        """Read until so many tags are held, or all."""
        pieces, held = [self.kept], self.kept.size
        self.kept = self.kept[:0]
        while held < wanted and self.read():
            pieces.append(self.kept)
            held += self.kept.size
            self.kept = self.kept[:0]
        self.kept = np.concatenate(pieces)

    def take(self) -> Ticks:
        taken, self.kept = self.kept, np.empty(0, np.int64)
        return taken


def synchronise_files(
    file_a: Path,
    file_b: Path,
    channels_a: frozenset[int] | None,
    channels_b: frozenset[int] | None,
    max_offset_s: float,
    max_rate: float,
    format_name: str | None = None,
    *,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> tuple[Synchronised, list[str]]:
    """Find the common time of two files.

    Parameters
    ----------
    file_a, file_b : Path
    channels_a, channels_b : set of int or None
        Channels that take part; all if None.
    max_offset_s, max_rate : float
        Bounds of offset and frequency difference, to both sides.
    format_name : str, optional
        Of the files, if their content does not say.
    workers : int
        Threads.
    progress : callable, optional
        Takes a line for the user.

    Returns
    -------
    synchronised : Synchronised
    notes : list of str
        What is worth knowing of the files.

    Raises
    ------
    QlabError
        As `synchronise`, or what the reading of files raises.
    """
    with ExitStack() as files:
        a = files.enter_context(open_tags(file_a, format_name))
        b = files.enter_context(open_tags(file_b, format_name))
        found = synchronise(
            _chunks(a, channels_a, file_a.name),
            _chunks(b, channels_b, file_b.name),
            a.tick_s,
            b.tick_s,
            max_offset_s,
            max_rate,
            channels_a,
            channels_b,
            workers=workers,
            progress=progress,
        )
        notes = [*a.notes, *b.notes]
    if found.identical:
        notes.append("the two streams are the same, tick for tick: is one a copy of the other?")
    return found, notes


def _chunks(source: TagSource, channels: frozenset[int] | None, name: str) -> Iterator[Tags]:
    return watched(sorted_chunks(source), set(channels or ()), name)


def synchronise(
    chunks_a: Iterator[Tags],
    chunks_b: Iterator[Tags],
    tick_a: Fraction,
    tick_b: Fraction,
    max_offset_s: float,
    max_rate: float,
    channels_a: frozenset[int] | None = None,
    channels_b: frozenset[int] | None = None,
    *,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Synchronised:
    """Find the common time of two streams of tags, and follow it to their end.

    Offsets are searched around zero, as the clocks say, and, where the streams then have
    little in common, as if both had begun at the same time.

    Parameters
    ----------
    chunks_a, chunks_b : iterator of Tags
        Sorted.
    tick_a, tick_b : Fraction
        Seconds per tick.
    max_offset_s, max_rate : float
        Bounds of offset and frequency difference, to both sides.
    channels_a, channels_b : set of int or None
        Channels that take part; all if None.
    workers : int
        Threads; the result does not depend on them.
    progress : callable, optional
        Takes a line for the user.

    Raises
    ------
    UsageError
        A bound is not above zero.
    QlabError
        A stream is empty, nothing in common is found, or several offsets fit as well.
    """
    if not (0 < max_offset_s <= 1e5 and 0 < max_rate <= 0.01):
        raise UsageError(
            "the largest offset is above 0 and at most 1e5 s, the largest frequency difference "
            "above 0 and at most 1e4 ppm"
        )
    a, b = _Stream(chunks_a, tick_a, channels_a), _Stream(chunks_b, tick_b, channels_b)
    tick_s = float(GRAIN_S)
    acquired, identical = _acquired(a, b, max_offset_s, max_rate, workers, progress)
    least = float((tick_a**2 + tick_b**2) / (12 * GRAIN_S**2)) ** 0.5
    line, bell = refined(a.kept, b.kept, acquired.sight, least)
    tracker = Tracker(line, bell, acquired.sight.end - acquired.sight.begin, tick_s)
    tracker.back(a.kept, b.kept)
    _follow(tracker, line, a, b, progress)
    tracker.finish()
    if not tracker.readings:
        raise QlabError(
            "the streams have coincidences, but too few to follow their clocks",
            remedy="record for longer",
        )
    found = settle(line, tracker.readings, 0, tick_s)
    assert a.origin is not None
    assert b.origin is not None
    base_s = b.origin * tick_b - a.origin * tick_a
    offset_s = base_s + found.offset * GRAIN_S
    model = _model(found, offset_s, a.origin, tick_a, tick_b)
    return Synchronised(found, offset_s, acquired.sight.log_probability, a.origin, model, identical)


def _acquired(
    a: _Stream,
    b: _Stream,
    max_offset_s: float,
    max_rate: float,
    workers: int,
    progress: Callable[[str], None] | None,
) -> tuple[Acquired, bool]:
    """Find a first line, in one buffer after the other."""
    identical = False
    for buffer in range(_BUFFERS):
        a.fill(_HELD)
        b.fill(_HELD)
        if a.origin is None or b.origin is None:
            raise QlabError("a stream has no tags", remedy="check the files and the channels")
        reach = round(max_offset_s / GRAIN_S)
        apart = round((a.origin * a.tick_s - b.origin * b.tick_s) / GRAIN_S)
        raw = a.kept[0] - reach < b.last - apart and b.kept[0] - apart - reach < a.last
        centres = [apart] if raw else []
        if abs(apart) > reach or not raw:
            centres.append(0)
        resolution = float(max(a.tick_s, b.tick_s) / GRAIN_S)
        bounds = Bounds(tuple(centres), reach, max_rate, resolution)
        if buffer == 0:
            identical = np.array_equal(a.kept, b.kept)
        found = acquire(a.kept, b.kept, float(GRAIN_S), bounds, workers=workers, progress=progress)
        if found is not None:
            _unambiguous(found, apart)
            return found, identical
        if a.ended and b.ended:
            break
        for stream in (a, b):  # what is left is as long as the next search needs to begin
            if not stream.ended:
                stream.kept = stream.kept[-(_HELD // 4) :].copy()
    raise QlabError(
        "nothing in common: no offset and drift explain more coincidences than chance does",
        remedy="check the channels; a wider --max-offset or --max-ppm, or a longer recording, "
        "may help",
    )


def _unambiguous(found: Acquired, apart: int) -> None:
    if not found.rivals:
        return
    every = [found.sight, *found.rivals]
    lags = sorted(sight.line.at(0).lag - apart for sight in every)
    said = ", ".join(f"{float(lag * GRAIN_S) * 1e9:,.3f}" for lag in lags[:5])
    more = f" and {len(lags) - 5} more" if len(lags) > 5 else ""
    raise QlabError(
        f"ambiguous: offsets of {said}{more} ns fit about equally well",
        remedy="the light is periodic: choose channels without that light, a smaller "
        "--max-offset, or record for longer",
    )


def _follow(
    tracker: Tracker, line: Line, a: _Stream, b: _Stream, progress: Callable[[str], None] | None
) -> None:
    """Let the tracker read to the end of both streams, of which only pieces are held."""
    fresh_a = a.take()
    fresh_a, fresh_b = fresh_a[np.searchsorted(fresh_a, line.middle) :], b.take()
    told = 0
    while True:
        until = min(a.last, b.last - tracker.complete)
        tracker.push(fresh_a, fresh_b, until)
        minutes = int(until * GRAIN_S / 60)
        if progress is not None and minutes > told:
            told = minutes
            progress(f"followed the clocks for {minutes} min")
        behind = a if a.last + tracker.complete <= b.last else b
        if not behind.read():
            return
        fresh_a, fresh_b = a.take(), b.take()


def _model(
    found: CommonTime, offset_s: Fraction, origin: int, tick_a: Fraction, tick_b: Fraction
) -> ClockModel:
    if not (found.noise.white or found.noise.walk or found.noise.drifts):
        return ClockModel.line(origin, offset_s, found.rate, tick_a, tick_b)
    places = np.unique(np.linspace(0, found.seconds.size - 1, _NODES).astype(int))
    nodes, lags, latest = [], [], -1.0
    for place in places.tolist():
        seconds = float(found.seconds[place])
        node = round(seconds / tick_a)
        if seconds - latest < 1e-3:
            continue
        latest = seconds
        nodes.append(origin + node)
        lags.append(offset_s + Fraction(float(found.lags[place])) * GRAIN_S)
    return ClockModel.through(nodes, lags, tick_a, tick_b)
