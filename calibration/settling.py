"""Wait until attenuators stand where they were sent."""

from __future__ import annotations

from collections.abc import Iterable

from drivers.core.context import Clock
from drivers.core.errors import InstrumentFaultError
from drivers.roles import Attenuator

__all__ = ["wait_until_settled"]

#: A filter is asked this often.
_INTERVAL_S = 0.02


def wait_until_settled(
    attenuators: Iterable[Attenuator], clock: Clock, timeout_s: float = 500.0
) -> None:
    """Wait until each filter and shutter has arrived, in all `timeout_s` at most.

    The default is time enough for 45 dB at the slowest filter speed there is, 0.1 dB/s
    (Keysight N77xx Series Programming Guide, N7744-90C01, p. 101).

    Raises
    ------
    InstrumentFaultError
        If one has not arrived in time.
    """
    end_ns = clock.now_ns() + round(timeout_s * 1e9)
    for attenuator in attenuators:
        while not attenuator.settled:
            if clock.now_ns() >= end_ns:
                raise InstrumentFaultError(
                    f"a filter or shutter has not arrived after {timeout_s:g} s",
                    remedy="set a higher filter speed, or look at the unit's panel",
                    instrument=getattr(attenuator, "path", ""),
                )
            clock.sleep(_INTERVAL_S)
