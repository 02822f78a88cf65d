"""How fast the statistics of stability are: `python -m benchmarks.stability`.

Ours is the ordinary call, which identifies the noise and works out confidence limits;
allantools gives the deviation alone. Wall time, best of some, kernels compiled before. Where
allantools takes more than ten seconds both get fewer points for the ratio, and the row says
how many. The long file goes through `qlab clock stability` in a process of its own, whose
peak memory is its own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import run

import allantools
import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row, table
from protocols.stability import stability
from protocols.stability.taus import Taus

LONG = 100_000_000
PIECE = 1_000_000


@dataclass(frozen=True)
class Case:
    """A statistic, with how many points it is timed and with how many it is compared."""

    statistic: str
    points: int
    compared: int
    most_s: float | None = None
    least_ratio: float | None = None
    taus: Taus = "octave"

    @property
    def name(self) -> str:
        taus = "all taus" if self.taus == "all" else "octaves"
        return f"{self.statistic.upper()}, {self.points:.0e} points, {taus}".replace("e+0", "e")


CASES = (
    Case("mtie", 1_000_000, 100_000, most_s=0.2),
    Case("oadev", 1_000_000, 1_000_000, least_ratio=3),
    Case("mdev", 1_000_000, 1_000_000, least_ratio=3),
    Case("oadev", 100_000, 20_000, most_s=3, taus="all"),
    Case("mtotdev", 10_000, 600, most_s=1),
    Case("ttotdev", 10_000, 600, most_s=1),
    Case("htotdev", 10_000, 600, most_s=1),
    Case("theo1", 10_000, 2_000, most_s=1),
    Case("pdev", 10_000, 10_000, most_s=1),
)


def best_s(work: Callable[[], object], least_s: float = 0.5) -> float:
    """Return the shortest time that a piece of work takes, of as many as fit."""
    work()
    times = [_timed(work)]
    while sum(times) < least_s and len(times) < 50:
        times.append(_timed(work))
    return min(times)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def phase(points: int) -> npt.NDArray[np.float64]:
    """Return white frequency noise as phase."""
    return np.cumsum(1e-11 * np.random.default_rng(1).standard_normal(points))


def rows_of(case: Case) -> list[Row]:
    """Time a case and compare it."""
    x, y = phase(case.points), phase(case.compared)
    call = getattr(allantools, case.statistic)
    ours = best_s(lambda: stability(x, 1.0, case.statistic, case.taus))
    same = case.points == case.compared
    alike = ours if same else best_s(lambda: stability(y, 1.0, case.statistic, case.taus))
    theirs = _timed(lambda: call(y, rate=1.0, taus=case.taus))
    if theirs < 2:
        theirs = best_s(lambda: call(y, rate=1.0, taus=case.taus))
    against = f"allantools, {theirs:.3g} s" + ("" if same else f" at {case.compared:,} points")
    found = [Row(case.name, ours, "s", alike / theirs, against, case.most_s, at_most=True)]
    if case.least_ratio is not None:
        name = f"{case.name}: times faster"
        found.append(Row(name, theirs / alike, "", alike / theirs, against, case.least_ratio))
    return found


# What the command takes of memory is known to itself alone.
_CHILD = """\
import sys
from qlab.cli import main
try:
    main(sys.argv[1:])
finally:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // (1024 if sys.platform == "darwin" else 1), file=sys.stderr)
"""


def long_file_rows() -> list[Row]:
    """Run the command on a file of a hundred million lines."""
    piece = "".join(f"{value:.6e}\n" for value in phase(PIECE).tolist()).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.txt"
        path.write_bytes(piece)
        loadtxt = _timed(lambda: np.loadtxt(path)) * LONG / PIECE
        with path.open("ab") as file:
            for _ in range(LONG // PIECE - 1):
                file.write(piece)
        command = ["clock", "stability", str(path), "--rate", "1", "--stat", "oadev,mdev", "--json"]
        start = time.perf_counter()
        ended = run([sys.executable, "-c", _CHILD, *command], capture_output=True, check=True)
        took = time.perf_counter() - start
        size = path.stat().st_size
    peak = float(ended.stderr.split()[-1]) * 1024
    name = "OADEV and MDEV of a file of 1e8 lines"
    return [
        Row(name, took, "s", took / loadtxt, f"numpy.loadtxt alone, {loadtxt:.0f} s"),
        Row(f"{name}: peak memory", peak / 1e6, "MB", peak / size, "the file", 500, at_most=True),
    ]


def rows() -> list[Row]:
    """Time every case, and the long file where memory can be asked for."""
    found = [row for case in CASES for row in rows_of(case)]
    return found + (long_file_rows() if sys.platform != "win32" else [])


if __name__ == "__main__":
    print(table(rows()))
