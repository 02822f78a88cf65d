"""The serial drivers fit their roles: mypy says so, and this file is what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mypy import api

if TYPE_CHECKING:
    from drivers.counters.pendulum_cnt91 import PendulumCNT91
    from drivers.counters.srs_sr620 import SRSSR620
    from drivers.counters.tapr_ticc import TAPRTICC
    from drivers.detectors.sfifteen_spd import SFifteenSPD
    from drivers.frequency_standards.microchip_5071a import Microchip5071A
    from drivers.frequency_standards.microchip_sa5x import MicrochipSA5x
    from drivers.frequency_standards.microchip_sa45s import MicrochipSA45s
    from drivers.frequency_standards.srs_fs740 import SRSFS740
    from drivers.frequency_standards.srs_prs10 import FS725, PRS10
    from drivers.modulators.thorlabs_mbx import ThorlabsMBX
    from drivers.roles import (
        BiasController,
        Counter,
        DetectorControl,
        FrequencyStandard,
        GapFreeCounter,
        IntervalCounter,
        SteerableStandard,
        TemperatureProbe,
        TimeTagger,
    )
    from drivers.time_taggers.sfifteen_tdc1 import SFifteenTDC1

    def bias(unit: ThorlabsMBX) -> BiasController:
        return unit

    def tagger(unit: SFifteenTDC1) -> TimeTagger:
        return unit

    def detector(unit: SFifteenSPD) -> DetectorControl:
        return unit

    Standard = PRS10 | FS725 | Microchip5071A | MicrochipSA45s | MicrochipSA5x

    def standard(unit: Standard) -> SteerableStandard:
        return unit

    def thermometer(unit: Standard) -> TemperatureProbe:
        return unit

    def disciplined(unit: SRSFS740) -> FrequencyStandard:
        return unit

    def counter(unit: SRSSR620 | PendulumCNT91) -> Counter:
        return unit

    def gap_free(unit: PendulumCNT91) -> GapFreeCounter:
        return unit

    def intervals(unit: SRSSR620 | TAPRTICC) -> IntervalCounter:
        return unit

    def not_a_tagger(unit: SFifteenSPD) -> TimeTagger:
        return unit  # type: ignore[return-value]  # has to fail, or nothing here is checked


def test_the_serial_drivers_fit_their_roles() -> None:
    told, _, status = api.run(["--strict", str(Path(__file__))])
    assert status == 0, told
