"""Correlating files: from their names to the result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qlab.errors import UsageError
from qlab.tags.correlating import Correlated, Task, bins_for, correlate
from qlab.tags.opening import open_tags, sorted_chunks
from qlab.tags.streams import Channel, ahead, in_step, rescaled, watched, within

__all__ = ["correlate_files"]

Ticks = npt.NDArray[np.int64]


def correlate_files(
    file: Path,
    other: Path | None,
    task: Task,
    model: Path | None,
    format_name: str | None,
    *,
    say: Callable[[str], None] = lambda text: None,
    workers: int = 1,
) -> tuple[Correlated, Fraction, list[str]]:
    """Correlate two channels of a file, or of two files.

    Parameters
    ----------
    file : Path
        Has the start channel.
    other : Path or None
        Has the stop channel; `file` has it if None.
    task : Task
    model : Path or None
        Clock model that brings `other` to the time of `file`; without one they share a clock.
    format_name : str or None
        Of the files, if their content does not say.
    say : callable
        Takes lines that say how far it is.
    workers : int
        Threads.

    Returns
    -------
    correlated : Correlated
    tick_s : Fraction
        Its unit of time: the tick of `file`.
    notes : list of str
        What is worth knowing of the files.

    Raises
    ------
    UsageError
        The model is no model, or of other clocks.
    QlabError
        As `correlating.correlate`, or what the reading of files raises.
    """
    with ExitStack() as files:
        first = files.enter_context(open_tags(file, format_name))
        tick_s = first.tick_s
        bins_for(task.bin_s, task.range_s, tick_s)  # refuses before anything is read
        if other is None:
            chunks = watched(sorted_chunks(first), {task.start, task.stop}, file.name, say)
            pairs = ahead(within(chunks, task.start, task.stop))
            found = correlate(pairs, task, tick_s, workers=workers)
            return found, tick_s, list(first.notes)
        second = files.enter_context(open_tags(other, format_name))
        ratio = second.tick_s / tick_s
        if model is None:
            convert: Callable[[Ticks], Ticks] = partial(rescaled, ratio=ratio)
        else:
            from qlab.tags.models import read_model

            clocks = read_model(model)
            if (clocks.tick_a, clocks.tick_b) != (tick_s, second.tick_s):
                raise UsageError(
                    f"{model} is of clocks with other ticks",
                    remedy="name the files in the order in which 'qlab tags sync' had them",
                )
            convert = clocks.to_a
        starts = watched(ahead(sorted_chunks(first)), {task.start}, file.name, say)
        stops = watched(ahead(sorted_chunks(second)), {task.stop}, other.name, say)
        pairs = in_step(Channel(starts, task.start), Channel(stops, task.stop, convert))
        found = correlate(pairs, task, tick_s, workers=workers)
        return found, tick_s, [*first.notes, *second.notes]
