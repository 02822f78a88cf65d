"""What an instrument cannot know: the real figures of a simulated link."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LinkTruth"]


@dataclass(frozen=True, slots=True)
class LinkTruth:
    """What is really the case at one moment, for tests and for judging calibrations.

    Attributes
    ----------
    peak_photons : float
        Mean photon number per pulse at Alice's output at full transmission of her
        intensity modulator.
    floor : float
        Least transmission of that modulator over its largest.
    null_v, bias_v, intensity_v_pi_v : float
        Its voltage of least light, its bias and its half-wave voltage.
    channel_transmission, receiver_transmission : float
        Fibre with connectors and polariser; Bob's optics.
    efficiency, dark_hz, afterpulse : tuple of float
        Of detectors D0 and D1.
    phase_rad : float
        Phase of the interferometers, to be added to Alice's minus Bob's.
    visibility : float
        Of their interference.
    delay_ps : int
        From Alice's output to Bob's modulator.
    """

    peak_photons: float
    floor: float
    null_v: float
    bias_v: float
    intensity_v_pi_v: float
    channel_transmission: float
    receiver_transmission: float
    efficiency: tuple[float, float]
    dark_hz: tuple[float, float]
    afterpulse: tuple[float, float]
    phase_rad: float
    visibility: float
    delay_ps: int

    def mu(self, volts: float) -> float:
        """Return the mean photon number per pulse at Alice's output for a voltage."""
        angle = 0.5 * math.pi * (volts + self.bias_v - self.null_v) / self.intensity_v_pi_v
        return self.peak_photons * (self.floor + (1.0 - self.floor) * math.sin(angle) ** 2)

    def volts(self, mu: float) -> float:
        """Return the voltage on the rising side of the null that gives `mu`.

        Raises
        ------
        ValueError
            If `mu` is not between what leaks at the null and the peak.
        """
        share = (mu / self.peak_photons - self.floor) / (1.0 - self.floor)
        if not 0.0 <= share <= 1.0:
            raise ValueError("no voltage gives this mean photon number")
        turn = 2.0 * self.intensity_v_pi_v / math.pi * math.asin(math.sqrt(share))
        return self.null_v - self.bias_v + turn

    def clicks(self, mu: float, phase_rad: float) -> tuple[float, float]:
        """Return the probabilities that a pulse starts an avalanche in D0 and in D1.

        Parameters
        ----------
        mu : float
            Mean photon number at Alice's output.
        phase_rad : float
            Alice's phase minus Bob's.
        """
        arriving = 0.5 * mu * self.channel_transmission * self.receiver_transmission
        fringe = self.visibility * math.cos(phase_rad + self.phase_rad)
        return (
            -math.expm1(-arriving * (1.0 + fringe) * self.efficiency[0]),
            -math.expm1(-arriving * (1.0 - fringe) * self.efficiency[1]),
        )

    def gain(self, mu: float) -> float:
        """Return the mean number of avalanches that a pulse of `mu` starts, without interference.

        The mean over the settings of Alice and Bob, in both detectors together.
        """
        arriving = mu * self.channel_transmission * self.receiver_transmission
        return 0.5 * arriving * (self.efficiency[0] + self.efficiency[1])

    def error_rate(self, mu: float, window_s: float) -> float:
        """Return the QBER of matching bases for weak light: optics and dark counts.

        Parameters
        ----------
        mu : float
            Mean photon number at Alice's output.
        window_s : float
            Time about each pulse in which clicks count. Afterpulses, which are
            few within narrow windows, are left out.
        """
        light, dark = self.gain(mu), sum(self.dark_hz) * window_s
        return (self.optical_error() * light + 0.5 * dark) / (light + dark)

    def optical_error(self) -> float:
        """Return the share of photons in the wrong port: (1 - V cos phase)/2."""
        return 0.5 * (1.0 - self.visibility * math.cos(self.phase_rad))
