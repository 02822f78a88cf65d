"""Where a station's time comes from; each is a `drivers.core.context.Clock`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.simulated.time import BenchTime

__all__ = ["BenchClock", "TimeKind", "WallClock"]

#: Time of a simulated bench; the lab has real time only.
TimeKind = Literal["virtual", "real"]


class WallClock:
    """Real time, from the moment it was made."""

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return nanoseconds since then."""
        return time.monotonic_ns() - self._start_ns

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(max(seconds, 0.0))


class BenchClock:
    """A simulated bench's time, virtual or real."""

    def __init__(self, bench_time: BenchTime) -> None:
        self._time = bench_time
        #: Returns nanoseconds since the bench was built; asked for with every record.
        self.now_ns: Callable[[], int] = bench_time.now_ns

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._time.wait_until(self._time.now_ns() + round(seconds * 1e9))
