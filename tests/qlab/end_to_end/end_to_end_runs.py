"""Whole runs for the end-to-end tests: short stations, child processes, journals."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np

from drivers.core.context import Kind
from qlab.cli import main
from qlab.runfile.reader import RunFile

HERE = Path(__file__).parent
CHILD = HERE / "run_child.py"

#: A run that is over in about a second: three blocks, and no key.
SHORT = {"slots": 300_000, "block_slots": 100_000}


def bench_text(options=None, *changes):
    """Return the packaged bench with options of [bb84] and (old, new) replaced."""
    text = (resources.files("qlab.stations") / "bench.toml").read_text(encoding="utf-8")
    options = SHORT if options is None else options
    kept = [line for line in text.splitlines() if line.split(" = ")[0] not in options]
    text = "\n".join(kept) + "\n"
    lines = "".join(f"{key} = {value}\n" for key, value in options.items())
    for old, new in (("[bb84]\n", f"[bb84]\n{lines}"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def fault(name, **table):
    """Return a change for `bench_text` that arms a fault of one simulated device."""
    inner = ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    head = f"[simulation.devices.{name}]\n"
    return head, f"{head}faults = [{{ {inner} }}]\n"


def run_qlab(capsys, *arguments):
    """Run a command in this process; return exit code, stdout and stderr."""
    try:
        main([str(a) for a in arguments])
    except SystemExit as ended:
        said = capsys.readouterr()
        return ended.code, said.out, said.err
    raise AssertionError("main returned")


def start_qlab(*arguments, hook="", keys=None, **environment):
    """Start a command as a child process; `hook` says what `run_child.py` does to it."""
    env = {**os.environ, "NO_COLOR": "1", **environment}
    if keys is not None:
        env["QLAB_KEYS"] = str(keys)
    return subprocess.Popen(
        [sys.executable, str(CHILD), hook, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def wait_for(condition, child, seconds=60.0):
    """Wait until `condition` holds or the child has ended; return whether it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if child.poll() is not None:
            return condition()
        time.sleep(0.001)
    child.kill()
    raise AssertionError("the child hangs")


def records(path):
    """Return all records of a run file but the run's own notes."""
    with RunFile.open(path) as run:
        return [r for r in run.records() if r.source != "run"]


def data(path):
    """Return the data columns of a run file."""
    with RunFile.open(path) as run:
        names = [n for n in run.datasets if n.startswith("data/")]
        return {name: run.read(name) for name in names}


def replayed(capsys, path):
    """Return exit code and report of `qlab replay --json`."""
    code, out, _ = run_qlab(capsys, "replay", path, "--json")
    return code, json.loads(out)


def written(path, source):
    """Return the messages sent to an instrument, in order."""
    return [r.data for r in records(path) if r.source == source and r.kind is Kind.WRITE]


def is_prefix(part, whole):
    """Whether an array is the beginning of another."""
    return len(part) <= len(whole) and np.array_equal(part, whole[: len(part)])


KILLED = -getattr(signal, "SIGKILL", 9)
