"""Writing Photon-HDF5 files, version 0.5."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import qlab
from protocols.errors import ParameterError
from protocols.timetags.tags import Tags
from qlab.tags.writing import TagWriter

__all__ = ["PhotonHdf5Writer"]

_CHUNK = 1 << 16
# The format prescribes what each title says; checkers compare them letter by letter.
_TITLES = {
    "/": "A file format for photon-counting detector based single-molecule spectroscopy "
    "experiments.",
    "acquisition_duration": "Measurement duration in seconds.",
    "description": "A user-defined comment describing the data file.",
    "format_name": "Name of the file format.",
    "format_version": "Version for the Photon-HDF5 format.",
    "photon_data": "Group containing arrays of photon-data.",
    "photon_data/timestamps": "Array of photon timestamps. Units specified in timestamps_units "
    "(defined in timestamps_specs/).",
    "photon_data/detectors": "Array of pixel IDs for each timestamp.",
    "photon_data/timestamps_specs": "Specifications for timestamps.",
    "photon_data/timestamps_specs/timestamps_unit": "Value of 1-unit timestamp-increment in "
    "seconds.",
    "setup": "Information about the experimental setup.",
    "setup/num_pixels": "Total number of detector pixels.",
    "setup/num_spots": 'Number of excitation (or detection) "spots" in the sample.',
    "setup/num_spectral_ch": "Number of distinct spectral bands which are acquired.",
    "setup/num_polarization_ch": "Number of distinct polarization states which are acquired.",
    "setup/num_split_ch": "Number of distinct detection channels detecting the same spectral "
    "band and polarization. This value is > 1 when using a non-polarizing beam splitter.",
    "setup/modulated_excitation": "True (i.e. 1) if there is any form of excitation modulation "
    "of excitation wavelength (as in us-ALEX or PAX) or polarization. This field is also True "
    "for pulse-interleaved excitation (PIE) or ns-ALEX measurements.",
    "setup/excitation_alternated": "New in version 0.5. Indicates whether each excitation source "
    "is alternated (True, or 1) or not alternated (False, or 0).",
    "setup/lifetime": "True (i.e. 1) if the measurement includes a nanotimes array of photon "
    "arrival times with respect to a laser pulse (as in TCSPC measurements).",
    "setup/detectors": "Metadata relative to each detector's pixel. Each field is an array with "
    "size equal to the number of the detectors.",
    "setup/detectors/id": "Detector IDs as they appear on /photon_data/detectors.",
    "setup/detectors/counts": "Total number of counts detected by each detector.",
    "identity": "Information about the Photon-HDF5 data file.",
    "identity/creation_time": "Creation time of the current Photon-HDF5 file.",
    "identity/software": "Name of the software used to create the current Photon-HDF5 file.",
    "identity/software_version": "Version of the software used to create current the Photon-HDF5 "
    "file.",
    "identity/format_name": "Name of the file format.",
    "identity/format_version": "Version for the Photon-HDF5 format.",
    "identity/format_url": "Official URL for the Photon-HDF5 format.",
}
_IDENTITY = {
    "format_name": "Photon-HDF5",
    "format_version": "0.5",
    "format_url": "http://photon-hdf5.org/",
    "software": "qlab",
    "software_version": qlab.__version__,
}


class PhotonHdf5Writer(TagWriter):
    """Writes a Photon-HDF5 file whose timestamps count ticks.

    Of the optics it says what the format demands and tags do not tell: one spot, one
    spectral band, one polarisation, nothing modulated. The exact tick is noted beside the
    format's float, in ``/user/qlab/tick_s``.
    """

    def __init__(self, path: Path, tick_s: Fraction) -> None:
        self._tick_s = tick_s
        self._counts: Counter[int] = Counter()
        self._ends: tuple[int, int] | None = None
        self._file: Any = h5py.File(path, "w")
        self._columns = [
            self._file.create_dataset(
                f"photon_data/{name}", (0,), kind, maxshape=(None,), chunks=(_CHUNK,),
                shuffle=True, compression="gzip", compression_opts=1,
            )
            for name, kind in (("timestamps", "<i8"), ("detectors", "<i2"))
        ]  # fmt: skip

    def write(self, tags: Tags) -> None:
        """Write some more tags."""
        if not len(tags):
            return
        low, high = int(tags.channels.min()), int(tags.channels.max())
        if low < -(1 << 15) or high >= 1 << 15:
            raise ParameterError("the format, as it is written here, has channels of 16 bits")
        rows = self._columns[0].shape[0]
        for column, values in zip(self._columns, (tags.ticks, tags.channels), strict=True):
            column.resize((rows + len(tags),))
            column[rows:] = values
        counts = np.bincount(tags.channels - low)
        for place in np.flatnonzero(counts):
            self._counts[low + int(place)] += int(counts[place])
        first, last = int(tags.ticks.min()), int(tags.ticks.max())
        if self._ends is not None:
            first, last = min(first, self._ends[0]), max(last, self._ends[1])
        self._ends = first, last

    def close(self) -> None:
        """Finish the file."""
        try:
            self._describe()
        finally:
            self._file.close()

    def _describe(self) -> None:
        first, last = self._ends or (0, 0)
        channels = sorted(self._counts)
        numbers: dict[str, Any] = {
            "acquisition_duration": float((last - first) * self._tick_s),
            "photon_data/timestamps_specs/timestamps_unit": float(self._tick_s),
            "setup/num_pixels": max(len(channels), 1),
            "setup/num_spots": 1,
            "setup/num_spectral_ch": 1,
            "setup/num_polarization_ch": 1,
            "setup/num_split_ch": 1,
            "setup/modulated_excitation": 0,
            "setup/excitation_alternated": [0],
            "setup/lifetime": 0,
            "setup/detectors/id": np.array(channels, np.int64),
            "setup/detectors/counts": np.array([self._counts[each] for each in channels], np.int64),
        }
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        texts = {f"identity/{name}": text for name, text in _IDENTITY.items()}
        texts |= {"identity/creation_time": now, "description": "Time tags written by qlab."}
        for name, value in numbers.items():
            self._file[name] = value
        for name, text in texts.items():
            self._file[name] = np.bytes_(text)
        self._file["user/qlab/tick_s"] = np.array(self._tick_s.as_integer_ratio(), np.int64)
        for name in ("format_name", "format_version"):  # by an attribute, and by a field since
            self._file[name] = self._file.attrs[name] = np.bytes_(_IDENTITY[name])
        for name, title in _TITLES.items():
            self._file[name].attrs["TITLE"] = np.bytes_(title)
