"""Record the golden run file of the present schema: `python tests/golden/record.py`.

See README.md beside it. An existing file is never replaced.
"""

from __future__ import annotations

import gzip
import os
import platform
import sys
import tempfile
from importlib import resources
from pathlib import Path

from qlab.keystore import KeyStore
from qlab.replay import replay_run
from qlab.runfile.schema import MAJOR, MINOR
from qlab.runner import run_experiment
from qlab.station import parse_station

SEED = 20_260
OPTIONS = {"slots": 40_000, "block_slots": 20_000, "listen_margin_s": 0.005}


def station_text() -> str:
    """Return the default bench with two small blocks."""
    text = (resources.files("qlab.stations") / "bench.toml").read_text(encoding="utf-8")
    kept = [line for line in text.split("\n") if line.partition("=")[0].strip() not in OPTIONS]
    at = kept.index("[bb84]") + 1
    return "\n".join([*kept[:at], *(f"{k} = {v}" for k, v in OPTIONS.items()), *kept[at:]])


def main() -> None:
    """Run, check that it replays, and keep it compressed."""
    golden = Path(__file__).resolve().parent / f"bb84-{MAJOR}.{MINOR}.h5.gz"
    if golden.exists():
        raise SystemExit(f"{golden.name} is there already: it is never replaced")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # no repository: nothing of the recorder's own is in the file
        os.environ["GIT_CEILING_DIRECTORIES"] = str(Path(folder).parent)
        sys.argv = ["qlab", "run", "bb84", "--seed", str(SEED)]
        platform.node = lambda: "golden"
        path = Path("bb84.h5")
        outcome = run_experiment(
            "bb84",
            parse_station(station_text(), "bench.toml"),
            path,
            seed=SEED,
            key_store=KeyStore(Path("keys")),
        )
        if outcome.error is not None:
            raise outcome.error
        report = replay_run(path)
        if not report.matched:
            raise SystemExit(report.summary())
        golden.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        os.chdir("/")
    sys.stderr.write(f"{golden.name}: {golden.stat().st_size} bytes, {report.summary()}\n")


if __name__ == "__main__":
    main()
