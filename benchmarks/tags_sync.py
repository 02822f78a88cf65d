"""How two stations find their common time: `python -m benchmarks.tags_sync`.

Six seconds of photon pairs with 300 ps of jitter among singles, B's clock off and fast, as files
of qcrypto stamps. `qlab tags sync A B --json` runs on them in a process of its own, without any
setting: whole wall time with start-up, processor time, peak memory, and how far offset and
frequency are from the truth. Beside it in the same run fpfind, where it is installed
(`pip install fpfind`, 3.3.6, GPL: run by its command line), with the settings that find the first
case, ``-q 23 -P``; it is stopped after 90 s.

Then the spread of offset and frequency over some seeds, over the bound of Cramér and Rao for
as many pairs evenly spread without accidentals.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, TimeoutExpired, run

import numpy as np

from benchmarks.rows import Row, table

SECONDS, JITTER_S, STAMP_S = 6.0, 300e-12, 1 / 256e9
SEEDS = 40
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Case:
    """Pairs and singles in all, the clocks' difference, and the seconds it may take."""

    pairs: int
    singles_a: int
    singles_b: int
    offset_s: float
    ppm: float
    target_s: float | None

    @property
    def name(self) -> str:
        rates = f"{self.pairs / 1e3:g} k of {self.singles_a / 1e3:g} k, {self.singles_b / 1e3:g} k"
        return f"sync, {rates}; {self.offset_s * 1e3:g} ms, {self.ppm:+g} ppm"


CASES = (
    Case(10_000, 50_000, 100_000, 12.3e-3, 5.0, 2.0),
    Case(10_000, 50_000, 100_000, 12.3e-3, 50.0, 3.0),
    Case(3_000, 200_000, 200_000, -87.65e-3, -100.0, 4.0),
    Case(1_000, 50_000, 500_000, 12.3e-3, 5.0, 15.0),
    Case(10_000, 50_000, 100_000, 0.98, 199.0, None),
    Case(10_000, 50_000, 100_000, -0.98, -199.0, None),
)

# What the command takes is known to itself alone; see `benchmarks.tags_correlation`.
_CHILD = """\
import sys, time
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
    print(time.process_time(), peak, file=sys.stderr)
"""


def write(case: Case, folder: Path, seed: int) -> tuple[list[Path], float]:
    """Write both stations' stamps; return the files and A's first tag in seconds."""
    draws = np.random.default_rng(seed)
    born = draws.random(case.pairs) * SECONDS
    times = []
    for singles in (case.singles_a, case.singles_b):
        spread = draws.normal(0, JITTER_S / np.sqrt(2), case.pairs)
        others = draws.random(singles - case.pairs) * SECONDS
        times.append(10.0 + np.append(born + spread, others))
    first = float(times[0].min())
    times[1] += case.offset_s + case.ppm * 1e-6 * (times[1] - first)
    files = []
    for name, tags in zip("ab", times, strict=True):
        ticks = np.sort(np.rint(tags / STAMP_S)).astype(np.uint64)
        files.append(folder / f"{name}.a1")
        ((ticks << np.uint64(10)) | np.uint64(1)).astype("<u8").tofile(files[-1])
    return files, first


def ours(files: list[Path]) -> tuple[dict[str, float], float, float, float]:
    """Return what the command says, its wall and processor time, and its peak memory in MB."""
    start = time.perf_counter()
    ended = run(
        [sys.executable, "-c", _CHILD, "tags", "sync", *map(str, files), "--json"],
        capture_output=True,
        check=False,
    )
    took = time.perf_counter() - start
    if ended.returncode:
        raise RuntimeError(ended.stderr.decode())
    cpu, peak = ended.stderr.split()[-2:]
    return json.loads(ended.stdout), took, float(cpu), float(peak) / 1000


def fpfind(files: list[Path], ppm: float) -> tuple[float | None, str]:
    """Return the peer's wall time, None where it finds nothing, and what it says."""
    command = Path(sys.executable).with_name("fpfind")
    found = str(command) if command.exists() else shutil.which("fpfind")
    if found is None:
        return None, "fpfind: not installed"
    start = time.perf_counter()
    asked = [found, "-t", str(files[0]), "-T", str(files[1]), "-q", "23", "-P", "-pp", "-V", "1"]
    try:
        ended = run(asked, stdout=-1, stderr=DEVNULL, check=False, timeout=PATIENCE_S)
    except TimeoutExpired:
        return None, f"fpfind: nothing in {PATIENCE_S:g} s"
    took = time.perf_counter() - start
    words = ended.stdout.split()
    if ended.returncode or len(words) < 2:
        return None, f"fpfind: not found, {took:.3g} s"
    error = abs(abs(float(words[0])) - abs(ppm) * 1e-6)
    if error > 1e-8:
        return None, f"fpfind: wrong, {took:.3g} s"
    return took, f"fpfind: {took:.3g} s, df error {error:.1g}"


def case_rows(case: Case, folder: Path) -> list[Row]:
    """Run ours and the peer on one case."""
    files, _ = write(case, folder, 1)
    theirs, beside = fpfind(files, case.ppm)
    said, took, cpu, peak = ours(files)
    offset_ps = abs(said["offset_ps"] - case.offset_s * 1e12)
    error = abs(said["frequency_ratio_minus_1"] - case.ppm * 1e-6)
    if offset_ps > 6 * said["offset_std_ps"] + 4:
        raise RuntimeError(f"{case.name}: wrong by {offset_ps} ps")
    against = took / theirs if theirs else float("nan")
    name = case.name
    return [
        Row(f"{name}: whole command, {cpu:.2g} s CPU", took, "s", against, beside, case.target_s,
            at_most=True),
        Row(f"{name}: frequency error", error, "", error / said["frequency_std"], "its std",
            1e-11 if case is CASES[0] else None, at_most=True),
        Row(f"{name}: peak memory", peak, "MB", peak / 500, "500 MB", 500.0, at_most=True),
    ]  # fmt: skip


def bound_rows(case: Case, folder: Path) -> list[Row]:
    """Return the spread over seeds against the bound."""
    from fractions import Fraction

    from qlab.tags.syncing import synchronise_files

    away = []
    for seed in range(SEEDS):
        files, _ = write(case, folder, 100 + seed)
        found, _ = synchronise_files(files[0], files[1], None, None, 1.0, 2e-4)
        offset = float((found.offset_s - Fraction(case.offset_s)) * 10**12)
        away.append((offset, found.found.rate - case.ppm * 1e-6))
    spread = np.sqrt(np.mean(np.square(away), axis=0))
    bounds = (
        2 * JITTER_S / case.pairs**0.5 * 1e12,
        JITTER_S * (12 / case.pairs) ** 0.5 / SECONDS,
    )
    what = f"{case.name}: {SEEDS} seeds, rms error of"
    return [
        Row(f"{what} offset", spread[0], "ps", spread[0] / bounds[0], f"bound {bounds[0]:.3g}"),
        Row(f"{what} frequency", spread[1], "", spread[1] / bounds[1], f"bound {bounds[1]:.3g}"),
    ]


def rows() -> list[Row]:
    """Measure every case."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours(write(CASES[0], folder, 0)[0])  # compiles
        for case in CASES:
            found += case_rows(case, folder)
        found += bound_rows(CASES[0], folder)
    return found


if __name__ == "__main__":
    print(table(rows()))
