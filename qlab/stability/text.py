"""Readings in text: columns, lists, and what Stable32 and most counters' programs write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from protocols.stability.statistic import Floats
from qlab.errors import UsageError
from qlab.stability.columns import Columns, Head, read_head
from qlab.stability.readings import Quantity, Readings, Wanted
from qlab.stability.timebase import Timebase, looks_like_times

__all__ = ["text_readings"]

# Stable32's own endings. In its files a frequency of 0 is a gap, and so is a phase of 0
# other than the first and last (Stable32 manual, "Gaps").
_STABLE32: dict[str, Quantity] = {".phd": "phase", ".frd": "frequency"}


def text_readings(path: Path, wanted: Wanted) -> Readings:
    """Open readings in text.

    Raises
    ------
    UsageError
        The file is wrong, or contradicts what is wanted.
    """
    if path.suffix.lower() == ".tim":
        raise UsageError(
            f"{path}: TimeLab's own format is not published",
            remedy="save the trace from TimeLab as ASCII phase data",
        )
    head = read_head(path)
    if wanted.column is not None or wanted.time_column is not None:
        head = replace(head, is_list=False)
    column, times = _columns(head, wanted)
    name = path.name.lower().removesuffix(".gz")
    stable32 = next((q for ending, q in _STABLE32.items() if name.endswith(ending)), None)
    quantity = wanted.quantity or stable32 or "phase"
    source = Columns(head, column, times)
    base, interval_s, origin = None, head.tau_s, "file"
    if times:
        base = Timebase.of(str(path), head.column(times), wanted.rate_hz)
        interval_s, origin = base.interval_s, "time stamps"
    if wanted.rate_hz is not None:
        interval_s, origin = 1.0 / wanted.rate_hz, "given"
    if interval_s is None:
        interval_s, origin = 1.0, "assumed"
    notes = source.notes
    if origin == "assumed":
        notes.append("one reading a second is assumed; --rate tells otherwise")
    if times and wanted.time_column is None:
        notes.append(f"column {times} is taken for time stamps; --time-column 0 if it is not")
    if wanted.column is None and head.fields > 1 and not head.is_list:
        notes.append(f"column {column} of {head.fields} is taken; --column names another")
    parts = _parts(source, base)
    if stable32 is not None:
        parts = _zeros_as_gaps(parts, keep_ends=quantity == "phase")
    kind = "list of values" if head.is_list else "text columns"
    return Readings(
        path, "Stable32" if stable32 else kind, quantity, interval_s, origin, parts, notes=notes
    )


def _columns(head: Head, wanted: Wanted) -> tuple[int, int]:
    """Return the column of the readings and that of the time stamps, 0 if there is none."""
    if head.is_list:
        return 1, 0
    for number in (wanted.column, wanted.time_column):
        if number is not None and number > head.fields:
            raise UsageError(
                f"{head.path}: there is no column {number}, only {head.fields}",
                remedy="count columns from 1; fields are divided by "
                + ("blanks" if head.separator == b" " else head.separator.decode()),
            )
    times = wanted.time_column
    if times is None:
        first = wanted.column != 1 and head.fields > 1 and looks_like_times(head.column(1))
        times = 1 if first else 0
    if times and times == wanted.column:
        raise UsageError(
            f"column {times} cannot be both the readings and their time stamps",
            remedy="give another --column or --time-column",
        )
    numeric = [n for n in range(1, head.fields + 1) if n != times and head.is_numeric(n)]
    return wanted.column or next(iter(numeric), 1 + (times == 1)), times


def _parts(source: Columns, base: Timebase | None) -> Iterator[Floats]:
    for values, times, line in source:
        if base is None:
            yield values
        else:
            yield from base.placed(values, times, line)


def _zeros_as_gaps(parts: Iterator[Floats], *, keep_ends: bool) -> Iterator[Floats]:
    held: Floats | None = None
    ends_with_zero = False
    for part in parts:
        if part.size == 0:
            continue
        first = held is None
        if held is not None:
            yield held
        held = np.where(part == 0.0, math.nan, part)
        if first and keep_ends:
            held[0] = part[0]
        ends_with_zero = bool(part[-1] == 0.0)
    if held is not None:
        if ends_with_zero and keep_ends:
            held[-1] = 0.0
        yield held
