"""Time on a simulated bench: integer nanoseconds, virtual or real.

On the in-process bench time is virtual: it stands still while the program
computes and jumps when something waits, so that a run of hours passes in
seconds and is the same every time. Served over TCP or a pty it is the wall
clock. Devices ask only `now_ns`; carriers wait with `wait_until`.

The bench's time also owns the bench's one lock. Physics is single-threaded:
whoever calls a device holds `lock`, and nobody waits while holding it.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["BenchTime", "RealTime", "VirtualTime"]

_POLL_NS = 2_000_000


class BenchTime(Protocol):
    """The bench's clock, in nanoseconds since the bench was built."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The re-entrant lock that one thread holds while it touches devices."""

    def now_ns(self) -> int:
        """Return the present."""

    def wait_until(self, t_ns: int) -> None:
        """Return when `t_ns` has come; at once if it is past."""

    def poll(self, deadline_ns: int | None) -> bool:
        """Let some time pass for what cannot be foreseen, at most until `deadline_ns`.

        Returns False if the deadline has passed, or if nothing can happen by
        itself and there is none (None).
        """


class VirtualTime:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._now_ns = 0

    def now_ns(self) -> int:
        """Return the present in nanoseconds."""
        return self._now_ns

    def wait_until(self, t_ns: int) -> None:
        """Jump to `t_ns`, never backwards."""
        if t_ns > self._now_ns:
            self._now_ns = t_ns

    def poll(self, deadline_ns: int | None) -> bool:
        """Jump to the deadline: one thread moves the bench, so nothing comes before."""
        if deadline_ns is None or deadline_ns <= self._now_ns:
            return False
        self._now_ns = deadline_ns
        return True


class RealTime:
    """The wall clock, from the moment the bench was built."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return the present in nanoseconds."""
        return time.monotonic_ns() - self._start_ns

    def wait_until(self, t_ns: int) -> None:
        """Sleep until `t_ns`."""
        rest_ns = t_ns - self.now_ns()
        while rest_ns > 0:  # a sleep may end a little early
            time.sleep(rest_ns * 1e-9)
            rest_ns = t_ns - self.now_ns()

    def poll(self, deadline_ns: int | None) -> bool:
        """Sleep a few milliseconds."""
        rest_ns = _POLL_NS if deadline_ns is None else deadline_ns - self.now_ns()
        if rest_ns <= 0:
            return False
        time.sleep(min(rest_ns, _POLL_NS) * 1e-9)
        return True
