"""The Allan deviation of a series that is still growing."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["RunningDeviation"]


class RunningDeviation:
    """The overlapping Allan deviation at a few averaging factors (NIST SP 1065, eq. 11).

    Gaps end a record: no term reaches across one, and frequency is not added up
    through it.

    Parameters
    ----------
    interval_s : float
        Time between readings.
    phase : bool
        Whether readings are phases in seconds; else they are fractional frequencies.
    factors : tuple of int
        Averaging factors.
    """

    def __init__(
        self, interval_s: float, *, phase: bool, factors: tuple[int, ...] = (1, 10, 100, 1000)
    ) -> None:
        self._interval_s = interval_s
        self._of_phase = phase
        self._factors = factors
        self._phases: deque[float] = deque(maxlen=2 * max(factors) + 1)
        self._sums = [0.0] * len(factors)
        self._terms = [0] * len(factors)

    def add(self, reading: float) -> None:
        """Take the next reading; nan for one that is missing."""
        phases = self._phases
        if math.isnan(reading):
            phases.clear()
            return
        if self._of_phase:
            phases.append(reading)
        else:
            if not phases:
                phases.append(0.0)
            phases.append(phases[-1] + reading * self._interval_s)
        count = len(phases)
        for place, factor in enumerate(self._factors):
            if count <= 2 * factor:
                break
            change = phases[-1] - 2.0 * phases[-1 - factor] + phases[-1 - 2 * factor]
            self._sums[place] += change * change
            self._terms[place] += 1

    def found(self) -> list[tuple[float, float]]:
        """Return averaging times in seconds and deviations, as far as there are any."""
        return [
            (factor * self._interval_s, math.sqrt(0.5 * total / terms) / factor / self._interval_s)
            for factor, total, terms in zip(self._factors, self._sums, self._terms, strict=True)
            if terms
        ]
