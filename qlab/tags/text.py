"""Text files of time tags in columns."""

from __future__ import annotations

from pathlib import Path

from protocols.errors import FormatError
from protocols.timetags.decoding.text import TextDecoder
from protocols.timetags.decoding.text_layout import UNITS, text_layout
from qlab.errors import UsageError
from qlab.tags.source import DamagedTagsError, DecodedSource, opened

__all__ = ["open_csv"]

_HEAD_BYTES = 1 << 16


def open_csv(path: Path, detail: str = "") -> DecodedSource:
    """Open text in columns.

    Parameters
    ----------
    path : Path
    detail : str
        What the text does not say itself, with commas between: the unit of the times;
        ``tick=UNIT``, if its first lines do not have all decimal places; ``time=N`` and
        ``channel=N``, columns from 1.

    Raises
    ------
    UsageError
        `detail` is nothing of that.
    DamagedTagsError
        The first lines are no times and channels.
    """
    unit, tick, columns = _detail(detail)
    with opened(path) as file:
        head = file.read(_HEAD_BYTES)
    try:
        layout = text_layout(head, unit, tick, columns)
    except FormatError as error:
        raise DamagedTagsError(
            f"{path}: read as csv: {error}", remedy="name its format with --format"
        ) from None
    source = DecodedSource(path, "csv", TextDecoder(layout))
    if not layout.known:
        source.notes.append("the text does not tell its unit: ps, unless --format csv:UNIT says")
    if not layout.named and columns is None:
        time, channel = (place + 1 for place in layout.columns)
        source.notes.append(
            f"the text does not name its columns: time is {time} and channel {channel}, unless "
            "--format csv:time=N,channel=N says"
        )
    return source


def _detail(detail: str) -> tuple[str, str, tuple[int, int] | None]:
    said = dict.fromkeys(("unit", "tick", "time", "channel"), "")
    for part in detail.split(",") if detail else []:
        name, equals, value = part.strip().rpartition("=")
        name = name if equals else "unit"
        good = UNITS if name in ("unit", "tick") else [str(n) for n in range(1, 100)]
        if name not in said or said[name] or value not in good:
            raise UsageError(
                f"{part!r} says nothing about a text",
                remedy=f"give csv:UNIT,tick=UNIT,time=N,channel=N, UNIT one of {', '.join(UNITS)}",
            )
        said[name] = value
    time, channel = said["time"], said["channel"]
    if not time and not channel:
        return said["unit"], said["tick"], None
    if time == channel or not time or not channel:
        raise UsageError("time and channel are two columns", remedy="give both, time=N,channel=N")
    return said["unit"], said["tick"], (int(time) - 1, int(channel) - 1)
