"""Opening a file of time tags, of whatever format it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from protocols.timetags.sorting import Sorter
from protocols.timetags.tags import Tags
from qlab.errors import UsageError
from qlab.tags.formats import FORMATS, HEAD_BYTES
from qlab.tags.source import UNPACKING, DamagedTagsError, TagSource, opened

__all__ = ["open_tags", "sorted_chunks"]


def open_tags(path: Path, format_name: str | None = None) -> TagSource:
    """Open a file of time tags.

    Its content tells the format; the ending decides only where the content leaves it open.
    ``RUN.h5:NAME`` means the tags of one tagger of a run that had several.

    Parameters
    ----------
    path : Path
    format_name : str, optional
        One of `formats.FORMATS`, perhaps with a detail behind a colon, as ``csv:ns``.

    Raises
    ------
    UsageError
        There is no such file or format.
    DamagedTagsError, RunFileError
        The file is damaged, or of no format that is known.
    """
    base, _, tagger = str(path).rpartition(":")
    if not path.is_file() and base and Path(base).is_file():
        path, format_name = Path(base), f"run:{tagger}"
    if not path.is_file():
        what = "it is no file" if path.exists() else "there is no such file"
        raise UsageError(f"{path}: {what}", remedy="name a file of time tags")
    try:
        if format_name is not None:
            return _named(path, format_name)
        with opened(path) as file:
            head = file.read(HEAD_BYTES)
        name, source = _recognised(path, head)
    except UNPACKING as error:
        raise DamagedTagsError(
            f"{path}: it cannot be unpacked: {error}", remedy="take another copy"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error}", remedy="check the file") from None
    endings = FORMATS[name].endings
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending.lower() not in endings:
        source.notes.append(f"read as {name}, by its content")
    return source


def _named(path: Path, format_name: str) -> TagSource:
    name, _, detail = format_name.partition(":")
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}", remedy=f"there are {', '.join(FORMATS)}")
    if detail and not FORMATS[name].detail:
        raise UsageError(f"nothing more can be said of {name}", remedy=f"leave out :{detail}")
    return FORMATS[name].open(path, detail)


def _recognised(path: Path, head: bytes) -> tuple[str, TagSource]:
    if not head:
        raise DamagedTagsError(f"{path}: the file is empty", remedy="take another copy")
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    sure = {
        name: 2 * known + (ending.lower() in each.endings)
        for name, each in FORMATS.items()
        if (known := each.recognise(head))
    }
    owners = [name for name, each in FORMATS.items() if ending.lower() in each.endings]
    if not sure and len(owners) == 1:  # whose content nobody else can tell
        return owners[0], FORMATS[owners[0]].open(path)
    if not sure:
        raise DamagedTagsError(
            f"{path}: of no format of time tags that is known",
            remedy=f"name its format with --format; there are {', '.join(FORMATS)}",
        )
    name = max(sure, key=lambda each: sure[each])
    return name, FORMATS[name].open(path)


def sorted_chunks(source: TagSource, horizon_s: float = 1e-6) -> Iterator[Tags]:
    """Give the tags of a file in order, in pieces.

    Parameters
    ----------
    source : TagSource
    horizon_s : float
        How much out of order tags may be; those that are more are left out, and a note of
        the source says so.
    """
    sorter = Sorter(int(horizon_s / source.tick_s))
    for chunk in source.chunks():
        ready = sorter.push(chunk)
        if len(ready):
            yield ready
    rest = sorter.finish()
    if len(rest):
        yield rest
    if sorter.beyond:
        source.notes.append(
            f"{sorter.beyond:,} tags are out of order by more than {horizon_s * 1e6:g} us "
            "and left out"
        )
