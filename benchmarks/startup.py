"""How long `qlab --help` and `import qlab` take: `python -m benchmarks.startup`.

Wall time of whole processes, in turn with a bare interpreter, median of 15.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.rows import Row, table

ROUNDS = 15
COMMANDS = {
    "bare": ("-c", "pass"),
    "import": ("-c", "import qlab"),
    "help": ("-m", "qlab", "--help"),
}


def seconds(arguments: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def rows() -> list[Row]:
    for arguments in COMMANDS.values():
        seconds(arguments)  # compiled files and the system's cache are there afterwards
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    found = {name: statistics.median(each) for name, each in times.items()}
    bare, against = found["bare"], "`python -c pass`"
    return [
        Row("`qlab --help`", found["help"], "s", found["help"] / bare, against, 0.15, True),
        Row("`python -c 'import qlab'`", found["import"], "s", found["import"] / bare, against),
    ]


if __name__ == "__main__":
    print(table(rows()))
