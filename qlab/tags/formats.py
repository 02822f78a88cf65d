"""The formats of time tags that can be read, and how each is recognised.

A format looks at the first bytes of a file and says how sure it is: 0 no, 1 perhaps (its
ending then decides), 2 very likely, 3 certain.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qlab.tags.source import TagSource

__all__ = ["FORMATS", "HEAD_BYTES", "Format"]

#: So much of the beginning of a file is looked at.
HEAD_BYTES = 4096


@dataclass(frozen=True)
class Format:
    """A format of files of time tags.

    Attributes
    ----------
    summary : str
        What it is, for a person.
    endings : tuple of str
        Endings of file names that are usual.
    recognise : callable
        How sure one can be from the first bytes, 0 to 3.
    where : str
        ``module:function`` that opens a path; imported when it is needed.
    detail : str
        What may be said after a colon behind the name, and is given to that function.
    """

    summary: str
    endings: tuple[str, ...]
    recognise: Callable[[bytes], int]
    where: str
    detail: str = ""

    def open(self, path: Path, detail: str = "") -> TagSource:
        """Open a file of this format."""
        module, _, name = self.where.partition(":")
        opener = getattr(import_module(module), name)
        source: TagSource = opener(path, detail) if detail else opener(path)
        return source


_HDF5 = b"\x89HDF\r\n\x1a\n"


def _never(head: bytes) -> int:
    """Say that the bytes cannot tell."""
    return 0


def _run_file(head: bytes) -> int:
    return 3 if head[512:520] == _HDF5 else 0


def _photon_hdf5(head: bytes) -> int:
    return 2 if head.startswith(_HDF5) else 0


def _sure(grows: int, records: int) -> int:
    """Say how sure one is by how often the times of some records grow."""
    if records < 2:
        return 1
    return 2 if grows >= 0.9 * (records - 1) else 0


def _hexadecimal(digits: int) -> Callable[[bytes], int]:
    line = re.compile(rb"\s*(?:[0-9a-fA-F]{%d}\r?\n){2}" % digits)
    return lambda head: 2 if line.match(head) else 0


def _levels(head: bytes) -> int:
    return 2 if re.match(rb"(?:#[^\n]*\n)*\d+(?:\.0*)?[ \t]+[01]{4}\r?\n", head) else 0


def _text(head: bytes) -> int:
    if not head.strip() or b"\0" in head:
        return 0
    return 1 if all(byte >= 32 or byte in b"\t\r\n" for byte in head) else 0


def _qcrypto(head: bytes, *, high_first: bool = False) -> int:
    """Look whether words are times that grow, within a minute, and leave bits 9 to 5 empty."""
    times, flags = [], []
    for at in range(0, min(len(head), 512) // 8 * 8, 8):
        word = head[at : at + 8]
        number = int.from_bytes(word[4:] + word[:4] if high_first else word, "little")
        times.append(number >> 10)
        flags.append(number & 0x3FF)
    if not flags or max(flags) > 31 or flags.count(0) > len(flags) / 2:
        return 0
    grows = sum(0 <= b - a < 1 << 44 for a, b in pairwise(times))
    return _sure(grows, len(times))


def _high_first(head: bytes) -> int:
    return _qcrypto(head, high_first=True)


def _qutag(head: bytes) -> int:
    """Look whether records of ten bytes behind a header have small channels and growing times."""
    records = [head[at : at + 10] for at in range(40, min(len(head), 680) - 9, 10)]
    times = [int.from_bytes(record[:8], "little") for record in records]
    channels = [int.from_bytes(record[8:], "little") for record in records]
    if max(channels, default=256) > 255 or not max(times):
        return 0
    grows = sum(0 <= b - a < 1 << 50 for a, b in pairwise(times))
    return _sure(grows, len(times))


def _tdc1(head: bytes) -> int:
    """Look whether words are times that grow, with one line or more, or a dummy."""
    words = [
        int.from_bytes(head[at : at + 4], "little") for at in range(0, min(len(head), 512) - 3, 4)
    ]
    if not words or any(not 0 < word & 31 <= 16 for word in words):
        return 0
    falls = sum(b >> 5 < a >> 5 and not b & 16 for a, b in pairwise(words))
    return 1 if falls <= 0.1 * len(words) else 0


def _ptu(head: bytes) -> int:
    return 3 if head.startswith(b"PQTTTR") else 0


def _legacy_picoquant(head: bytes) -> int:
    return 3 if head.startswith((b"PicoHarp 300\0", b"HydraHarp\0")) else 0


def _becker_hickl(head: bytes) -> int:
    """Look at the first word only: a clock of 1 ns to 10 us, up to four bits of routing."""
    word = int.from_bytes(head[:4], "little")
    clock, flags = word & 0xFFFFFF, word >> 24
    fits = 10 <= clock <= 100_000 and flags & 0x85 == 0x80 and flags >> 3 & 15 <= 4
    return 1 if fits and len(head) >= 4 else 0


_SIMPLE = "qlab.tags.decoded"
#: By short name; of those equally sure about a file the first counts.
FORMATS: dict[str, Format] = {
    "run": Format("run file of qlab", (".h5",), _run_file, "qlab.tags.runs:open_run", "tagger"),
    "ptu": Format("PicoQuant, PTU", (".ptu",), _ptu, "qlab.tags.picoquant:open_ptu"),
    "picoquant-legacy": Format(
        "PicoQuant, PT2, PT3, HT2 or HT3",
        (".pt2", ".pt3", ".ht2", ".ht3"),
        _legacy_picoquant,
        "qlab.tags.picoquant:open_legacy",
    ),
    "qcrypto-a1": Format(
        "S-Fifteen or qcrypto, 64-bit words", (".a1", ".dat"), _qcrypto, f"{_SIMPLE}:open_a1"
    ),
    "qcrypto-a1-legacy": Format(
        "the same, high half first", (".a1", ".dat"), _high_first, f"{_SIMPLE}:open_a1_legacy"
    ),
    "qcrypto-a0": Format(
        "S-Fifteen or qcrypto, text of 8 digits", (".a0",), _hexadecimal(8), f"{_SIMPLE}:open_a0"
    ),
    "qcrypto-a2": Format(
        "S-Fifteen or qcrypto, text of 16 digits", (".a2",), _hexadecimal(16), f"{_SIMPLE}:open_a2"
    ),
    "qutag": Format("qutools quTAG, binary", (".bin",), _qutag, f"{_SIMPLE}:open_qutag"),
    "tdc1": Format("S-Fifteen TDC1, words", (".tdc1", ".bin"), _tdc1, f"{_SIMPLE}:open_tdc1"),
    "tdc1-text": Format("S-Fifteen TDC1, text", (".txt",), _levels, f"{_SIMPLE}:open_tdc1_text"),
    "becker-hickl": Format(
        "Becker & Hickl SPC-130 to 160 and 830, FIFO",
        (".spc",),
        _becker_hickl,
        "qlab.tags.becker_hickl:open_spc",
        "range of the TAC in ns",
    ),
    "id900": Format(
        "ID Quantique ID900, binary, one input", (".bin",), _never, f"{_SIMPLE}:open_id900", "input"
    ),
    "photon-hdf5": Format(
        "Photon-HDF5",
        (".hdf5", ".h5"),
        _photon_hdf5,
        "qlab.tags.photon_hdf5:open_photon_hdf5",
        "spot",
    ),
    "swabian": Format(
        "Swabian, by their library", (".ttbin",), _never, "qlab.tags.swabian:open_swabian"
    ),
    "csv": Format(
        "text: time, channel", (".csv", ".txt", ".tsv"), _text, "qlab.tags.text:open_csv", "unit"
    ),
}
