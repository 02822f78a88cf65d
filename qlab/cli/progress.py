"""How far a run is, on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from qlab.context import Progress

__all__ = ["run_progress"]


@contextmanager
def run_progress() -> Iterator[Progress]:
    """Show progress while the block runs."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars

    with Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    ) as bars:
        yield _Bars(bars)


class _Lines:
    """One line for each phase, for logs."""

    def phase(self, title: str, total: int = 0) -> None:
        count = f" ({total})" if total else ""
        with suppress(OSError):  # a terminal that is gone does not end the run
            sys.stderr.write(f"{title}{count}\n")
            sys.stderr.flush()

    def step(self, note: str = "") -> None:
        """Show nothing: a log has no use for every step."""


class _Bars:
    """A bar for each phase."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task: Any = None

    def phase(self, title: str, total: int = 0) -> None:
        self._finish()
        self._task = self._bars.add_task(title, total=total or None, note="")

    def step(self, note: str = "") -> None:
        if self._task is not None:
            self._bars.update(self._task, advance=1, note=note)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            total = task.total or max(task.completed, 1)
            self._bars.update(self._task, total=total, completed=total)
