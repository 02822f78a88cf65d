"""What `qlab run fibre` can be told: the table ``[fibre]`` of a station file."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.clock.optical import LinkSettings
from qlab.station.tables import setting

__all__ = ["FibreOptions"]


@dataclass(frozen=True, kw_only=True)
class FibreOptions:
    """An optical frequency link whose beat two gap-free counters read."""

    duration_s: float = setting(600.0, doc="Length of the run.", unit="s", low=10.0, high=1e8)
    optical_hz: float = setting(doc="Frequency of the light.", unit="Hz", low=1e13, high=1e15)
    beat_hz: float = setting(
        doc="The beat that the counters read on plan.", unit="Hz", low=1.0, high=1e9
    )
    shifter_hz: float = setting(doc="The shifter's frequency then.", unit="Hz", low=1.0, high=1e9)
    passes: int = setting(2, doc="Times that the light passes shifter and fibre.", low=1, high=2)
    sign: int = setting(
        1, doc="1 where a higher shifter frequency raises the beat, else -1.", low=-1, high=1
    )
    gate_s: float = setting(1.0, doc="Gate of the counters.", unit="s", low=0.01, high=100.0)
    input: int = setting(1, doc="Input of both counters.", low=1, high=4)
    arming: str = setting(
        "rear",
        doc="What opens the first gate of both counters.",
        choices=("rear", "A", "B", "immediate"),
    )
    step_hz: float = setting(0.1, doc="Step of the shifter.", unit="Hz", low=1e-6, high=1e3)
    range_hz: float = setting(
        10e3, doc="How far the shifter may go from its frequency.", unit="Hz", low=1.0, high=1e8
    )
    phase_gain: float = setting(
        0.7, doc="Part of the phase that one gate takes back.", low=0.01, high=1.0
    )
    drift_gain: float = setting(
        0.02, doc="Weight of a reading in the mean Doppler shift.", low=0.0, high=1.0
    )
    lost_hz: float = setting(
        1e3, doc="A reading this far from the expected is none.", unit="Hz", low=1.0, high=1e8
    )

    def __post_init__(self) -> None:
        self.link()

    def link(self) -> LinkSettings:
        """Return what the loop is told."""
        return LinkSettings(
            beat_hz=self.beat_hz,
            shifter_hz=self.shifter_hz,
            passes=self.passes,
            sign=self.sign,
            gate_s=self.gate_s,
            step_hz=self.step_hz,
            range_hz=self.range_hz,
            phase_gain=self.phase_gain,
            drift_gain=self.drift_gain,
            lost_hz=self.lost_hz,
        )
