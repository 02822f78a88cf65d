"""Cancelling the drift of an optical frequency link through its shifter.

Light is sent over the fibre through an acousto-optic shifter and comes back the same way,
or is compared at the far end; its beat against the laser is read by two counters. The beat
carries the fibre's phase, and the shifter's, once for each pass. Readings follow each other
without a gap, so their sum is the phase that the link has gained; the shifter takes it back
within the next gates. What lies within a gate is left to the analogue lock.

A reading that `slips.SlipDetector` flags, or that is far from what is expected, says nothing
of the phase: the loop goes on as predicted and keeps the record of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.clock.slips import SlipDetector, SlipFlag
from protocols.errors import ParameterError

__all__ = ["LinkReading", "LinkSettings", "OpticalLink", "gate_lag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """An optical link and how hard its loop pulls.

    Attributes
    ----------
    beat_hz : float
        What the counters read when shifter and fibre do nothing else than planned.
    shifter_hz : float
        The shifter's frequency then.
    passes : int
        How often the light passes shifter and fibre: 2 for a round trip.
    sign : int
        1 where a higher shifter frequency raises the beat, -1 where it lowers it.
    gate_s : float
        Length of a gate.
    step_hz, range_hz : float
        Resolution of the shifter's frequency, and how far it may go either way.
    phase_gain : float
        Part of the phase that one gate takes back, above 0 to 1.
    drift_gain : float
        Weight of a reading in the mean Doppler shift, 0 to 1.
    lost_hz : float
        A reading that is farther from the expected is no reading.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    beat_hz: float
    shifter_hz: float
    passes: int = 2
    sign: int = 1
    gate_s: float = 1.0
    step_hz: float = 0.1
    range_hz: float = 10e3
    phase_gain: float = 0.7
    drift_gain: float = 0.02
    lost_hz: float = 1e3

    def __post_init__(self) -> None:
        positive = (self.beat_hz, self.shifter_hz, self.gate_s, self.step_hz, self.lost_hz)
        if not all(0.0 < value < math.inf for value in positive):
            raise ParameterError("frequencies, gate and step of a link must be above zero")
        if self.passes not in (1, 2) or self.sign not in (-1, 1):
            raise ParameterError("light passes a link once or twice; the sign is 1 or -1")
        if not self.step_hz <= self.range_hz < self.shifter_hz:
            raise ParameterError("the range lies between the step and the shifter's frequency")
        if not (0.0 < self.phase_gain <= 1.0 and 0.0 <= self.drift_gain <= 1.0):
            raise ParameterError("a gain lies between 0 and 1")


@dataclass(frozen=True, slots=True)
class LinkReading:
    """What the loop makes of one pair of readings.

    Attributes
    ----------
    shifter_hz : float
        What the shifter is to be set to now.
    deviation_hz : float
        How far the light's frequency at the far end was off during the gate, mean of both
        counters; nan where the reading is not valid.
    phase_cycles : float
        What it has gained since the start, in cycles; goes on as predicted through readings
        that are not valid.
    doppler_hz : float
        Mean frequency shift of the fibre, one way.
    flag, previous : SlipFlag
        Of this reading, and what it adds to the one before.
    cycles : int
        By how many cycles the first counter slipped against the second.
    lost : bool
        The reading was too far from what was expected.
    held : bool
        The shifter is at the end of its range.
    """

    shifter_hz: float
    deviation_hz: float
    phase_cycles: float
    doppler_hz: float
    flag: SlipFlag
    previous: SlipFlag
    cycles: int
    lost: bool
    held: bool


class OpticalLink:
    """The loop over one link, a pair of readings at a time.

    Parameters
    ----------
    settings : LinkSettings
    shifter_hz : float, optional
        What the shifter is set to at the start; it is taken as the opposite of the fibre's
        present Doppler shift, so that a loop that is started again goes on where it was.
    """

    def __init__(self, settings: LinkSettings, shifter_hz: float | None = None) -> None:
        self.settings = settings
        self.slips = SlipDetector(settings.gate_s)
        start_hz = settings.shifter_hz if shifter_hz is None else shifter_hz
        self._shift_hz = self._reachable(start_hz - settings.shifter_hz)[0]
        self._doppler_hz = -self._shift_hz
        self._phase = 0.0

    def step(self, first_hz: float, second_hz: float) -> LinkReading:
        """Take one reading of each counter, nan where there is none, and steer."""
        return self.judge(first_hz, second_hz, self.settings.shifter_hz + self._shift_hz)

    def judge(self, first_hz: float, second_hz: float, shifter_hz: float) -> LinkReading:
        """Take one reading of each counter with the shifter at `shifter_hz` meanwhile."""
        s = self.settings
        slip = self.slips.step(first_hz, second_hz)
        mean_hz = 0.5 * (first_hz + second_hz)
        deviation_hz = s.sign * (mean_hz - s.beat_hz) / s.passes
        expected_hz = shifter_hz - s.shifter_hz + self._doppler_hz
        finite = math.isfinite(deviation_hz)
        lost = finite and abs(deviation_hz - expected_hz) > s.lost_hz
        valid = finite and not lost and slip.flag == SlipFlag.CLEAN
        if valid:
            self._doppler_hz += s.drift_gain * (deviation_hz - expected_hz)
        self._phase += s.gate_s * (deviation_hz if valid else expected_hz)
        wanted_hz = -self._doppler_hz - s.phase_gain * self._phase / s.gate_s
        self._shift_hz, held = self._reachable(wanted_hz)
        return LinkReading(
            shifter_hz=s.shifter_hz + self._shift_hz,
            deviation_hz=deviation_hz if valid else math.nan,
            phase_cycles=self._phase,
            doppler_hz=self._doppler_hz,
            flag=slip.flag,
            previous=slip.previous,
            cycles=slip.cycles,
            lost=lost,
            held=held,
        )

    def _reachable(self, shift_hz: float) -> tuple[float, bool]:
        """Return the nearest shift that can be set, and whether the range ends before."""
        s = self.settings
        most = math.floor(s.range_hz / s.step_hz)
        steps = shift_hz / s.step_hz
        if not abs(steps) <= most + 0.5:
            return math.copysign(most * s.step_hz, steps), True
        return s.step_hz * max(-most, min(most, math.floor(steps + 0.5))), False


def gate_lag(first_hz: Sequence[float], second_hz: Sequence[float]) -> int:
    """Return by how many gates the second counter began later than the first: -1, 0 or 1.

    Two series that one edge should have started may have caught edges a gate apart. Both
    count the same beat, so the lag is the one at which their readings differ least.

    Parameters
    ----------
    first_hz, second_hz : sequence of float
        The first readings of each, at least three.

    Raises
    ------
    ParameterError
        There are fewer.
    """
    count = min(len(first_hz), len(second_hz))
    if count < 3:
        raise ParameterError("at least three readings tell the lag of two series")

    def scatter(lag: int) -> float:
        pairs = range(max(0, lag), count + min(0, lag))
        apart = [abs(first_hz[k] - second_hz[k - lag]) for k in pairs]
        return sum(apart) / len(apart)

    return min((0, 1, -1), key=scatter)
