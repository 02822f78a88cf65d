"""Alice's light: laser, carver, intensity modulator, power meter and attenuators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from drivers.simulated.plant.fibre import db
from drivers.simulated.plant.kernels import stream_key
from drivers.simulated.plant.modulators import Bias, Electrode, Playing, largest_sine_squared
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.pulses import mean_transmission
from drivers.simulated.plant.timing import SlotGrid, Timeline

__all__ = ["AliceOptics", "Attenuator", "Laser", "Monitor"]

_PLANCK_J_S = 6.62607015e-34
_LIGHT_M_PER_S = 299792458.0
# Area of a Gaussian pulse over its peak times its full width at half maximum.
_GAUSSIAN_AREA = math.sqrt(math.pi / (4.0 * math.log(2.0)))


class Laser:
    """The fibre behind the laser's connector (a `LightSource`)."""

    def __init__(self, slot_at: Callable[[int], int], changed: Callable[[int], None]) -> None:
        self._slot_at = slot_at
        self.light = Timeline((0.0, 1550e-9), changed)

    def emit(self, t_ns: int, power_w: float, wavelength_m: float) -> None:
        """Emit steady light from `t_ns` on; 0 W is dark."""
        self.light.set(self._slot_at(t_ns), (power_w, wavelength_m))


class Attenuator:
    """A variable attenuator with its insertion loss and linearity (an `Attenuation`).

    Its shutter is closed until a loss is set.
    """

    def __init__(
        self,
        insertion_db: float,
        linearity_db: float,
        start_rad: float,
        slot_at: Callable[[int], int],
        changed: Callable[[int], None],
        power_w: Callable[[int], float],
    ) -> None:
        self._insertion_db = insertion_db
        self._linearity_db = linearity_db
        self._start_rad = start_rad
        self._slot_at = slot_at
        self._power_w = power_w
        self.loss_db = Timeline(math.inf, changed)

    def set(self, t_ns: int, loss_db: float) -> None:
        """Set the loss in dB from `t_ns` on; infinity for a closed shutter."""
        self.loss_db.set(self._slot_at(t_ns), loss_db)

    def power_w(self, t_ns: int) -> float:
        """Return the optical power that leaves the attenuator in watts."""
        return self._power_w(t_ns)

    def transmission(self, slot: int) -> float:
        """Return the real transmission: setting, insertion loss and linearity error."""
        loss_db = self.loss_db.at(slot)
        if math.isinf(loss_db):
            return 0.0
        angle = 2.0 * math.pi * loss_db / 20.0
        error_db = math.sin(angle + self._start_rad) - math.sin(self._start_rad)
        return db(loss_db + self._insertion_db + self._linearity_db * error_db)


class Monitor:
    """A power meter's head at the tap behind Alice's modulators (a `PowerProbe`)."""

    def __init__(
        self, parameters: LinkParameters, seed: int, power_w: Callable[[int, int], float]
    ) -> None:
        self._parameters = parameters
        self._seed = seed
        self._power_w = power_w

    def power_w(self, t_ns: int, average_s: float) -> float:
        """Return the mean power in watts over `average_s` from `t_ns` on."""
        if not average_s > 0.0:
            raise ValueError("a power is averaged over some time")
        p = self._parameters
        true_w = self._power_w(t_ns, max(round(average_s * 1e9), 1))
        seed = np.random.SeedSequence((self._seed, 6, t_ns, round(average_s * 1e9)))
        first, second = np.random.Generator(np.random.PCG64(seed)).standard_normal(2)
        relative = p.monitor_noise_relative * float(first)
        noise = (relative * true_w + p.monitor_noise_w * float(second)) / math.sqrt(average_s)
        return true_w * (1.0 + p.monitor_gain_error) + noise


class AliceOptics:
    """Everything that light passes on its way to Alice's output connector.

    The order is laser, carver, intensity modulator with the controller's tap,
    phase modulator, the power meter's tap, two variable attenuators, the fixed
    one. Both taps take their share out of the path.

    Parameters
    ----------
    parameters : LinkParameters
        The link.
    seed : int
        Seed of the noise and of the attenuators' errors.
    grid : SlotGrid
        The numbering of pulses.
    changed : callable
        Told the first slot of every change.
    """

    def __init__(
        self,
        parameters: LinkParameters,
        seed: int,
        grid: SlotGrid,
        changed: Callable[[int], None],
    ) -> None:
        p = self._parameters = parameters
        self._grid = grid
        self._seed = seed

        def starts_ps(t_ns: int) -> int:
            return grid.at_alice(t_ns) * grid.slot_ps

        self.laser = Laser(grid.at_alice, changed)
        self.intensity = Electrode(grid.at_alice, starts_ps, changed)
        self.bias = Bias(p, seed, grid.at_alice, changed, self._tap_w)
        self.phase = Electrode(grid.at_alice, starts_ps, changed)
        self.monitor = Monitor(p, seed, self._monitor_w)
        starts = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, 5)))).uniform(
            0.0, 2.0 * math.pi, 2
        )
        powers = (lambda t_ns: self.power_w(t_ns, 1), lambda t_ns: self.power_w(t_ns, 2))
        self.attenuators = [
            Attenuator(insertion, p.attenuator_linearity_db, start, grid.at_alice, changed, power)
            for insertion, start, power in zip(
                p.attenuator_insertion_db, starts.tolist(), powers, strict=True
            )
        ]
        self.floor = db(p.intensity_extinction_db)
        self._duty = _GAUSSIAN_AREA * p.pulse_fwhm_ps / grid.slot_ps
        self._after_modulator = self._duty * db(p.carver_loss_db + p.intensity_loss_db)
        self._after_taps = (
            self._after_modulator
            * (1.0 - p.bias_tap_ratio)
            * db(p.phase_alice_loss_db)
            * (1.0 - p.monitor_tap_ratio)
        )

    def timelines(self) -> tuple[Timeline[Any], ...]:
        """Return every setting of this station."""
        return (
            self.laser.light,
            self.intensity.drive,
            self.bias.setting,
            self.phase.drive,
            *(attenuator.loss_db for attenuator in self.attenuators),
        )

    def peak_photons(self, slot: int) -> float:
        """Return the mean photon number per pulse at the output at full modulator transmission."""
        power_w, wavelength_m = self.laser.light.at(slot)
        slot_s = self._grid.slot_ps * 1e-12
        energy_j = power_w * self._after_taps * self._attenuation(slot, 2) * slot_s
        fixed = db(self._parameters.fixed_attenuation_db)
        return energy_j * fixed * wavelength_m / (_PLANCK_J_S * _LIGHT_M_PER_S)

    def modulation(self, slot: int, t_ns: int) -> tuple[Playing, float]:
        """Return what the intensity modulator plays from `slot`, and the largest transmission.

        T = floor + (1 - floor) sin^2(pi/2 (V + V_bias - V_null) / V_pi).
        """
        slope = 0.5 / self._parameters.intensity_v_pi_v
        away_v = self.bias.applied_v(slot, t_ns) - self.bias.null_v(t_ns)
        drive = self.intensity.drive.at(slot)
        pulse_ps = slot * self._grid.slot_ps + self._grid.slot_ps // 2
        playing = drive.playing(pulse_ps, self._grid.slot_ps, slope, slope * away_v)
        low_v, high_v = drive.range_v
        largest = largest_sine_squared(slope * (low_v + away_v), slope * (high_v + away_v))
        return playing, self.floor + (1.0 - self.floor) * largest

    def transmission(self, volts: float, slot: int, t_ns: int) -> float:
        """Return the intensity modulator's transmission at a voltage."""
        v_pi = self._parameters.intensity_v_pi_v
        away_v = volts + self.bias.applied_v(slot, t_ns) - self.bias.null_v(t_ns)
        return self.floor + (1.0 - self.floor) * math.sin(0.5 * math.pi * away_v / v_pi) ** 2

    def power_w(self, t_ns: int, attenuators: int, span_ns: int = 10_000_000) -> float:
        """Return the mean power behind the first attenuators, averaged from `t_ns` on."""
        return self._after_taps * self._integral(t_ns, span_ns, attenuators)

    def _tap_w(self, t_ns: int) -> float:
        share = self._after_modulator * self._parameters.bias_tap_ratio
        return share * self._integral(t_ns, 10_000_000, 0)

    def _monitor_w(self, t_ns: int, span_ns: int) -> float:
        ratio = self._parameters.monitor_tap_ratio
        return self._after_taps * ratio / (1.0 - ratio) * self._integral(t_ns, span_ns, 0)

    def _attenuation(self, slot: int, attenuators: int) -> float:
        passed = (a.transmission(slot) for a in self.attenuators[:attenuators])
        return math.prod(passed)

    def _integral(self, t_ns: int, span_ns: int, attenuators: int) -> float:
        """Return the mean of laser power times modulator and attenuator transmission."""
        first = self._grid.at_alice(t_ns)
        end = max(self._grid.at_alice(t_ns + span_ns), first + 1)
        slot, total = first, 0.0
        while slot < end:
            changes = (line.change_after(slot) for line in self.timelines())
            stop = min([end, *(change for change in changes if change is not None)])
            playing, _ = self.modulation(slot, self._grid.start_ns(slot))
            key = stream_key(self._seed, 7, slot)
            mean = mean_transmission(
                self.intensity.drive.at(slot).codes, playing, self.floor, stop - slot, key
            )
            power_w, _ = self.laser.light.at(slot)
            total += (stop - slot) * mean * power_w * self._attenuation(slot, attenuators)
            slot = stop
        return total / (end - first)
