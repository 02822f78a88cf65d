"""How far a run is, on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from qlab.context import Progress, SilentProgress

__all__ = ["run_progress"]


@contextmanager
def run_progress() -> Iterator[Progress]:
    """Show progress while the block runs."""
    if sys.stderr is None:  # closed before the start
        yield SilentProgress()
        return
    shown = _Tolerant(sys.stderr)
    if not sys.stderr.isatty():
        yield _Lines(shown)
        return
    from rich.console import Console, RenderableType
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class BarsWithNote(Bars):
        """Bars, and below them the latest note in all its width."""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            if self.tasks and (note := str(self.tasks[-1].fields["note"])):
                yield Text(note)

    with BarsWithNote(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=shown),  # type: ignore[arg-type]  # writes, flushes, and passes the rest on,
    ) as bars:
        yield _Bars(bars)


class _Tolerant:
    """A stream whose writes may come to nothing: a terminal that is gone ends no run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Lines:
    """One line for each phase, for logs."""

    def __init__(self, shown: _Tolerant) -> None:
        self._shown = shown

    def phase(self, title: str, total: int = 0) -> None:
        count = f" ({total})" if total else ""
        self._shown.write(f"{title}{count}\n")
        self._shown.flush()

    def step(self, note: object = "") -> None:
        """Show nothing: a log has no use for every step."""


class _Bars:
    """A bar for each phase."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task: Any = None

    def phase(self, title: str, total: int = 0) -> None:
        self._finish()
        self._task = self._bars.add_task(title, total=total or None, note="")

    def step(self, note: object = "") -> None:
        if self._task is not None:
            self._bars.update(self._task, advance=1, note=note)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            total = task.total or max(task.completed, 1)
            self._bars.update(self._task, total=total, completed=total)
