"""Find by how much the two ways of a fibre differ, with both of its ends at one place.

Two-way transfer gives the difference of two clocks but for half of d_AB - d_BA. Where both
clocks can be compared directly, before the far end is carried away or with the fibre laid as a
loop, a third counter tells that difference:

    d_AB - d_BA = (R_B - R_A) + 2 (c_local - c_ref) - 2 x

with the delay ledger that will be in use (`protocols.clock.two_way` for the signs). What the
ledger leaves wrong is in the asymmetry then, and drops out. Clocks and fibre may drift
meanwhile: all three counters measure the same second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calibration.intervals import LEAST, centred, mean_interval, measured_together
from drivers.core.errors import ValueOutOfRangeError
from drivers.roles import IntervalCounter
from protocols.clock.ledger import Correction

__all__ = ["Closure", "LinkAsymmetry", "calibrate_asymmetry", "link_asymmetry"]


@dataclass(frozen=True, slots=True)
class Closure:
    """One second of all three counters, in seconds; nan where one is missing.

    Attributes
    ----------
    here : float
        At the local clock B: started by its pulse, stopped by A's that arrives; R_B.
    far : float
        At the reference A: started by its pulse, stopped by B's that arrives; R_A.
    direct : float
        Started by the local pulse, stopped by the reference's, over short leads.
    """

    here: float
    far: float
    direct: float


@dataclass(frozen=True, slots=True)
class LinkAsymmetry:
    """The calibration's record.

    Attributes
    ----------
    difference_s : float
        d_AB - d_BA, A upstream, with the delays of the equipment.
    standard_uncertainty_s : float
        Of that, from the scatter and from the ledger of the direct comparison.
    round_trip_s : float
        d_AB + d_BA.
    readings : int
        Seconds that were used.
    """

    difference_s: float
    standard_uncertainty_s: float
    round_trip_s: float
    readings: int

    @property
    def alpha(self) -> float | None:
        """Return d_AB/d_BA - 1; none where either delay is not clearly positive."""
        if not self._has_ratio:
            return None
        return 2.0 * self.difference_s / (self.round_trip_s - self.difference_s)

    @property
    def alpha_uncertainty(self) -> float | None:
        """Return the standard uncertainty of `alpha`; that of the round trip does not count."""
        if not self._has_ratio:
            return None
        slope = 2.0 * self.round_trip_s / (self.round_trip_s - self.difference_s) ** 2
        return slope * self.standard_uncertainty_s

    @property
    def _has_ratio(self) -> bool:
        shorter_twice_s = self.round_trip_s - abs(self.difference_s)
        return shorter_twice_s > 5.0 * self.standard_uncertainty_s


def calibrate_asymmetry(
    here: IntervalCounter,
    far: IntervalCounter,
    direct: IntervalCounter,
    *,
    ledger: Correction,
    direct_ledger: Correction,
    readings: int = 300,
    period_s: float = 1.0,
) -> LinkAsymmetry:
    """Compare two clocks over the fibre and directly.

    Parameters
    ----------
    here, far, direct : IntervalCounter
        As in `Closure`, their thresholds set.
    ledger, direct_ledger : Correction
        Delays of the counter at the local clock, as they will be in use, and of `direct`.
    readings : int
        Seconds, at least 8.
    period_s : float
        Of the pulses.

    Raises
    ------
    ValueOutOfRangeError
        If the readings are too few.
    InstrumentFaultError
        If pulses are missing.
    """
    if readings < LEAST:
        raise ValueOutOfRangeError(f"{readings} readings are fewer than {LEAST}")
    counters = [here, far, direct]
    for counter in counters:
        counter.prepare_intervals(1, 2, 2.5 * period_s)
    closures = [Closure(*measured_together(counters)) for _ in range(readings)]
    return link_asymmetry(closures, ledger, direct_ledger, period_s)


def link_asymmetry(
    closures: Sequence[Closure], ledger: Correction, direct_ledger: Correction, period_s: float
) -> LinkAsymmetry:
    """Return the asymmetry from readings; see `calibrate_asymmetry`.

    Raises
    ------
    InstrumentFaultError
        If pulses are missing.
    """
    differences, trips = [], []
    for each in closures:
        # Without the clocks' difference, which may be half a period, short delays remain.
        there_s = centred(each.here - each.direct, period_s)
        back_s = centred(each.far + each.direct, period_s)
        differences.append(there_s - back_s + 2.0 * (ledger.value_s - direct_ledger.value_s))
        trips.append(there_s + back_s)
    difference, variance, count = mean_interval(differences)
    return LinkAsymmetry(
        difference,
        math.hypot(math.sqrt(variance), 2.0 * direct_ledger.uncertainty_s),
        mean_interval(trips)[0],
        count,
    )
