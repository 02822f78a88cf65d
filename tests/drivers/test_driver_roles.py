"""The drivers fit the roles: mypy says so, and this file is what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mypy import api

if TYPE_CHECKING:
    from drivers.attenuators.keysight_n776x import AttenuatorPort
    from drivers.counters.keysight_53230a import Keysight53230A
    from drivers.lasers.keysight_n7714a import LaserPort
    from drivers.modulators.keysight_33600a import Keysight33600A, Output
    from drivers.power_meters.thorlabs_pm100d import ThorlabsPM100D
    from drivers.roles import (
        Attenuator,
        Counter,
        IntervalCounter,
        Laser,
        PowerMeter,
        WaveformChannel,
        WaveformGenerator,
    )

    def laser(port: LaserPort) -> Laser:
        return port

    def attenuator(port: AttenuatorPort) -> Attenuator:
        return port

    def generator(unit: Keysight33600A) -> WaveformGenerator:
        return unit

    def output(channel: Output) -> WaveformChannel:
        return channel

    def power_meter(unit: ThorlabsPM100D) -> PowerMeter:
        return unit

    def counter(unit: Keysight53230A) -> Counter:
        return unit

    def intervals(unit: Keysight53230A) -> IntervalCounter:
        return unit

    def not_a_laser(channel: Output) -> Laser:
        return channel  # type: ignore[return-value]  # has to fail, or nothing here is checked


def test_the_drivers_fit_their_roles() -> None:
    told, _, status = api.run(["--strict", str(Path(__file__))])
    assert status == 0, told
