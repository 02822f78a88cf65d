"""Read a Photon-HDF5 file where nothing can be lost.

``python -m qlab.tags.photon_hdf5_child FILE GROUP`` sends frames: a letter, a number of
64 bits, and as many bytes of JSON (``J``, what is read; ``X``, why it is not), or as many
ticks of 64 bits and channels of 32 (``T``). ``E`` ends a whole file.
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from qlab.confined import limit_resources

__all__ = ["FRAME", "PIECE", "Photons", "main"]

FRAME = struct.Struct("<cq")
#: So many tags are sent at once.
PIECE = 1 << 19

#: Bytes of a chunk at most; each column keeps one in mind, so that none is unpacked twice.
_CHUNK_LIMIT = 1 << 25
_SECONDS = 60
_BYTES_PER_SECOND = 2 << 20  # far below what decompression takes
_LATEST = 1 << 62
_PS = Fraction(1, 10**12)
_GROUP = re.compile(r"photon_data\d*")
_LOW_BITS = 24


def exact(seconds: float) -> Fraction:
    """Return the length that a float stands for.

    It is a whole fraction of a second if that is the same float and the shortest decimal
    number is a long one, and that decimal number otherwise.

    Raises
    ------
    ValueError
        It is no length of a tick.
    """
    if not math.isfinite(seconds) or not 1e-18 < seconds <= 1:
        raise ValueError(f"its unit of time is {seconds:g} s")
    inverse = round(1 / seconds)
    if len(repr(seconds).partition("e")[0]) > 12 and 1 / inverse == seconds:
        return Fraction(1, inverse)
    return Fraction(repr(seconds))


@dataclass(frozen=True)
class Photons:
    """The columns of one group of photons, checked by what they declare.

    Attributes
    ----------
    timestamps : h5py.Dataset
    detectors, nanotimes : h5py.Dataset or None
    unit_s : Fraction
        Unit of the timestamps.
    bin_s : Fraction
        Unit of the nanotimes; 0 if there are none to be added.
    """

    timestamps: Any
    detectors: Any
    nanotimes: Any
    unit_s: Fraction
    bin_s: Fraction

    @classmethod
    def of(cls, file: Any, wanted: str) -> Photons:
        """Find them in a file.

        Parameters
        ----------
        file : h5py.File
        wanted : str
            Name of the group; empty for the only one.

        Raises
        ------
        ValueError
            They are not there, or not what the format means.
        """
        names = sorted(name for name in file if _GROUP.fullmatch(name))
        if not names:
            raise ValueError("an HDF5 file without photon_data: it is no Photon-HDF5 file")
        if not wanted and len(names) > 1:
            raise ValueError(f"it has {len(names)} spots: choose one of {', '.join(names[:20])}")
        name = wanted or names[0]
        if name not in names:
            raise ValueError(f"it has no {name}: there are {', '.join(names[:20])}")
        group = file[name]
        timestamps = _column(file, group, "timestamps")
        detectors, nanotimes = (
            _column(file, group, each) if each in group else None
            for each in ("detectors", "nanotimes")
        )
        for column in (detectors, nanotimes):
            if column is not None and column.shape != timestamps.shape:
                raise ValueError("its columns are not equally long")
        unit_s = exact(_number(file, group, "timestamps_specs/timestamps_unit"))
        bin_s = Fraction(0)
        if nanotimes is not None and "nanotimes_specs/tcspc_unit" in group:
            bin_s = exact(_number(file, group, "nanotimes_specs/tcspc_unit"))
        return cls(timestamps, detectors, nanotimes, _finer(file, unit_s), bin_s)

    @property
    def tick_s(self) -> Fraction:
        """Tick of the tags: the unit, or 1 ps where nanotimes are added."""
        return _PS if self.bin_s else self.unit_s

    def pieces(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
        """Give ticks and channels.

        Raises
        ------
        ValueError
            A time or a detector is beyond all bounds.
        """
        for at in range(0, len(self.timestamps), PIECE):
            rows = slice(at, at + PIECE)
            ticks = _within(self.timestamps[rows], _LATEST).astype(np.int64)
            if self.bin_s:
                ticks = self._with_nanotimes(ticks, self.nanotimes[rows])
            if self.detectors is None:
                channels = np.zeros(ticks.size, np.int32)
            else:
                channels = _within(self.detectors[rows], 1 << 31).astype(np.int32)
            yield ticks, channels

    def _with_nanotimes(
        self, units: npt.NDArray[np.int64], bins: npt.NDArray[Any]
    ) -> npt.NDArray[np.int64]:
        """Return the times in picoseconds.

        Whole picoseconds of a unit count exactly. Its fraction is applied to the high and
        the low bits of the count apart, so that floats hold all that matters.
        """
        whole, fraction = divmod(self.unit_s / self.tick_s, 1)
        _within(units, _LATEST // (whole + 1))
        low = units & ((1 << _LOW_BITS) - 1)
        high = units >> _LOW_BITS
        jump, rest = divmod(fraction * (1 << _LOW_BITS), 1)
        fine = _within(bins, 1 << 32) * float(self.bin_s / self.tick_s)
        fine += low * float(fraction)
        fine += high * float(rest)
        return units * whole + high * jump + np.rint(fine).astype(np.int64)


def _column(file: Any, group: Any, name: str) -> Any:
    """Return a column of whole numbers whose rows are all in this file."""
    node = _own(file, group, name)
    if len(node.shape) != 1 or node.dtype.kind not in "iu":
        raise ValueError(f"{name} is no column of whole numbers")
    if node.chunks is None:
        stored = node.id.get_storage_size() // node.dtype.itemsize
    else:
        if node.chunks[0] * node.dtype.itemsize > _CHUNK_LIMIT:
            raise ValueError(f"{name} has chunks of {node.chunks[0]} rows")
        stored = node.id.get_num_chunks() * node.chunks[0]
    if len(node) > stored:
        raise ValueError(f"{name} claims {len(node)} rows, of which at most {stored} are stored")
    return node


def _number(file: Any, group: Any, name: str) -> float:
    node = _own(file, group, name)
    if node.shape != () or node.dtype.kind not in "iuf":
        raise ValueError(f"{name} is no number")
    return float(node[()])


def _own(file: Any, group: Any, name: str) -> Any:
    """Return a dataset that lies in this file, by filters that are here."""
    import h5py

    try:
        node = group[name]
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    if not isinstance(node, h5py.Dataset):
        raise ValueError(f"{name} is no dataset")
    if node.file.filename != file.filename or node.is_virtual or node.external:
        raise ValueError(f"{name} is not stored in this file")
    plan = node.id.get_create_plist()
    for number in range(plan.get_nfilters()):
        code, _, _, text = plan.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            packer = text.decode(errors="replace")
            raise ValueError(f"{name} is packed by {packer!r}: install hdf5plugin")
    return node


def _finer(file: Any, unit_s: Fraction) -> Fraction:
    """Return the unit as our writer notes it exactly, if it did."""
    name = "user/qlab/tick_s"
    if name not in file:
        return unit_s
    node = _own(file, file, name)
    if node.shape != (2,) or node.dtype.kind != "i":
        return unit_s
    above, below = (int(part) for part in node[:])
    if above <= 0 or below <= 0 or above / below != float(unit_s):
        return unit_s
    return Fraction(above, below)


def _within(values: npt.NDArray[Any], bound: int) -> npt.NDArray[Any]:
    if values.size and not -bound <= int(values.min()) <= int(values.max()) < bound:
        raise ValueError("a time or a detector is beyond all bounds")
    return values


def _send(out: IO[bytes], letter: bytes, said: dict[str, object]) -> None:
    text = json.dumps(said).encode()
    out.write(FRAME.pack(letter, len(text)) + text)


def main() -> None:
    """Send what is in the file named on the command line."""
    path, group = sys.argv[1:3]
    import h5py

    if find_spec("hdf5plugin") is not None:  # further ways of packing
        import_module("hdf5plugin")
    out = sys.stdout.buffer
    try:
        limit_resources(_SECONDS + Path(path).stat().st_size // _BYTES_PER_SECOND)
        with h5py.File(path, "r", locking=False, rdcc_nbytes=_CHUNK_LIMIT) as file:
            photons = Photons.of(file, group)
            _send(
                out,
                b"J",
                {
                    "tick_s": photons.tick_s.as_integer_ratio(),
                    "detectors": photons.detectors is not None,
                    "nanotimes": photons.nanotimes is not None,
                    "added": bool(photons.bin_s),
                },
            )
            out.flush()
            for ticks, channels in photons.pieces():
                out.write(FRAME.pack(b"T", ticks.size))
                out.write(np.ascontiguousarray(ticks, "<i8").data)
                out.write(np.ascontiguousarray(channels, "<i4").data)
                out.flush()
    except (
        OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        lines = str(error).splitlines() or [type(error).__name__]
        _send(out, b"X", {"why": lines[0][:500]})
    else:
        out.write(FRAME.pack(b"E", 0))
    out.flush()


if __name__ == "__main__":
    main()
