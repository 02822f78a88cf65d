"""Where compiled kernels are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["compilation_announced", "interruptible", "provide_kernel_cache"]


def provide_kernel_cache() -> None:
    """Give numba a folder for this process where it would find none that it can write to.

    It keeps kernels beside their modules, else in the user's cache folder, and fails
    where it may write to neither. A folder that others might have filled is no
    alternative, since what is kept there is executed: so it is a new one, which goes with
    the process, and every start compiles anew. ``NUMBA_CACHE_DIR`` overrides all that.
    """
    if "NUMBA_CACHE_DIR" in os.environ or os.access(Path(__file__).parent, os.W_OK):
        return
    from platformdirs import user_cache_path

    nearest = user_cache_path("numba", appauthor=False)
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if os.access(nearest, os.W_OK):
        return
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="qlab-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder


@contextmanager
def compilation_announced(say: Callable[[str], None]) -> Iterator[None]:
    """Say so, once, if numba compiles meanwhile: the first run after an installation waits.

    Parameters
    ----------
    say : callable
        Takes a line for the user.
    """
    from numba.core import event

    class Announcer(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                say("compiling, which only the first run after an installation has to wait for")

        def on_end(self, event: Any) -> None:
            """Nobody waits for that."""

    with event.install_listener("numba:compile", Announcer()):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be one although it comes during a kernel, out of which it is a SystemError."""
    try:
        yield
    except SystemError as error:
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
