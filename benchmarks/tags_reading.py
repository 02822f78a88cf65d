"""How fast files of time tags are read: `python -m benchmarks.tags_reading`.

A million tags a second on four channels go through `qlab.tags.open_tags`, as every command
reads them: opening, recognising, reading, decoding to int64 ticks and int32 channels. Wall
time, best of some, files in the disk cache, kernels compiled before. Beside each format that
it knows, fpfind reads the same file in the same run, to raw ticks and detector patterns, where
it is installed (`pip install fpfind`).

Then a file of 1.6 GB and a tenth of it go through `qlab tags info` in processes of their own:
whole time with start-up, and peak memory, which should be that of the short one. Set TMPDIR to
choose the disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

import numpy as np

from benchmarks.rows import Row, table
from protocols.timetags.encoding.qcrypto import encode_a1
from protocols.timetags.encoding.text import encode_text
from protocols.timetags.sorting import Sorter
from protocols.timetags.tags import Tags
from qlab.tags.opening import open_tags, sorted_chunks
from qlab.tags.writing import write_tags

TICK_S = Fraction(1, 256 * 10**9)
TAGS = 20_000_000
TEXT_TAGS = 1_000_000
LARGE_TAGS = 200_000_000
PIECE = 1_000_000
TARGET = 50.0  # million tags a second

# Of `getrusage` Linux gives a child no less than its parent had.
_CHILD = """\
import sys
from pathlib import Path
from qlab.cli import main
try:
    main(sys.argv[1:])
finally:
    status = Path("/proc/self/status")
    if status.exists():
        peak = int(status.read_text().partition("VmHWM:")[2].split()[0])
    else:
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(peak, file=sys.stderr)
"""


def best_s(work: Callable[[], object], least_s: float = 1.0) -> float:
    """Return the shortest time that a piece of work takes, of as many as fit."""
    work()
    times: list[float] = []
    while sum(times) < least_s or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def stream(count: int) -> Tags:
    """Return tags in order, in ticks of 1/256 ns."""
    draws = np.random.default_rng(1)
    gaps = draws.exponential(256_000, count).astype(np.int64)
    return Tags(np.cumsum(gaps), draws.integers(1, 5, count).astype(np.int32))


def tdc1_words(tags: Tags) -> bytes:
    """Return the words of a TDC1, whose times roll over every 0.27 s."""
    words = (tags.ticks // 512 % (1 << 27)).astype("<u4") << np.uint32(5)
    words |= (1 << (tags.channels - 1)).astype(np.uint32)
    return words.tobytes()


def qutag_records(tags: Tags) -> bytes:
    """Return a quTAG's file."""
    records = np.empty(len(tags), [("time", "<u8"), ("channel", "<u2")])
    records["time"], records["channel"] = tags.ticks * 1000 // 256, tags.channels
    return bytes(40) + records.tobytes()


def hexadecimal(tags: Tags) -> bytes:
    """Return a line of 16 digits for each."""
    words = np.frombuffer(encode_a1(tags), "<u8").tolist()
    return b"".join(b"%016x\n" % word for word in words)


def text(tags: Tags) -> bytes:
    """Return columns with a line of names."""
    return b"ticks,channel\n" + encode_text(tags)


def read(path: Path) -> int:
    """Return how many tags a file has."""
    with open_tags(path) as source:
        return sum(map(len, source.chunks()))


def with_fpfind(path: Path) -> int:
    """Read a file of binary words with fpfind."""
    reader = import_module("fpfind.lib.parse_timestamps")
    resolution = import_module("fpfind").TSRES.PS4
    pieces, _ = reader.sread_a1(str(path), resolution=resolution, fractional=False)
    return sum(times.size for times, _ in pieces)


def reading(folder: Path) -> list[Row]:
    """Read each format."""
    tags, few = stream(TAGS), stream(TEXT_TAGS)
    files = {
        "qcrypto a1": ("a.a1", encode_a1(tags), TAGS),
        "TDC1": ("a.tdc1", tdc1_words(tags), TAGS),
        "quTAG": ("a.bin", qutag_records(tags), TAGS),
        "qcrypto a2, text": ("a.a2", hexadecimal(few), TEXT_TAGS),
        "CSV": ("a.csv", text(few), TEXT_TAGS),
    }
    found = []
    for name, (file, data, count) in files.items():
        path = folder / file
        path.write_bytes(data)
        plain_s = best_s(path.read_bytes)
        if read(path) != count:
            raise RuntimeError(f"{name}: not all tags are read")
        took_s = best_s(partial(read, path))
        against, ratio = "reading the bytes alone", plain_s / took_s
        if name == "qcrypto a1" and find_spec("fpfind") is not None:
            if with_fpfind(path) != count:
                raise RuntimeError("fpfind reads otherwise")
            peer_s = best_s(partial(with_fpfind, path))
            against, ratio = f"fpfind, {count / peer_s / 1e6:.3g} M/s", peer_s / took_s
        wanted = TARGET if count == TAGS else None
        found.append(
            Row(f"tags read: {name}", count / took_s / 1e6, "Mtags/s", ratio, against, wanted)
        )
    return [*found, *written(folder, tags), *sorting(folder / "a.a1", tags)]


def written(folder: Path, tags: Tags) -> list[Row]:
    """Write each format, and read the run file."""
    pieces = [Tags(tags.ticks[a : a + PIECE], tags.channels[a : a + PIECE]) for a in
              range(0, len(tags), PIECE)]  # fmt: skip
    found = []
    for name in ("run", "qcrypto-a1", "csv"):
        path = folder / f"written.{name}"
        start = time.perf_counter()
        write_tags(pieces, TICK_S, path, name)
        wrote_s = time.perf_counter() - start
        took_s = best_s(partial(read, path))
        bytes_each = path.stat().st_size / len(tags)
        speed, back = len(tags) / wrote_s / 1e6, len(tags) / took_s / 1e6
        if name == "run":
            size = f"{bytes_each:.3g} bytes a tag; 8 of qcrypto"
            found.append(Row("tags read: run file", back, "Mtags/s", bytes_each / 8, size, TARGET))
        found.append(Row(f"tags written: {name}", speed, "Mtags/s", speed / back, "reading it"))
    return found


def sorting(path: Path, tags: Tags) -> list[Row]:
    """Put a stream in order whose tags are late by up to 100 ns, and read one in order."""
    draws = np.random.default_rng(2)
    late = tags.ticks - draws.integers(0, 25_600, len(tags))
    pieces = [Tags(late[a : a + PIECE], tags.channels[a : a + PIECE]) for a in
              range(0, len(tags), PIECE)]  # fmt: skip

    def put_in_order() -> int:
        sorter = Sorter(256_000)
        return sum(len(sorter.push(piece)) for piece in pieces) + len(sorter.finish())

    def read_in_order() -> int:
        with open_tags(path) as source:
            return sum(map(len, sorted_chunks(source)))

    sort_s = best_s(lambda: np.sort(late, kind="stable"))
    took_s, whole_s, plain_s = best_s(put_in_order), best_s(read_in_order), best_s(
        lambda: read(path)
    )  # fmt: skip
    return [
        Row("tags put in order, late by up to 100 ns", len(tags) / took_s / 1e6, "Mtags/s",
            sort_s / took_s, "numpy's stable sort of the ticks alone"),
        Row("tags read in order: qcrypto a1", len(tags) / whole_s / 1e6, "Mtags/s",
            plain_s / whole_s, "reading as they stand"),
    ]  # fmt: skip


def command(path: Path) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of `qlab tags info`."""
    start = time.perf_counter()
    ended = run([sys.executable, "-c", _CHILD, "tags", "info", str(path), "--json"],
                capture_output=True, check=False)  # fmt: skip
    took_s = time.perf_counter() - start
    if ended.returncode:
        raise RuntimeError(ended.stderr.decode())
    return took_s, float(ended.stderr.split()[-1]) / 1000


def large(folder: Path) -> list[Row]:
    """Let the command read a short and a long file."""
    piece = stream(PIECE)
    span = int(piece.ticks[-1]) + 1000
    few, many = folder / "short.a1", folder / "long.a1"
    for path, count in ((few, LARGE_TAGS // 10), (many, LARGE_TAGS)):
        with path.open("wb") as file:
            for k in range(count // PIECE):
                file.write(encode_a1(Tags(piece.ticks + k * span, piece.channels)))
    command(few)
    (few_s, few_mb), (many_s, many_mb) = command(few), command(many)
    speed = 0.9 * LARGE_TAGS / (many_s - few_s) / 1e6
    name = f"`qlab tags info`, {many.stat().st_size / 1e9:.2g} GB"
    return [
        Row(f"{name}: whole command", many_s, "s", many_s / few_s, f"a tenth of it, {few_s:.3g} s"),
        Row(f"{name}: each further tag", speed, "Mtags/s", speed / TARGET, "50 M/s"),
        Row(f"{name}: peak memory", many_mb, "MB", many_mb / few_mb, f"a tenth, {few_mb:.0f} MB"),
    ]


def rows() -> list[Row]:
    """Measure reading, sorting and the command."""
    with tempfile.TemporaryDirectory() as folder:
        found = reading(Path(folder))
    if sys.platform != "win32":  # which does not tell peak memory like that
        with tempfile.TemporaryDirectory() as folder:
            found += large(Path(folder))
    return found


if __name__ == "__main__":
    print(table(rows()))
