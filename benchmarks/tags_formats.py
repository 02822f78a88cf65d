"""How fast files of TCSPC cards, and Photon-HDF5, are read: `python -m benchmarks.tags_formats`.

Twenty million records of each family go through `qlab.tags.open_tags`, as every command reads
them; one in ten is a roll-over, as at some hundred thousand counts a second. Wall time, best of
some, files in the disk cache, kernels compiled before. ptufile decodes the PTU files beside
that in the same run, where it is installed (`pip install ptufile`), to its own arrays.
Photon-HDF5 is written with compression first, and read through a process of its own.
"""

from __future__ import annotations

import struct
import tempfile
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row, table
from benchmarks.tags_reading import PIECE, TARGET, TICK_S, best_s, read, stream
from protocols.timetags.tags import Tags
from qlab.tags.writing import write_tags

RECORDS = 20_000_000


def tag(name: str, kind: int, value: bytes) -> bytes:
    """Return a tag of a PTU file's header."""
    return struct.pack("<32siI8s", name.encode(), -1, kind, value)


def header(record_type: int, resolution_s: float) -> bytes:
    """Return a PTU file's header with what decoders need."""
    integer, number = 0x10000008, 0x20000008
    whole = {
        "TTResultFormat_TTTRRecType": record_type,
        "TTResultFormat_BitsPerRecord": 32,
        "Measurement_Mode": 3 if record_type & 0xF00 == 0x300 else 2,
        "Measurement_SubMode": 0,
        "TTResult_NumberOfRecords": RECORDS,
    }
    numbers = {"MeasDesc_GlobalResolution": resolution_s, "MeasDesc_Resolution": 2.5e-11}
    return b"".join(
        [
            b"PQTTTR\0\x001.0.00\0\0",
            *(tag(name, integer, struct.pack("<q", value)) for name, value in whole.items()),
            *(tag(name, number, struct.pack("<d", value)) for name, value in numbers.items()),
            tag("Header_End", 0xFFFF0008, bytes(8)),
        ]
    )


def records(channels: npt.NDArray[np.uint32], roll_over: int) -> bytes:
    """Return records with random times on channels, and roll-overs."""
    draws = np.random.default_rng(1)
    words = draws.integers(0, 1 << 25, RECORDS, dtype=np.uint32)
    words |= channels[draws.integers(0, channels.size, RECORDS)]
    words[draws.random(RECORDS) < 0.1] = roll_over
    return words.astype("<u4").tobytes()


def with_ptufile(path: Path) -> int:
    """Decode a file with ptufile."""
    with import_module("ptufile").PtuFile(path) as file:
        decoded: npt.NDArray[np.void] = file.decode_records()
    return decoded.size


def rows() -> list[Row]:
    """Measure each family."""
    inputs = np.arange(4, dtype=np.uint32)
    harp = records(inputs << np.uint32(25), 0xFE000001)
    picoharp = records((inputs + np.uint32(1)) << np.uint32(28), 0xF0000000)
    card = (1 << 31 | 250).to_bytes(4, "little") + records(inputs << np.uint32(12), 0xC0000001)
    files = {
        "PTU, T2": header(0x00010207, 1e-12) + harp,
        "PTU, T3": header(0x00010307, 1 / 39_999_970) + harp,
        "PTU, PicoHarp T2": header(0x00010203, 4e-12) + picoharp,
        "PTU, PicoHarp T3": header(0x00010303, 1 / 39_999_970) + picoharp,
        "Becker & Hickl": card,
    }
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder) / ("a.ptu" if name.startswith("PTU") else "a.spc")
            path.write_bytes(data)
            if not 0.85 * RECORDS < read(path) < RECORDS:
                raise RuntimeError(f"{name}: not the tags that were written")
            took_s = best_s(partial(read, path))
            peer, other_s = "reading the bytes alone", best_s(path.read_bytes)
            if name.startswith("PTU") and find_spec("ptufile") is not None:
                other_s = best_s(partial(with_ptufile, path))
                peer = f"ptufile, {RECORDS / other_s / 1e6:.3g} M/s"
            found.append(
                Row(f"records read: {name}", RECORDS / took_s / 1e6, "M/s", other_s / took_s,
                    peer, TARGET)
            )  # fmt: skip
        found += photon_hdf5(Path(folder) / "a.hdf5")
    return found


def photon_hdf5(path: Path) -> list[Row]:
    """Write and read Photon-HDF5."""
    tags = stream(RECORDS)
    pieces = [
        Tags(tags.ticks[a : a + PIECE], tags.channels[a : a + PIECE])
        for a in range(0, RECORDS, PIECE)
    ]
    start = time.perf_counter()
    write_tags(pieces, TICK_S, path, "photon-hdf5")
    wrote_s = time.perf_counter() - start
    if read(path) != RECORDS:
        raise RuntimeError("photon-hdf5: not the tags that were written")
    took_s = best_s(partial(read, path))
    each = path.stat().st_size / RECORDS
    return [
        Row("tags read: Photon-HDF5", RECORDS / took_s / 1e6, "Mtags/s", each / 9,
            f"{each:.3g} bytes a tag; 9 without compression", TARGET),
        Row("tags written: Photon-HDF5", RECORDS / wrote_s / 1e6, "Mtags/s", took_s / wrote_s,
            "reading it"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table(rows()))
