"""Putting tags in order that are nearly so, in a time that is linear in their number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.timetags.decoding.decoder import kernel
from protocols.timetags.tags import Tags

__all__ = ["Sorter", "sort_nearly"]

#: A tag that would have to be moved by more places than this is sorted with all others.
_FAR = 256


@kernel
def _settle(
    ticks: npt.NDArray[np.int64], channels: npt.NDArray[np.int32], far: int
) -> tuple[int, bool]:
    """Sort in place by insertion; return how many were out of order, and whether it is done."""
    moved = 0
    for i in range(1, ticks.size):
        tick = ticks[i]
        if tick >= ticks[i - 1]:
            continue
        channel = channels[i]
        j = i
        while j > 0 and ticks[j - 1] > tick:
            if i - j >= far:
                ticks[j], channels[j] = tick, channel
                return moved, False
            ticks[j], channels[j] = ticks[j - 1], channels[j - 1]
            j -= 1
        ticks[j], channels[j] = tick, channel
        moved += 1
    return moved, True


def sort_nearly(tags: Tags) -> tuple[Tags, int]:
    """Return tags in order, those of one tick as they came, and how many came too late.

    Linear where each is at most a few places from its own; otherwise as any sort.
    """
    late = int(np.count_nonzero(np.maximum.accumulate(tags.ticks) > tags.ticks))
    if not late:
        return tags, 0
    ticks, channels = tags.ticks.copy(), tags.channels.copy()
    _, done = _settle(ticks, channels, _FAR)
    if not done:
        order = np.argsort(tags.ticks, kind="stable")
        ticks, channels = tags.ticks[order], tags.channels[order]
    return Tags(ticks, channels), late


class Sorter:
    """Puts a stream in order, piece by piece.

    What is within `horizon` of the latest tag is held back, lest an earlier one follows.
    A tag that comes later than that is left out, and counted.

    Parameters
    ----------
    horizon : int
        How much earlier than one before it a tag may be, in ticks.

    Attributes
    ----------
    out_of_order : int
        Tags that were earlier than one before them.
    beyond : int
        Tags that came too late to be put in order, and are left out.
    """

    def __init__(self, horizon: int) -> None:
        if horizon < 0:
            raise ParameterError("the horizon is not negative")
        self._horizon = horizon
        self._held = Tags.none()
        self._latest: int | None = None
        self.out_of_order = 0
        self.beyond = 0

    def push(self, tags: Tags) -> Tags:
        """Return what is in order once these tags have come."""
        if not len(tags):
            return tags
        fresh = tags.ticks
        highest = np.maximum.accumulate(fresh)
        if self._latest is not None:
            np.maximum(highest, self._latest, out=highest)
        self.out_of_order += int(np.count_nonzero(fresh < highest))
        self._latest = int(highest[-1])
        late = fresh < highest - self._horizon
        if late.any():
            self.beyond += int(np.count_nonzero(late))
            tags = Tags(fresh[~late], tags.channels[~late])
        whole, _ = sort_nearly(
            Tags(
                np.concatenate([self._held.ticks, tags.ticks]),
                np.concatenate([self._held.channels, tags.channels]),
            )
        )
        ready = int(np.searchsorted(whole.ticks, self._latest - self._horizon, side="right"))
        self._held = Tags(whole.ticks[ready:], whole.channels[ready:])
        return Tags(whole.ticks[:ready], whole.channels[:ready])

    def finish(self) -> Tags:
        """Return what has been held back."""
        held, self._held = self._held, Tags.none()
        return held
