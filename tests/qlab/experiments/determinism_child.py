"""Run or replay in a process of its own: `determinism_child.py run|replay SEED FILE [elsewhere]`.

Prints one JSON object: the journal's digest and the results, or what a replay found.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import resources
from pathlib import Path

OPTIONS = "slots = 450_000\nblock_slots = 150_000\n"


def station_text() -> str:
    """Return the default bench with three short blocks."""
    text = (resources.files("qlab.stations") / "bench.toml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("slots = ")]
    return "\n".join(kept).replace("[bb84]\n", f"[bb84]\n{OPTIONS}")


def run(seed: int, path: Path, *, apart: bool = True) -> dict[str, object]:
    from qlab.keystore import KeyStore
    from qlab.runfile.export import journal_digest
    from qlab.runfile.reader import RunFile
    from qlab.runner import run_experiment
    from qlab.station import parse_station

    with tempfile.TemporaryDirectory() as keys:
        outcome = run_experiment(
            "bb84",
            parse_station(station_text(), "bench.toml"),
            path,
            seed=seed,
            key_store=KeyStore(Path(keys)),
            apart=apart,
        )
    if outcome.error is not None:
        raise outcome.error
    with RunFile.open(path) as found:
        return {"digest": journal_digest(found), "results": outcome.results}


def replay(path: Path, *, elsewhere: bool) -> dict[str, object]:
    from qlab.replay import player

    if elsewhere:
        player.platform_mark = lambda: "another"
    return player.replay_run(path).as_dict()


if __name__ == "__main__":
    what, seed, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    found = run(seed, path) if what == "run" else replay(path, elsewhere="elsewhere" in sys.argv)
    sys.stdout.write(json.dumps(found))
