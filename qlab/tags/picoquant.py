"""PicoQuant's files of time tags: PTU, and the older PT2, PT3, HT2 and HT3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from protocols.errors import FormatError
from protocols.timetags.decoding.legacy_picoquant import read_legacy_header
from protocols.timetags.decoding.picoquant import PicoQuantDecoder
from protocols.timetags.decoding.picoquant_header import Recording, read_unified_header
from protocols.timetags.tags import Tags
from qlab.tags.source import UNPACKING, DamagedTagsError, DecodedSource, opened

__all__ = ["PicoQuantSource", "open_legacy", "open_ptu"]

_FIRST_BYTES = 1 << 16
_MOST_BYTES = 1 << 26


class PicoQuantSource(DecodedSource):
    """A file of PicoQuant's; see `source.TagSource`.

    Parameters
    ----------
    path : Path
    format_name : str
    recording : Recording
        What its header says.
    """

    def __init__(self, path: Path, format_name: str, recording: Recording) -> None:
        self._recording = recording
        self._picoquant = PicoQuantDecoder(recording)
        super().__init__(path, format_name, self._picoquant)
        if recording.layout.is_t3:
            period_ns = float(recording.sync_period_s * 10**9)
            self.notes.append(
                f"T3: times count from synchronisations {period_ns:.12g} ns apart, as the "
                "instrument measured when it began"
            )

    def chunks(self) -> Iterator[Tags]:
        """Give the tags as they stand in the file; see `source.TagSource`."""
        yield from super().chunks()
        decoder, counted = self._picoquant, self._recording.records
        if decoder.records < counted:
            self.notes.append(
                f"the header counts {counted:,} records, the file ends after {decoder.records:,}"
            )
        if decoder.surplus:
            self.notes.append(
                f"{decoder.surplus:,} bytes beyond the records that the header counts left out"
            )
        if decoder.unknown:
            self.notes.append(f"{decoder.unknown:,} records without a known meaning left out")


def open_ptu(path: Path) -> PicoQuantSource:
    """Open a PTU file.

    Raises
    ------
    DamagedTagsError
        Its header is of another format, or damaged.
    """
    return _open(path, "ptu", read_unified_header)


def open_legacy(path: Path) -> PicoQuantSource:
    """Open a PT2, PT3, HT2 or HT3 file; errors as `open_ptu`."""
    return _open(path, "picoquant-legacy", read_legacy_header)


def _open(path: Path, name: str, header: Callable[[bytes], Recording | None]) -> PicoQuantSource:
    try:
        return PicoQuantSource(path, name, _recording(path, header))
    except (FormatError, *UNPACKING) as error:
        raise DamagedTagsError(
            f"{path}: read as {name}: {error}",
            remedy="name its format with --format, or take another copy",
        ) from None


def _recording(path: Path, header: Callable[[bytes], Recording | None]) -> Recording:
    """Take as much of the file as its header needs."""
    with opened(path) as file:
        data = file.read(_FIRST_BYTES)
        while (recording := header(data)) is None:
            more = file.read(len(data)) if len(data) < _MOST_BYTES else b""
            if not more:
                raise FormatError("its header does not end")
            data += more
    return recording
