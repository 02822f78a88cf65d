"""Electro-optic modulators: what a generator plays on them and what light does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.drifts import Drift
from drivers.simulated.plant.kernels import inlined
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.timing import Timeline
from drivers.simulated.terminals import Waveform

__all__ = ["Bias", "Drive", "Electrode", "Playing", "largest_sine_squared", "played"]

_ENDLESS = 1 << 62


class Playing(NamedTuple):
    """How a record plays in a compiled loop: volts times a factor, slot by slot.

    The sample that counts for slot k of a piece is number
    ``first + k * per_slot``, rounded down; after `samples` the first is held. The
    record itself stands apart: inside a tuple, each access would count references.
    """

    first: float
    per_slot: float
    samples: int
    slope: float
    offset: float


@inlined
def played(codes: NDArray[np.int16], playing: Playing, k: int) -> float:
    """Return factor times volts at the middle of slot `k` of a piece."""
    sample = int(playing.first + k * playing.per_slot)
    length = codes.size
    if sample < 0 or sample >= playing.samples:
        sample = 0
    elif sample >= length:
        sample %= length
    return float(codes[sample] * playing.slope + playing.offset)


def _record(codes: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return codes as the one type for which the loops are compiled."""
    record = np.require(codes, dtype=np.int16, requirements=["C", "A"]).view()
    record.flags.writeable = False
    return record


_STEADY = _record(np.zeros(1, dtype=np.int16))


@dataclass(frozen=True, eq=False)
class Drive:
    """A waveform from the moment its first sample is out.

    Attributes
    ----------
    codes, volts_per_code, offset_v : array, float, float
        The record; a steady voltage is one code.
    sample_rate_hz : float
        Samples per second of the generator's clock.
    samples : int
        How many are played before the first is held again.
    start_ps : int
        What that clock shows when the first sample reaches the electrode.
    """

    codes: NDArray[np.int16]
    volts_per_code: float
    offset_v: float
    sample_rate_hz: float
    samples: int
    start_ps: int

    @classmethod
    def steady(cls, volts: float) -> Drive:
        """Return a voltage that does not change."""
        return cls(_STEADY, 0.0, volts, 0.0, 1, 0)

    @classmethod
    def of(cls, waveform: Waveform, start_ps: int) -> Drive:
        """Return a waveform that starts when the generator's clock shows `start_ps`."""
        codes = _record(waveform.codes)
        if codes.size == 0:
            return cls.steady(waveform.offset_v)
        samples = _ENDLESS if waveform.repeats is None else codes.size * waveform.repeats
        return cls(
            codes,
            waveform.volts_per_code,
            waveform.offset_v,
            waveform.sample_rate_hz,
            samples,
            start_ps,
        )

    @cached_property
    def range_v(self) -> tuple[float, float]:
        """The lowest and the highest voltage of the record."""
        ends = [
            float(code) * self.volts_per_code + self.offset_v
            for code in (self.codes.min(), self.codes.max())
        ]
        return min(ends), max(ends)

    def playing(self, pulse_ps: int, slot_ps: float, slope: float, offset: float) -> Playing:
        """Return what the loop needs for a piece.

        Parameters
        ----------
        pulse_ps : int
            What that clock shows when the piece's first pulse passes.
        slot_ps : float
            Length of a slot on it.
        slope, offset : float
            The loop sees ``slope * volts + offset``.
        """
        return Playing(
            (pulse_ps - self.start_ps) * 1e-12 * self.sample_rate_hz,
            slot_ps * 1e-12 * self.sample_rate_hz,
            self.samples,
            self.volts_per_code * slope,
            self.offset_v * slope + offset,
        )


class Electrode:
    """A modulator's radio-frequency electrode (a `VoltageInput`).

    Parameters
    ----------
    slot_at : callable
        From bench time to the first slot that meets what happens then.
    start_ps : callable
        From bench time to what the generator's clock shows when a waveform's first sample
        reaches the electrode.
    changed : callable
        Told the first slot of every change.
    """

    def __init__(
        self,
        slot_at: Callable[[int], int],
        start_ps: Callable[[int], int],
        changed: Callable[[int], None],
    ) -> None:
        self._slot_at = slot_at
        self._start_ps = start_ps
        self.drive = Timeline(Drive.steady(0.0), changed)

    def hold(self, t_ns: int, volts: float) -> None:
        """Apply a steady voltage from `t_ns` on."""
        self.drive.set(self._slot_at(t_ns), Drive.steady(volts))

    def play(self, t_ns: int, waveform: Waveform) -> None:
        """Play a waveform from `t_ns` on; afterwards its first sample is held."""
        self.drive.set(self._slot_at(t_ns), Drive.of(waveform, self._start_ps(t_ns)))


# Phase, in half-wave voltages above the null, of each point of operation.
_POINTS = {"null": 0.0, "quad+": 0.5, "peak": 1.0, "quad-": -0.5}


class Bias:
    """Bias electrode of the intensity modulator, with its controller (a `BiasPoint`).

    A lock takes the point of its kind that is nearest to 0 V and follows the
    drift of the null with a lag; a held voltage lets the drift through. At quad+
    the light grows with the voltage.

    Parameters
    ----------
    parameters : LinkParameters
        The link.
    seed : int
        Seed of the drift.
    slot_at : callable
        From bench time to the first slot that begins then.
    changed : callable
        Told the first slot of every change.
    tap_w : callable
        Power in watts at the controller's photodiode at a time in ns.
    """

    def __init__(
        self,
        parameters: LinkParameters,
        seed: int,
        slot_at: Callable[[int], int],
        changed: Callable[[int], None],
        tap_w: Callable[[int], float],
    ) -> None:
        p = self._parameters = parameters
        self._drift = Drift(
            p.intensity_null_drift_v_per_sqrt_s, p.intensity_null_relaxation_s, (seed, 4)
        )
        self._slot_at = slot_at
        self._tap_w = tap_w
        self.setting: Timeline[float | str] = Timeline(0.0, changed)

    def hold(self, t_ns: int, volts: float) -> None:
        """Apply a steady bias voltage."""
        self.setting.set(self._slot_at(t_ns), volts)

    def lock(self, t_ns: int, point: str) -> None:
        """Follow an operating point: ``peak``, ``null``, ``quad+`` or ``quad-``."""
        if point not in _POINTS:
            raise ValueError(f"no operating point {point!r}; there are {', '.join(_POINTS)}")
        self.setting.set(self._slot_at(t_ns), point)

    def volts(self, t_ns: int) -> float:
        """Return the bias voltage that is applied."""
        return self.applied_v(self._slot_at(t_ns), t_ns)

    def tap_w(self, t_ns: int) -> float:
        """Return the optical power at the modulator's tap in watts."""
        return self._tap_w(t_ns)

    def null_v(self, t_ns: int) -> float:
        """Return the voltage of least light."""
        return self._parameters.intensity_null_v + self._drift.at(t_ns)

    def applied_v(self, slot: int, t_ns: int) -> float:
        """Return the bias voltage for a slot that begins at `t_ns`."""
        setting = self.setting.at(slot)
        if isinstance(setting, float | int):
            return float(setting)
        v_pi = self._parameters.intensity_v_pi_v
        point = self._parameters.intensity_null_v + _POINTS[setting] * v_pi
        nearest = point - 2.0 * v_pi * round(point / (2.0 * v_pi))
        seen_ns = t_ns - round(self._parameters.bias_lock_lag_s * 1e9)
        return nearest + self._drift.at(seen_ns)


def largest_sine_squared(low: float, high: float) -> float:
    """Return the largest sin^2(pi y) for y between `low` and `high`."""
    if math.floor(high - 0.5) != math.floor(low - 0.5):
        return 1.0
    return max(math.sin(math.pi * low) ** 2, math.sin(math.pi * high) ** 2)
