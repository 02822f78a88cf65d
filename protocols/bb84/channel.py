"""Two detectors behind a channel: how they answer light, with dead time and afterpulses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.bb84.prediction.response import Light, Response
from protocols.errors import ParameterError

__all__ = ["Channel", "blocked_slots", "live_fraction", "noise_and_life", "response"]


@dataclass(frozen=True)
class Channel:
    """Everything between Alice's output and Bob's clicks.

    Attributes
    ----------
    transmittance : float
        Probability that a photon at Alice's output gives a click within the window:
        fibre, receiver and detector efficiency together.
    misalignment : float
        Probability that such a click is at the wrong detector when bases agree.
    dark_probability : float
        Of a dark count within one window of one detector.
    afterpulse_probability : float
        That a click is followed by an afterpulse of its detector, at any time.
    period_s, window_s, dead_time_s, jitter_s : float
        Slot period, window, dead time and standard deviation of a click's time.
    """

    transmittance: float
    misalignment: float
    dark_probability: float
    afterpulse_probability: float
    period_s: float
    window_s: float
    dead_time_s: float
    jitter_s: float

    def __post_init__(self) -> None:
        rates = (
            self.transmittance,
            self.misalignment,
            self.dark_probability,
            self.afterpulse_probability,
        )
        if not all(0 <= rate <= 1 for rate in rates):
            raise ParameterError("transmittance and probabilities lie from 0 to 1")
        if not (0 < self.window_s <= self.period_s and min(self.dead_time_s, self.jitter_s) >= 0):
            raise ParameterError("the window lies within the period, and times are not negative")


def blocked_slots(channel: Channel) -> float:
    """Return the mean number of slots that a click of a detector blocks it for.

    They are the slots at a distance below the dead time, with both clicks' jitter.
    """
    spread = channel.jitter_s * math.sqrt(2)
    last = math.ceil((channel.dead_time_s + 8 * spread) / channel.period_s)
    blocked = 0.0
    for k in range(1, last + 1):
        gap = channel.dead_time_s - k * channel.period_s
        if spread > 0:
            blocked += (1 + math.erf(gap / spread / math.sqrt(2))) / 2
        else:
            blocked += gap > 0
    return blocked


def live_fraction(click_probability: float, channel: Channel) -> float:
    """Return how often a detector had no click during the dead time before a slot.

    A detector that is blind for the dead time after each of its clicks is alive for
    1 / (1 + p·b) of the slots, with p its click probability when alive and b the
    `blocked_slots`.
    """
    return 1 / (1 + click_probability * blocked_slots(channel))


def noise_and_life(channel: Channel, light: Light, blocked: float) -> tuple[float, float]:
    """Return one detector's clicks without light per slot, and how often it is alive.

    Noise is dark counts and afterpulses, the latter spread evenly over time.

    Parameters
    ----------
    channel : Channel
    light : callable
        Of all pulses together.
    blocked : float
        `blocked_slots` of the channel.
    """
    share = channel.afterpulse_probability * channel.window_s / channel.period_s
    unseen = light(1 - channel.transmittance / 2)  # equal or not, the bases share alike
    noise, alive = channel.dark_probability, 1.0
    for _ in range(20):  # afterpulses follow clicks, which include afterpulses
        clicks = 1 - (1 - noise) * unseen
        alive = 1 / (1 + clicks * blocked)
        before, noise = noise, channel.dark_probability + share * clicks * alive
        if abs(noise - before) <= 1e-15 * noise:
            break
    return noise, alive


def response(channel: Channel, light: Light, blocked: float) -> Response:
    """Return the answer to one pulse with bases equal, when all pulses together are `light`.

    A mean of k photons fires the right detector with probability 1 − (1 − noise)·exp(−k·eta·(1 −
    e)) and the wrong one with 1 − (1 − noise)·exp(−k·eta·e); one that fires alone decides the
    bit, both give a random bit. Detections count only when neither detector clicked within
    the dead time before. Parameters are those of `noise_and_life`.
    """
    eta, e = channel.transmittance, channel.misalignment
    noise, alive = noise_and_life(channel, light, blocked)
    seen, dark = alive**2, 1 - noise
    return Response(
        gain=((seen, 1.0), (-seen * dark**2, 1 - eta)),
        error=(
            (seen / 2, 1.0),
            (seen / 2 * dark, 1 - eta * (1 - e)),
            (-seen / 2 * dark, 1 - eta * e),
            (-seen / 2 * dark**2, 1 - eta),
        ),
    )
