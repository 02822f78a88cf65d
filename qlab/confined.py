"""Work on a stranger's file in a process of its own, where nothing can be lost.

Flipped bits have made HDF5 crash, hang, and ask for all memory. A module that is run by
`confined_command` limits itself by `limit_resources` before it opens the file.
"""

from __future__ import annotations

import os
import sys

__all__ = ["confined_command", "confined_environment", "limit_resources"]

_MEMORY_BYTES = 4 << 30


def confined_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs one of our modules; see also `confined_environment`."""
    # -P and the caller's own path: nothing in the working directory can slip in.
    return [sys.executable, "-P", "-m", module, *arguments]


def confined_environment() -> dict[str, str]:
    """Return the environment for it."""
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "OPENBLAS_NUM_THREADS": "1",
    }


def limit_resources(seconds: int | None = None) -> None:
    """Limit this process's memory and, if told, its time on the processor.

    On Windows there are no such limits: whoever started it limits its time.
    """
    try:
        import resource
    except ImportError:
        return
    limits = [(resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CORE, 0)]
    if seconds is not None:
        limits.append((resource.RLIMIT_CPU, seconds))
    for what, limit in limits:
        try:
            resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))
        except (ValueError, OSError):
            continue  # macOS knows the limit on address space but does not take it
