"""How fast time tags are correlated: `python -m benchmarks.tags_correlation`.

Two channels of 1 Mcps each, independent, in ticks of 1/256 ns; all pairs up to 100 ns before
and after in bins of 100 ps, which are no whole number of ticks. The rates count the tags of both
channels. In memory they lie either as one int64 array for each channel, pushed in pieces of a
million tags, or as one stream of int64 ticks and int32 channels, which is split first. Wall time,
best of some, kernels compiled before.

Beside them in the same run, with the same counts: numpy's searchsorted and bincount, and
pycorrelate where it is installed (`pip install pycorrelate`), on a million tags.

Two files of qcrypto stamps, one ten times as long as the other, go through `qlab tags correlate`
in processes of their own: whole time with start-up, and peak memory, which should be that of
the short one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row, table
from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.pairs import PairCounter
from protocols.timetags.tags import Tags
from qlab.tags.correlating import Task, correlate
from qlab.tags.streams import ahead, within

TICK_S = Fraction(1, 256 * 10**9)
RATE_HZ = 1e6
TAGS = 20_000_000  # of both channels
PIECE = 1_000_000
BIN_S, RANGE_S = Fraction(100, 10**12), Fraction(100_000, 10**12)

Ticks = npt.NDArray[np.int64]


def streams(tags: int) -> tuple[Ticks, Ticks]:
    """Return two independent channels."""
    draws = np.random.default_rng(1)
    end = int(tags / 2 / RATE_HZ / TICK_S)
    a, b = (np.sort(draws.integers(0, end, tags // 2)) for _ in range(2))
    return a, b


def mixed(a: Ticks, b: Ticks) -> list[Tags]:
    """Return both as one stream in pieces."""
    ticks = np.concatenate([a, b])
    order = np.argsort(ticks, kind="stable")
    ticks = ticks[order]
    channels = np.repeat(np.array([1, 2], np.int32), [a.size, b.size])[order]
    return [
        Tags(ticks[i : i + PIECE], channels[i : i + PIECE]) for i in range(0, ticks.size, PIECE)
    ]


def best_s(work: Callable[[], object], least_s: float = 1.0) -> float:
    """Return the shortest time that a piece of work takes, of as many as fit."""
    work()
    times: list[float] = []
    while sum(times) < least_s or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(a: Ticks, b: Ticks, bins: Bins, workers: int) -> Ticks:
    """Count all pairs of two arrays."""
    counter = PairCounter(bins, workers=workers)
    cuts = np.arange(PIECE, a.size, PIECE)
    stops = np.split(b, np.searchsorted(b, a[cuts]))
    for starts, later, until in zip(
        np.split(a, cuts), stops, [*a[cuts].tolist(), sys.maxsize], strict=True
    ):
        counter.push(starts, later, until)
    counter.finish()
    return counter.counts


def with_searchsorted(a: Ticks, b: Ticks, bins: Bins) -> Ticks:
    """Count the same with numpy alone."""
    first = np.searchsorted(b, a + bins.edges[0])
    number = np.searchsorted(b, a + bins.edges[-1]) - first
    starts = np.repeat(a, number)
    places = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number - first, number)
    scale, shift, divisor = bins.arithmetic
    return np.bincount(((b[places] - starts) * scale + shift) // divisor, minlength=len(bins))


def pycorrelate(bins: Bins) -> float:
    """Return the peer's speed in millions of tags a second."""
    pcorrelate = import_module("pycorrelate").pcorrelate
    a, b = streams(1_000_000)
    counts = pcorrelate(a, b, bins.edges) * bins.ticks  # it gives them per tick
    if not np.array_equal(np.rint(counts), ours(a, b, bins, 1)):
        raise RuntimeError("pycorrelate counts otherwise")
    return 1 / best_s(lambda: pcorrelate(a, b, bins.edges))


# What the command takes of memory is known to itself alone. Of `getrusage` Linux gives no less
# than the parent had, which holds the tags of the other rows.
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


def command(path: Path) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of the command on a file."""
    asked = ["tags", "correlate", str(path), "--start", "1", "--stop", "2", "--bin", "100"]
    start = time.perf_counter()
    ended = run([sys.executable, "-c", _CHILD, *asked], capture_output=True, check=False)
    took = time.perf_counter() - start
    if ended.returncode > 1:  # 1 is flat light; the copies in the long file are not
        raise RuntimeError(ended.stderr.decode())
    return took, float(ended.stderr.split()[-1]) / 1000


def file_rows() -> list[Row]:
    """Run the command on a short and on a long file."""
    short = mixed(*streams(TAGS // 4))
    words = [
        (tags.ticks.astype("<u8") << np.uint64(10)) | tags.channels.astype("<u8") for tags in short
    ]
    span = int(short[-1].ticks[-1]) + 1000
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "short.dat", Path(folder) / "long.dat"
        np.concatenate(words).tofile(few)
        with many.open("wb") as file:
            for k in range(10):
                for word in words:
                    (word + np.uint64(k * span << 10)).tofile(file)
        command(few)
        (few_s, few_mb), (many_s, many_mb) = command(few), command(many)
        tags = few.stat().st_size / 8
    speed = 9 * tags / (many_s - few_s) / 1e6
    name = f"`qlab tags correlate`, {10 * tags:.0e} stamps".replace("e+0", "e")
    return [
        Row(f"{name}: whole command", many_s, "s", many_s / few_s, f"a tenth of it, {few_s:.3g} s"),
        Row(f"{name}: each further tag", speed, "Mtags/s", speed / 50, "50 M/s of reading alone"),
        Row(f"{name}: peak memory", many_mb, "MB", many_mb / few_mb, f"a tenth, {few_mb:.0f} MB"),
    ]


def rows() -> list[Row]:
    """Measure counting, and the whole with normalisation and search."""
    a, b = streams(TAGS)
    bins = Bins.around_zero(BIN_S / TICK_S, RANGE_S / TICK_S)
    counts = ours(a, b, bins, 2)
    if not np.array_equal(counts, with_searchsorted(a, b, bins)):
        raise RuntimeError("the ways to count do not agree")
    speeds = {"numpy searchsorted": TAGS / best_s(lambda: with_searchsorted(a, b, bins)) / 1e6}
    if find_spec("pycorrelate") is not None:
        speeds["pycorrelate"] = pycorrelate(bins)
    beside = ", ".join(f"{name} {speed:.3g} M/s" for name, speed in speeds.items())
    fastest = max(speeds.values())
    times = {
        "arrays a channel, 1 thread": best_s(lambda: ours(a, b, bins, 1)),
        "arrays a channel, 2 threads": best_s(lambda: ours(a, b, bins, 2)),
    }
    pieces = mixed(a, b)
    task = Task(1, 2, False, BIN_S, RANGE_S)
    times["mixed stream with g2 and search, 2 threads"] = best_s(
        lambda: correlate(ahead(within(iter(pieces), 1, 2)), task, TICK_S, workers=2)
    )
    found = []
    for name, seconds in times.items():
        speed = TAGS / seconds / 1e6
        target = None if "1 thread" in name else 100.0
        found.append(
            Row(
                f"correlate, 1 Mcps, 100 ns: {name}",
                speed,
                "Mtags/s",
                speed / fastest,
                beside,
                target,
            )
        )
    return found + (file_rows() if sys.platform != "win32" else [])


if __name__ == "__main__":
    print(table(rows()))
