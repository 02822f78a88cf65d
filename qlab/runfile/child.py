"""Read an unsealed file where nothing can be lost.

``python -m qlab.runfile.child ROLE FILE SECONDS STALL`` prints one JSON object.
Flipped bits have made HDF5 crash, hang, and wait for ever longer for a writer
to mend what it read. The process that runs this has limits on memory, on its
time, and on the time from one step to the next.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qlab.confined import limit_resources

__all__ = ["examine", "main"]


def examine(path: Path, role: str, step: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Return how far the chain of commits of the file holds, or the error as fields."""
    from . import chain
    from .errors import RunFileError
    from .opening import damaged, open_hdf5

    try:
        file = open_hdf5(path, role, sealed=False)
        try:
            checked = chain.check(file, step)
            _touch_the_rest(file)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
            raise damaged(path, f"it cannot be read: {error}") from error
    except RunFileError as error:
        return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    return {
        "commits": checked.commits,
        "rows": checked.rows,
        "digest": checked.digest.hex(),
        "problem": checked.problem,
    }


def _touch_the_rest(file: Any) -> None:
    """Read whatever else a reader looks at, lest it is the first to do so."""
    from .chain import attributes_of
    from .schema import STATUS

    file[STATUS][()].decode("ascii")

    def visit(_: str, node: Any) -> None:
        attributes_of(node)
        if hasattr(node, "shape"):
            node.id.get_storage_size()

    file.visititems(visit)


def main() -> None:
    """Examine the file named on the command line within the limits."""
    role, path, seconds, stall = sys.argv[1:5]
    import h5py  # noqa: F401 - a slow start is no stall

    limit_resources(int(seconds))

    def step() -> None:
        # The alarm ends the process where it stands, also in the middle of HDF5.
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, float(stall))

    step()
    sys.stdout.write(json.dumps(examine(Path(path), role, step)))


if __name__ == "__main__":
    main()
