"""Set the mean photon number at a sender's output from a bright power reading.

Single photons cannot be weighed, so the light is measured bright, at a tap
before the attenuators, and brought down by their calibrated attenuation:
P_out = P_tap / tap ratio x 10^(-(set + fixed + insertion) / 10), and one pulse
of mean photon number mu carries mu h nu.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calibration.settling import wait_until_settled
from drivers.core.context import Clock
from drivers.core.errors import InstrumentFaultError, ValueOutOfRangeError
from drivers.roles import Attenuator, PowerMeter

__all__ = ["MeanPhotonNumber", "SenderPath", "set_mean_photon_number"]

_PLANCK_J_S = 6.62607015e-34  # SI, exact
_LIGHT_M_S = 299792458.0  # SI, exact


@dataclass(frozen=True, slots=True)
class SenderPath:
    """What is known of the path from the tap to the sender's output.

    Attributes
    ----------
    tap_ratio : float
        Power at the meter over power at the attenuators' input, 0 to 1.
    fixed_db : float
        Fixed attenuation and insertion losses behind the tap, dB.
    step_db : float
        Step of the attenuators, dB.
    highest_db : float
        Highest setting of one attenuator, dB.
    pulse_rate_hz : float
        Pulses per second while the bright light is read.
    wavelength_m : float
        Vacuum wavelength.
    relative_uncertainty : float
        Standard uncertainty of the whole chain, relative, but for the readings' scatter.
    """

    tap_ratio: float
    fixed_db: float
    step_db: float
    highest_db: float
    pulse_rate_hz: float
    wavelength_m: float
    relative_uncertainty: float


@dataclass(frozen=True, slots=True)
class MeanPhotonNumber:
    """The calibration's record.

    Attributes
    ----------
    wanted, realised : float
        Mean photon number per pulse asked for, and after rounding to the steps.
    standard_uncertainty : float
        Of `realised`, absolute.
    monitor_w : float
        Mean of the bright readings at the tap, watts.
    settings_db : tuple of float
        What each attenuator was set to.
    """

    wanted: float
    realised: float
    standard_uncertainty: float
    monitor_w: float
    settings_db: tuple[float, ...]


def set_mean_photon_number(
    wanted: float,
    path: SenderPath,
    attenuators: Sequence[Attenuator],
    meter: PowerMeter,
    clock: Clock,
    *,
    readings: int = 100,
    interval_s: float = 0.01,
) -> MeanPhotonNumber:
    """Read the bright light and set `attenuators` for `wanted` photons per pulse.

    The light must already shine at the level that `wanted` refers to. The mean of
    `readings` readings counts, taken `interval_s` apart; their scatter is part of
    the uncertainty. It ends when the attenuators have arrived.

    Raises
    ------
    ValueOutOfRangeError
        If an argument makes no sense.
    InstrumentFaultError
        If there is no light, or the attenuators cannot reach the value or do not arrive.
    """
    if not 0.0 < wanted < math.inf or readings < 2:
        raise ValueOutOfRangeError(
            f"{wanted:g} photons per pulse from {readings} readings cannot be set",
            remedy="ask for a positive number of photons and two readings at least",
        )
    monitor_w, scatter_w = _mean_power_w(meter, clock, readings, interval_s)
    if not 0.0 < monitor_w < math.inf:
        raise InstrumentFaultError(
            f"the power meter reads {monitor_w:g} W with the laser on",
            remedy="check the fibre to the power meter and the modulator's bias",
        )
    pulse_j = monitor_w / path.tap_ratio / path.pulse_rate_hz
    bright = pulse_j / (_PLANCK_J_S * _LIGHT_M_S / path.wavelength_m)
    needed_db = 10.0 * math.log10(bright / wanted) - path.fixed_db
    steps = round(needed_db / path.step_db)
    settings = tuple(n * path.step_db for n in _share(steps, len(attenuators)))
    if steps < 0 or max(settings) > path.highest_db:
        raise InstrumentFaultError(
            f"{needed_db:.2f} dB are needed for {wanted:g} photons per pulse, "
            f"the {len(attenuators)} attenuators have 0 to "
            f"{len(attenuators) * path.highest_db:g} dB",
            remedy="change the laser's power or the fixed attenuator",
        )
    for attenuator, setting in zip(attenuators, settings, strict=True):
        attenuator.attenuation_db = setting
        # An interlock counts none that is on its way, and the next may be lowered too.
        wait_until_settled([attenuator], clock)
    realised = bright * 10.0 ** (-(steps * path.step_db + path.fixed_db) / 10.0)
    relative = math.hypot(path.relative_uncertainty, scatter_w / monitor_w)
    return MeanPhotonNumber(wanted, realised, realised * relative, monitor_w, settings)


def _mean_power_w(
    meter: PowerMeter, clock: Clock, readings: int, interval_s: float
) -> tuple[float, float]:
    """Return the mean of the readings and its standard deviation."""
    powers = []
    for _ in range(readings):
        powers.append(meter.power_w)
        clock.sleep(interval_s)
    mean = math.fsum(powers) / readings
    variance = math.fsum((power - mean) ** 2 for power in powers) / (readings - 1)
    return mean, math.sqrt(variance / readings)


def _share(steps: int, parts: int) -> list[int]:
    """Share whole steps as evenly as possible, the larger shares first."""
    each, rest = divmod(steps, parts)
    return [each + (i < rest) for i in range(parts)]
