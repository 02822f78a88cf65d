"""Two-way time transfer: both clocks send over the same fibre, so that its delay drops out.

A, upstream, and B each send a pulse on their own second and note on their own clock how long
after it the other's pulse arrives: R_A = d_BA - (x_B - x_A) and R_B = d_AB + (x_B - x_A).
Half the difference is the clocks' difference and half of what the two ways differ by, which
only a calibration can tell.

References
----------
.. [1] ITU-R TF.1153-4 (2015), annex 1: two-way time transfer and its delays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.errors import ParameterError

__all__ = ["Asymmetry", "TwoWay", "two_way"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asymmetry:
    """By how much the way from A to B is longer than the way back, and when that was found.

    Attributes
    ----------
    difference_s : float
        d_AB - d_BA, with the delays of the equipment.
    uncertainty_s : float
        Its standard uncertainty.
    calibrated_tai_ns : int
        When it was found.

    Raises
    ------
    ParameterError
        A value is not finite, or the uncertainty negative.
    """

    difference_s: float
    uncertainty_s: float
    calibrated_tai_ns: int

    def __post_init__(self) -> None:
        if not math.isfinite(self.difference_s) or not 0.0 <= self.uncertainty_s < math.inf:
            raise ParameterError("an asymmetry and its uncertainty are finite numbers")

    @classmethod
    def from_ratio(
        cls, alpha: float, alpha_uncertainty: float, round_trip_s: float, calibrated_tai_ns: int
    ) -> Asymmetry:
        """Return the asymmetry of a fibre with alpha = d_AB/d_BA - 1.

        With d_AB + d_BA the measured round trip, d_AB - d_BA = alpha/(2 + alpha) of it.
        """
        if not round_trip_s > 0.0 or not alpha > -1.0:
            raise ParameterError("a round trip is above zero, and no way is shorter than nothing")
        slope = 2.0 / (2.0 + alpha) ** 2
        return cls(
            difference_s=alpha / (2.0 + alpha) * round_trip_s,
            uncertainty_s=slope * alpha_uncertainty * round_trip_s,
            calibrated_tai_ns=calibrated_tai_ns,
        )


@dataclass(frozen=True, slots=True)
class TwoWay:
    """The result of one exchange.

    Attributes
    ----------
    x_s : float
        x_B - x_A.
    uncertainty_s : float
        Its standard uncertainty, calibration included.
    round_trip_s : float
        d_AB + d_BA.
    calibrated_tai_ns : int
        Of the asymmetry that was used.
    """

    x_s: float
    uncertainty_s: float
    round_trip_s: float
    calibrated_tai_ns: int


def two_way(
    arrival_a_s: float,
    arrival_b_s: float,
    asymmetry: Asymmetry,
    *,
    reading_uncertainty_s: float = 0.0,
) -> TwoWay:
    """Return the difference of two clocks from what each saw arrive.

    Parameters
    ----------
    arrival_a_s, arrival_b_s : float
        R_A and R_B: when the other's pulse arrived, after one's own second on one's own clock.
    asymmetry : Asymmetry
        Of the two ways.
    reading_uncertainty_s : float
        Standard uncertainty of each arrival.

    Returns
    -------
    TwoWay
        x_B - x_A = (R_B - R_A)/2 - (d_AB - d_BA)/2.

    Raises
    ------
    ParameterError
        An arrival is not finite, or the uncertainty negative.
    """
    if not (math.isfinite(arrival_a_s) and math.isfinite(arrival_b_s)):
        raise ParameterError("an arrival is not a finite number")
    if not 0.0 <= reading_uncertainty_s < math.inf:
        raise ParameterError("the uncertainty of an arrival cannot be negative")
    return TwoWay(
        x_s=0.5 * (arrival_b_s - arrival_a_s) - 0.5 * asymmetry.difference_s,
        uncertainty_s=math.hypot(
            reading_uncertainty_s / math.sqrt(2.0), 0.5 * asymmetry.uncertainty_s
        ),
        round_trip_s=arrival_a_s + arrival_b_s,
        calibrated_tai_ns=asymmetry.calibrated_tai_ns,
    )
