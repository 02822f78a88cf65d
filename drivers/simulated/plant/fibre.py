"""The quantum channel: delay, loss, polarisation, and the interferometers at its ends."""

from __future__ import annotations

import math

from drivers.simulated.plant.drifts import Drift
from drivers.simulated.plant.parameters import LinkParameters

__all__ = ["Fibre", "db"]

_C_KM_PER_S = 299792.458


def db(loss_db: float) -> float:
    """Return the transmission that is a loss in dB."""
    return float(10.0 ** (-0.1 * loss_db))


class Fibre:
    """A single-mode fibre with slowly changing delay, polarisation and phase."""

    def __init__(self, parameters: LinkParameters, seed: int) -> None:
        p = self._parameters = parameters
        self._delay_ps = 1e12 * p.fibre_length_km * p.fibre_group_index / _C_KM_PER_S
        self._temperature = Drift(
            p.fibre_temperature_drift_k_per_sqrt_s, p.fibre_temperature_relaxation_s, (seed, 1)
        )
        self._polarisation = Drift(
            p.polarisation_drift_rad_per_sqrt_s, p.polarisation_relaxation_s, (seed, 2)
        )
        self._phase = Drift(
            p.interferometer_drift_rad_per_sqrt_s, p.interferometer_relaxation_s, (seed, 3)
        )

    def delay_ps(self, t_ns: int) -> int:
        """Return the delay of light that enters at `t_ns`."""
        p = self._parameters
        warm_ps = p.fibre_delay_ps_per_km_k * p.fibre_length_km * self._temperature.at(t_ns)
        return round(self._delay_ps + warm_ps)

    def transmission(self, t_ns: int) -> float:
        """Return the share of the light that passes fibre, connectors and Bob's polariser."""
        p = self._parameters
        loss_db = p.fibre_loss_db_per_km * p.fibre_length_km + p.connector_loss_db
        return db(loss_db) * math.cos(self._polarisation.at(t_ns)) ** 2

    def phase_rad(self, t_ns: int) -> float:
        """Return the phase between Alice's interferometer and Bob's."""
        return self._parameters.interferometer_phase_rad + self._phase.at(t_ns)

    def spread_ps(self) -> float:
        """Return the standard deviation that dispersion adds to a pulse's arrival."""
        p = self._parameters
        return p.fibre_dispersion_ps_per_nm_km * p.fibre_length_km * p.laser_linewidth_nm
