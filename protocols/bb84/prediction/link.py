"""Described links: from their figures to how they answer light.

Two models. `YieldLink` is that of the papers' simulations, which take both detectors as
one with a background yield. `DetectorLink` has two detectors with double clicks, dead
time and afterpulses spread over time; it is the model by which runs are planned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from protocols.bb84.channel import Channel, blocked_slots, noise_and_life, response
from protocols.bb84.prediction.response import Light, Response
from protocols.errors import ParameterError

__all__ = ["Arm", "DetectorLink", "Link", "YieldLink"]

_MOST_SLOTS = 1e6  # of dead time: they are gone through one by one


@dataclass(frozen=True)
class Arm:
    """A fibre and the receiver at its end.

    Attributes
    ----------
    transmittance : float
        Probability that a photon gives a click.
    background : float
        Probability of a click without light.
    alive : float
        Share of the slots in which the receiver counts.
    echo : float
        Afterpulses counted beside each click, with a random bit.
    """

    transmittance: float
    background: float
    alive: float
    echo: float


class Link(Protocol):
    """What predictions ask of a link."""

    @property
    def slot_rate_hz(self) -> float:
        """Pulses per second."""

    @property
    def misalignment(self) -> float:
        """Probability that a photon's click is at the wrong detector."""

    def loss_db(self, distance_km: float) -> float:
        """Return the loss between the stations at a distance."""

    def arm(self, loss_db: float, light: Light) -> Arm:
        """Return the receiver behind a loss, when all pulses together are `light`."""

    def response(self, loss_db: float, light: Light) -> Response:
        """Return the answer to one pulse, when all pulses together are `light`."""


@dataclass(frozen=True, kw_only=True)
class YieldLink:
    """A link in the model of Ma et al. (2005), with the afterpulses of Lim et al. (2014).

    A pulse of n photons is seen with Dₙ = 1 − (1 − Y₀)(1 − eta)ⁿ, and is wrong with
    Y₀/2 + e (1 − (1 − eta)ⁿ). Each detection is followed by an afterpulse with a random
    bit, which counts as one of the same intensity: gain Dₙ (1 + p), errors + p Dₙ / 2.

    Attributes
    ----------
    efficiency : float
        Of the receiver with its detectors.
    misalignment : float
        Probability that a photon's click is at the wrong detector, at most 1/2.
    background : float
        Y₀, the probability of a click of either detector without light, per slot.
    afterpulse_probability : float
        Afterpulses per detection.
    dead_time_s : float
        After each click of either detector.
    slot_rate_hz : float
        Pulses per second.
    attenuation_db_per_km, excess_loss_db : float
        Of the fibre, and what is between the stations besides.

    References
    ----------
    X. Ma, B. Qi, Y. Zhao, H.-K. Lo, Phys. Rev. A 72, 012326 (2005), Sec. II;
    C. C. W. Lim et al., Phys. Rev. A 89, 022307 (2014), Sec. IV. There the transmittance of
    the channel alone stands in the error term; here it is that of the whole system.
    """

    efficiency: float
    misalignment: float
    background: float
    afterpulse_probability: float = 0.0
    dead_time_s: float = 0.0
    slot_rate_hz: float
    attenuation_db_per_km: float = 0.2
    excess_loss_db: float = 0.0

    def __post_init__(self) -> None:
        _check(self, ("efficiency", "background", "afterpulse_probability"))

    def loss_db(self, distance_km: float) -> float:
        """Return the loss between the stations at a distance."""
        return self.excess_loss_db + self.attenuation_db_per_km * distance_km

    def arm(self, loss_db: float, light: Light) -> Arm:
        """Return the receiver behind a loss, when all pulses together are `light`."""
        eta = self.efficiency * 10 ** (-loss_db / 10)
        clicks = 1 - (1 - self.background) * light(1 - eta)
        alive = 1 / (1 + self.slot_rate_hz * self.dead_time_s * clicks)
        return Arm(eta, self.background, alive, self.afterpulse_probability)

    def response(self, loss_db: float, light: Light) -> Response:
        """Return the answer to one pulse, when all pulses together are `light`."""
        arm = self.arm(loss_db, light)
        unseen, dark = 1 - arm.transmittance, 1 - arm.background
        seen, random = arm.alive * (1 + arm.echo), arm.alive * arm.echo / 2
        wrong = arm.alive * self.misalignment
        return Response(
            gain=((seen, 1.0), (-seen * dark, unseen)),
            error=(
                (arm.alive * arm.background / 2 + wrong + random, 1.0),
                (-wrong - random * dark, unseen),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class DetectorLink:
    """A link with two detectors, in the model of `protocols.bb84.channel`.

    Attributes
    ----------
    detector_efficiency : float
    misalignment : float
        Probability that a photon's click is at the wrong detector, at most 1/2.
    dark_rate_hz : float
        Dark counts per second of one detector.
    window_s : float
        Detection window in a slot, above 0 and at most the slot.
    receiver_loss_db : float
        From Bob's input to his detectors.
    afterpulse_probability : float
        That a click is followed by an afterpulse of its detector, at any time.
    dead_time_s, detector_jitter_s : float
        After each click of the same detector; standard deviation of a click's time.
    slot_rate_hz : float
        Pulses per second.
    attenuation_db_per_km, excess_loss_db : float
        Of the fibre, and what is between the stations besides.
    """

    detector_efficiency: float
    misalignment: float
    dark_rate_hz: float
    window_s: float
    receiver_loss_db: float = 0.0
    afterpulse_probability: float = 0.0
    dead_time_s: float = 0.0
    detector_jitter_s: float = 0.0
    slot_rate_hz: float
    attenuation_db_per_km: float = 0.2
    excess_loss_db: float = 0.0

    def __post_init__(self) -> None:
        _check(self, ("detector_efficiency", "afterpulse_probability"))
        if not (self.receiver_loss_db >= 0 and self.dark_rate_hz >= 0):
            raise ParameterError("the receiver's loss and the dark counts are not negative")
        if not (self.window_s * self.slot_rate_hz <= 1 + 1e-9):
            raise ParameterError("the window is longer than a slot")
        if not (self.dead_time_s + 12 * self.detector_jitter_s) * self.slot_rate_hz < _MOST_SLOTS:
            raise ParameterError("the dead time is longer than a million slots")
        self.channel(0.0)

    def loss_db(self, distance_km: float) -> float:
        """Return the loss between the stations at a distance."""
        return self.excess_loss_db + self.attenuation_db_per_km * distance_km

    def channel(self, loss_db: float) -> Channel:
        """Return what is between Alice's output and Bob's clicks, at a loss of the link."""
        period_s = 1 / self.slot_rate_hz
        return Channel(
            transmittance=self.detector_efficiency
            * 10 ** (-(loss_db + self.receiver_loss_db) / 10),
            misalignment=self.misalignment,
            dark_probability=min(1.0, self.dark_rate_hz * self.window_s),
            afterpulse_probability=self.afterpulse_probability,
            period_s=period_s,
            window_s=min(self.window_s, period_s),
            dead_time_s=self.dead_time_s,
            jitter_s=self.detector_jitter_s,
        )

    @cached_property
    def _blocked(self) -> float:
        return blocked_slots(self.channel(0.0))

    def arm(self, loss_db: float, light: Light) -> Arm:
        """Return the receiver behind a loss, when all pulses together are `light`."""
        channel = self.channel(loss_db)
        noise, alive = noise_and_life(channel, light, self._blocked)
        return Arm(channel.transmittance, 1 - (1 - noise) ** 2, alive**2, 0.0)

    def response(self, loss_db: float, light: Light) -> Response:
        """Return the answer to one pulse, when all pulses together are `light`."""
        return response(self.channel(loss_db), light, self._blocked)


def _check(link: YieldLink | DetectorLink, probabilities: tuple[str, ...]) -> None:
    for name in probabilities:
        if not 0 <= getattr(link, name) <= 1:
            raise ParameterError(f"{name} lies from 0 to 1, not at {getattr(link, name)}")
    if not 0 <= link.misalignment <= 0.5:
        raise ParameterError("the misalignment lies from 0 to 1/2")
    if not (0 < link.slot_rate_hz < math.inf and 0 <= link.dead_time_s < math.inf):
        raise ParameterError("the slot rate is positive, the dead time not negative")
    if not (link.attenuation_db_per_km > 0 and 0 <= link.excess_loss_db < math.inf):
        raise ParameterError("the fibre's attenuation is positive, other loss not negative")
