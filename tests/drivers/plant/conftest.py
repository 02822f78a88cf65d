from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.time import VirtualTime

# A link in which nothing drifts and nothing clicks but light.
STILL = LinkParameters(
    intensity_null_drift_v_per_sqrt_s=0.0,
    fibre_temperature_drift_k_per_sqrt_s=0.0,
    polarisation_drift_rad_per_sqrt_s=0.0,
    interferometer_drift_rad_per_sqrt_s=0.0,
    detector_dark_hz=(0.0, 0.0),
    afterpulse_probability=0.0,
    dead_time_ns=(0.0, 0.0),
    reference=replace(
        LinkParameters().reference,
        white_fm=0.0,
        flicker_fm=0.0,
        random_walk_fm=0.0,
        offset=0.0,
        ageing_per_s=0.0,
    ),
)


@pytest.fixture
def still() -> LinkParameters:
    return STILL


@pytest.fixture
def lit() -> Callable[..., LinkPlant]:
    """Build a link whose peak mean photon number at Alice's output is `peak`."""

    def build(
        parameters: LinkParameters, peak: float, seed: int = 1, threads: int | None = None
    ) -> LinkPlant:
        link = LinkPlant(parameters, seed, VirtualTime(), threads=threads)
        link.laser.emit(0, 1.0, 1550e-9)
        link.bias.lock(0, "null")
        for attenuator in link.attenuators:
            attenuator.set(0, 0.0)
        for _ in range(4):  # the attenuator's own error moves with its setting
            loss_db = 10.0 * np.log10(link.truth(0).peak_photons / peak)
            link.attenuators[0].set(0, link.attenuators[0].loss_db.at(0) + loss_db)
        link.intensity.hold(0, parameters.intensity_v_pi_v)
        return link

    return build
