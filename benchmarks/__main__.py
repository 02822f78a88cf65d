"""All benchmarks: `python -m benchmarks`, or those that are named.

Prints the machine, then one table; see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import textwrap
from datetime import UTC, datetime
from importlib import import_module

from benchmarks.rows import Row, table
from qlab.provenance import provenance

MODULES = (
    "startup",
    "recorded_visa",
    "visa",
    "runfile",
    "plant",
    "prediction",
    "cascade",
    "peers",
    "ldpc",
    "hashing",
    "link",
    "distillation",
    "stability",
    "clock_bench",
    "clock_loop",
    "clock_holdover",
    "clock_stack",
    "tags_reading",
    "tags_formats",
    "tags_correlation",
    "tags_pulsed",
    "tags_sync",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    chosen = parser.parse_args().modules or MODULES
    unknown = set(chosen) - set(MODULES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    print(machine())
    found: list[Row] = []
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found += import_module(f"benchmarks.{name}").rows()
    print(table(found))


def machine() -> str:
    """Return what the figures depend on, a line each."""
    origin = provenance(None)
    mark, versions = json.loads(origin["platform"]), json.loads(origin["versions"])
    commit = origin.get("git_commit", "unknown")[:12]
    if origin.get("git_diff"):
        commit += " with changes"
    lines = [
        f"date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}",
        f"system: {platform.system()} {platform.release()}, {os.cpu_count()} cores",
        f"processor: {textwrap.shorten(mark['processor'], 60)}",
        "versions: " + ", ".join(f"{name} {said}" for name, said in versions.items() if said),
    ]
    if hasattr(os, "getloadavg"):
        lines.append("load average: " + ", ".join(f"{load:.2f}" for load in os.getloadavg()))
    return "".join(f"- {line}\n" for line in lines)


if __name__ == "__main__":
    main()
