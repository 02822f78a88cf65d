"""Photon-HDF5 files, a format of single-molecule spectroscopy (versions 0.4 and 0.5).

``photon_data/timestamps`` counts units of ``timestamps_specs/timestamps_unit`` seconds,
``photon_data/detectors`` says which pixel, ``nanotimes`` how long after the laser's pulse
(Photon-HDF5, reference documentation, "Photon-data group").
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from protocols.timetags.tags import Tags
from qlab.confined import confined_command, confined_environment
from qlab.errors import UsageError
from qlab.tags.photon_hdf5_child import FRAME, PIECE
from qlab.tags.source import DamagedTagsError

__all__ = ["PhotonHdf5Source", "open_photon_hdf5"]

#: Reading that stands still for so long has come to its end.
STALL_S = 30.0
_MOST_TEXT = 1 << 20
_PIPE_BYTES = 1 << 20  # where the system lets it be chosen: fewer turns from one to the other


class PhotonHdf5Source:
    """The tags of one group of photons; see `source.TagSource`.

    HDF5 sees the file in a process of its own only, which sends what it reads.
    Timestamps and nanotimes add up, in picoseconds; without nanotimes the tick is the unit
    of the timestamps. Channels are the detectors' numbers in the file, 0 if it has none.

    Parameters
    ----------
    path : Path
    group : str
        Which group of photons, where there are several spots; empty for the only one.

    Raises
    ------
    DamagedTagsError
        It cannot be read, or is no such file.
    """

    format = "photon-hdf5"
    leftover = 0

    def __init__(self, path: Path, group: str = "") -> None:
        self.path = path
        self.notes: list[str] = []
        self.records = 0
        self._child = subprocess.Popen(  # noqa: S603 - this interpreter, our module
            confined_command("qlab.tags.photon_hdf5_child", str(path.absolute()), group),
            env=confined_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=_PIPE_BYTES,
        )
        try:
            letter, size = self._frame()
            if letter != b"J":
                raise self._damaged("it answers nothing")
            self._take_head(json.loads(self._bytes(size)))
        except BaseException:
            self.close()
            raise

    def chunks(self) -> Iterator[Tags]:
        """Give the tags as they stand in the file; see `source.TagSource`."""
        while True:
            letter, size = self._frame()
            if letter == b"E":
                return
            if letter != b"T" or not 0 <= size <= PIECE:
                raise self._damaged("reading it goes wrong")
            ticks, channels = np.empty(size, "<i8"), np.empty(size, "<i4")
            self._fill(ticks)
            self._fill(channels)
            self.records += size
            yield Tags(ticks.astype(np.int64, copy=False), channels.astype(np.int32, copy=False))

    def close(self) -> None:
        """End the process that reads."""
        self._child.kill()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._child.wait()

    def _take_head(self, head: dict[str, Any]) -> None:
        above, below = head["tick_s"]
        self.tick_s = Fraction(above, below)
        if not head["detectors"]:
            self.notes.append("the file names no detectors: all tags are on channel 0")
        if head["added"]:
            self.notes.append("nanotimes are added to the timestamps")
        elif head["nanotimes"]:
            self.notes.append("nanotimes are left out: the file does not say their unit")

    def _frame(self) -> tuple[bytes, int]:
        letter, size = FRAME.unpack(self._bytes(FRAME.size))
        if letter == b"X":
            raise self._damaged(json.loads(self._bytes(size))["why"])
        return letter, size

    def _bytes(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_TEXT:
            raise self._damaged("reading it goes wrong")
        piece = np.empty(size, np.uint8)
        self._fill(piece)
        return piece.tobytes()

    def _fill(self, array: npt.NDArray[Any]) -> None:
        """Read so many bytes; whoever keeps them back for too long is ended."""
        pipe = self._child.stdout
        if pipe is None or pipe.closed:
            raise UsageError(f"{self.path}: it is closed")
        wanted = array.view(np.uint8).data
        alarm = Timer(STALL_S, self._child.kill)
        alarm.daemon = True
        alarm.start()
        try:
            while wanted:
                got = pipe.readinto(wanted)  # type: ignore[attr-defined]  # a BufferedReader
                if not got:
                    raise self._damaged("HDF5 fails on reading it, or does not come to an end")
                wanted = wanted[got:]
        finally:
            alarm.cancel()

    def _damaged(self, why: str) -> DamagedTagsError:
        remedy = "name a spot with --format photon-hdf5:N" if "choose one of" in why else ""
        return DamagedTagsError(f"{self.path}: {why}", remedy=remedy)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_photon_hdf5(path: Path, group: str = "") -> PhotonHdf5Source:
    """Open a Photon-HDF5 file; see `PhotonHdf5Source`."""
    return PhotonHdf5Source(path, f"photon_data{group}" if group.isdigit() else group)
