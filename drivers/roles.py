"""What an experiment asks of its instruments, whatever their make.

An experiment never names a model: it asks the station for a role and gets a
driver, or a channel of one, that offers these attributes. Units are SI, with
the unit in the name; optical powers that are set are in dBm, as on the panel.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivers.core.context import Clock

__all__ = [
    "Attenuator",
    "BiasController",
    "Counter",
    "DetectorControl",
    "FrequencyShifter",
    "FrequencyStandard",
    "GapFreeCounter",
    "Gate",
    "Laser",
    "PowerMeter",
    "StampBlock",
    "SteerableStandard",
    "TemperatureProbe",
    "TimeTagger",
    "WaveformChannel",
    "WaveformGenerator",
]


class Laser(Protocol):
    """A laser source, or one port of a multi-port source."""

    output: bool
    power_dbm: float
    wavelength_m: float


class Attenuator(Protocol):
    """A variable attenuator, or one channel of several."""

    attenuation_db: float
    #: Whether light passes the shutter.
    output: bool
    wavelength_m: float
    #: Whether filter and shutter are where they were sent; until then light may pass
    #: that the settings do not admit.
    settled: bool


class WaveformChannel(Protocol):
    """One output of an arbitrary waveform generator."""

    output: bool
    sample_rate_hz: float
    #: Full span of the played record, volts peak to peak into the set load.
    amplitude_vpp: float
    offset_v: float

    def load(self, name: str, codes: NDArray[np.int16]) -> None:
        """Replace the volatile memory by one record and select it for playing.

        `codes` are converter codes from -32767 to 32767, which span
        `amplitude_vpp` around `offset_v`.
        """

    def play_once_on(self, source: Literal["software", "external"]) -> None:
        """Arm: play the record once per trigger, and hold its first sample meanwhile."""


class WaveformGenerator(Protocol):
    """An arbitrary waveform generator with a software trigger and a sync output."""

    #: Samples that one channel's volatile memory holds.
    memory_samples: int

    def channel(self, number: int, group: str = "channel") -> WaveformChannel:
        """Return one of its outputs."""

    def trigger(self) -> None:
        """Start the armed channels together; the sync output gives the block marker."""


class BiasController(Protocol):
    """A controller that holds a Mach-Zehnder modulator at a point of its curve."""

    #: ``off``, ``peak``, ``null``, ``quad+``, ``quad-`` or ``manual``, among others.
    mode: str
    #: Whether the operating point is held.
    stable: bool
    #: Bias that is applied, volts.
    bias_v: float


class PowerMeter(Protocol):
    """An optical power meter."""

    wavelength_m: float
    power_w: float


@dataclass(frozen=True, slots=True, eq=False)
class StampBlock:
    """Some consecutive events of a time tagger.

    Attributes
    ----------
    ticks : int64 array
        Times since the start of the acquisition, never decreasing.
    channels : uint8 array
        Line numbers as printed on the panel, same length.
    """

    ticks: NDArray[np.int64]
    channels: NDArray[np.uint8]


class TimeTagger(Protocol):
    """A time tagger; ticks count in `tick_s` seconds."""

    tick_s: Fraction

    def start(self, duration_s: float) -> None:
        """Start to stamp all lines for `duration_s`, which is rounded up to the unit's step."""

    def collect(self, clock: Clock) -> Generator[StampBlock, None, None]:
        """Yield what has been stamped since `start` until its time is over.

        Blocks may be empty: one comes every tenth of a second at least, so that whoever
        listens to several taggers can turn to the others. Closed before the time is over,
        it stops the acquisition.
        """

    def abort(self) -> None:
        """Stop an acquisition and drop what is left of it."""


class DetectorControl(Protocol):
    """The control box of a single-photon detector."""

    bias_v: float
    temperature_c: float


class FrequencyStandard(Protocol):
    """A frequency standard with a lock indication."""

    locked: bool


class SteerableStandard(FrequencyStandard, Protocol):
    """A frequency standard whose output can be pulled by a command.

    Setting `steering` takes one command and one check and writes no non-volatile
    memory; the value is rounded to a whole number of steps.
    """

    #: Fractional frequency correction in force; positive raises the frequency.
    steering: float
    #: One step of it.
    steering_step: float
    #: Lowest and highest.
    steering_range: tuple[float, float]


class TemperatureProbe(Protocol):
    """Something that knows how warm it is."""

    temperature_c: float


class Counter(Protocol):
    """A frequency counter.

    `estimator` names the weighting of a frequency gate: ``pi``, ``lambda`` or
    ``omega``; `dead_time_s` is the gap between gates.
    """

    estimator: str
    dead_time_s: float
    gate_time_s: float

    def frequency_hz(self, channel: int = 1) -> float:
        """Measure a frequency over one gate."""

    def time_interval_s(self, start: int = 1, stop: int = 2) -> float:
        """Measure one time interval from channel `start` to channel `stop`."""


class FrequencyShifter(Protocol):
    """A generator that drives an acousto-optic frequency shifter, or one output of it.

    A new frequency leaves the phase continuous. An `amplitude` of 0 is off, 1 the most.
    """

    frequency_hz: float
    amplitude: float


@dataclass(frozen=True, slots=True)
class Gate:
    """One of a series of gates without a gap.

    Attributes
    ----------
    start_s : float
        When it opened, in seconds since an arbitrary start on the counter's time base.
    frequency_hz : float
        Mean frequency within it.
    """

    start_s: float
    frequency_hz: float


class GapFreeCounter(Protocol):
    """A counter whose gates follow each other without a gap; `estimator` is ``pi``."""

    estimator: str
    #: What opens the first gate: ``immediate``, ``rear``, or the input ``A`` or ``B``.
    arming_source: str

    def start_gates(self, gate_s: float, channel: int = 1, count: int = 10_000) -> None:
        """Start a series of gates."""

    def take_gates(self) -> list[Gate]:
        """Return the gates that have ended since the last call, oldest first."""


class IntervalCounter(Protocol):
    """A counter that measures one time interval after another, aligned to the pulses.

    Between the two calls other counters can be started, so that several measure
    the same second.
    """

    def prepare_intervals(self, start: int = 1, stop: int = 2, within_s: float = 2.5) -> None:
        """Set up for intervals from channel `start` to channel `stop`.

        One that has not come `within_s` after it is asked for is missing.
        """

    def begin_interval(self) -> None:
        """Wait for the next pulse, in the background."""

    def interval_s(self) -> float:
        """Return the interval; nan if it is missing."""
