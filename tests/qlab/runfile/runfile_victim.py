"""A writer that is killed: `runfile_victim.py FILE OPERATIONAL [WHERE]`.

It writes a known run and says on stdout, after every commit it asked for, how
many records that commit covers. With WHERE it kills itself there: a function of
the package and ``before`` or ``after``, with a count, as in
``column.Column.settle:before:7``; or ``line:N``: at the N-th line executed in
the modules that touch the disk.
"""

import importlib
import os
import signal
import sys
from itertools import islice
from pathlib import Path
from types import FrameType

import runfile_makers as makers

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
STEPS = ("placing", "container", "column", "seal")


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def die() -> None:
    os.kill(os.getpid(), KILL)


def kill_at(where: str) -> None:
    module_name, _, rest = where.partition(".")
    function_path, when, nth = rest.split(":")
    owner = importlib.import_module(f"qlab.runfile.{module_name}")
    *classes, name = function_path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    function = getattr(owner, name)
    calls = 0

    def hooked(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == int(nth) and when == "before":
            die()
        returned = function(*args, **kwargs)
        if calls == int(nth) and when == "after":
            die()
        return returned

    setattr(owner, name, hooked)


def kill_at_line(number: int) -> None:
    """Count lines of the modules that touch the disk; report the count if it is not reached."""
    files = {importlib.import_module(f"qlab.runfile.{step}").__file__ for step in STEPS}
    lines = 0

    def local(frame: FrameType, event: str, _: object):
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == number:
                die()
        return local

    def trace(frame: FrameType, event: str, _: object):
        return local if frame.f_code.co_filename in files else None

    sys.settrace(trace)
    run(short=True)
    sys.settrace(None)
    say("lines", lines)


def run(*, short: bool) -> None:
    path, operational = Path(sys.argv[1]), sys.argv[2] == "operational"
    now = iter(range(10**9))
    # Half the commits come by the writer's own clock: every seventh look at it finds one due.
    writer = makers.start_run(path, operational=operational, monotonic=lambda: 0.1 * next(now))
    say("start")
    total = 40 if short else 10**9
    for number, step in enumerate(islice(makers.expected_records(1), total)):
        writer.record(**step)
        if number % 10 == 9:
            times, detectors = makers.tags(number // 10)
            writer.append("data/bob/timestamps", times)
            writer.append("data/bob/detectors", detectors)
        if number % 15 == 14:
            writer.commit()
            say("commit", number + 1)
    writer.close()
    say("closed")


if __name__ == "__main__":
    where = sys.argv[3] if len(sys.argv) > 3 else ""
    if where.startswith("line:"):
        kill_at_line(int(where.partition(":")[2]))
    else:
        if where:
            kill_at(where)
        run(short=bool(where))
