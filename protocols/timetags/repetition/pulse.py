"""Width of the pulses and background, from the phases of tags."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.timetags.repetition.errors import NoRepetitionError

__all__ = ["FINE", "Pulse", "pulls", "pulse_of"]

#: Phases are whole multiples of a tick over this: their sums are integers.
FINE = 1024
#: The gate is so many standard deviations to either side.
_GATE = 5.0
_ROUNDS = 40
#: Squares are summed in parts of the gate, so that those of a million tags fit 62 bits.
_PARTS = 1 << 20
#: Integral of u^2 (1 - u^2)^4 from -1 to 1: 256 / 3465.
_UNIFORM = 256.0 / 3465.0
_LEAST_PULL = 0.05
#: Tags without any width are still no better known than a fraction of a tick.
_LEAST_SQUARE = 1.0 / 192.0


@dataclass(frozen=True)
class Pulse:
    """What the tags of one stretch look like, folded by the period; times in ticks.

    Attributes
    ----------
    spread : float
        Standard deviation of the tags about the pulses' centres.
    gate : float
        Half the width in which they are looked for.
    signal : float
        Tags above the background.
    share : float
        Their share of all tags.
    pull, square : float
        Of one such tag: what its biweight pull changes by per tick of displacement, and the
        mean square of that pull.
    """

    spread: float
    gate: float
    signal: float
    share: float
    pull: float
    square: float

    def variance(self, signal: float, dark: float) -> float:
        """Return that of a phase from so many tags, with `dark` background tags per tick."""
        noise = signal * self.square + dark * self.gate * self.gate * self.gate * _UNIFORM
        return noise / (signal * self.pull) ** 2

    def tick_bias(self, every: int) -> float:
        """Return the rms error that whole ticks leave in a mean phase, in ticks.

        Of pulses narrower than a tick, at one phase between the ticks, rounding is no chance
        that averages out: its Fourier series in that phase has amplitudes
        ``exp(-2 pi^2 k^2 s^2) / (pi k)``, s the pulses' own width. Of a period of a whole
        number of ticks over `every`, what remains are its multiples.
        """
        own = max(self.spread * self.spread - 1.0 / 12.0, 0.0)
        total = 0.0
        for k in (every, 2 * every, 3 * every):
            falls = 1.0 + 4.0 * math.pi * math.pi * k * k * own / 16.0
            for _ in range(4):  # to the power of 16: exp without a library's last digit
                falls *= falls
            total += 0.5 / (math.pi * math.pi * k * k) / falls
        return math.sqrt(total)


def pulls(late: npt.NDArray[np.float64], gate: float) -> npt.NDArray[np.int64]:
    """Return Tukey's biweight pull of each tag, in ticks over `FINE`.

    It grows with the distance from the centre, and falls to nothing at the gate: background
    pulls little, and to both sides alike.
    """
    share = late / gate
    weight = 1.0 - share * share
    weight *= np.where(np.abs(share) < 1.0, weight, 0.0)
    weight *= late
    return np.rint(weight * FINE).astype(np.int64)


def pulse_of(late: npt.NDArray[np.float64], period: float) -> Pulse:
    """Measure the pulses from how much later than a nearly right phase each tag is, in ticks.

    From a gate of half a period it narrows to five standard deviations, step by step, since of
    much background in a wide gate the width is uncertain, and takes off what it sees outside.

    Raises
    ------
    NoRepetitionError
        Nothing is above the background.
    """
    gate, spread, signal = 0.25 * period, 0.25 * period, 0.0
    for _ in range(_ROUNDS):
        unit = gate / _PARTS
        near = np.rint(late[np.abs(late) <= gate] / unit).astype(np.int64)
        dark = (late.size - near.size) / (period - 2.0 * gate)
        signal = near.size - 2.0 * gate * dark
        if signal < 4.0:
            raise NoRepetitionError("nothing stands out of the background")
        centre = int(near.sum()) * unit / signal
        squares = int((near * near).sum()) * unit * unit - 2.0 * dark * gate**3 / 3.0
        variance = squares / signal - centre * centre
        spread = math.sqrt(max(variance, 1.0 / 12.0))  # a tick is as wide
        wanted = min(_GATE * spread + 1.0 + abs(centre), 0.25 * period)
        if 0.9 * gate < wanted < 1.1 * gate:
            break
        gate = max(wanted, 0.5 * gate)
    off = late[np.abs(late) < gate] - centre
    unit = gate / _PARTS
    own = np.rint(pulls(off, gate) / (FINE * unit)).astype(np.int64)
    dark = max(late.size - signal, 0.0) / period
    square = (int((own * own).sum()) * unit * unit - dark * gate**3 * _UNIFORM) / signal
    square = max(square, _LEAST_SQUARE)
    share = off / gate
    steep = (1.0 - share * share) * (1.0 - 5.0 * share * share)
    pull = int(np.rint(steep * FINE).sum()) / FINE / signal
    if pull < _LEAST_PULL:
        raise NoRepetitionError("the pulses are as wide as their period")
    return Pulse(spread, gate, signal, signal / late.size, pull, square)
