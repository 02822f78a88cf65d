"""The compiled loops from pulses to avalanches: interference, thinning, dark counts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import (
    GOLDEN,
    grown,
    inlined,
    kernel,
    normal_pair,
    sine_squared,
    uniform,
)
from drivers.simulated.plant.modulators import Playing, played

__all__ = ["Diodes", "Light", "Records", "avalanches", "expected_clicks", "mean_transmission"]


Codes = NDArray[np.int16]
# The records of the intensity modulator, of Alice's phase modulator and of Bob's.
Records = tuple[Codes, Codes, Codes]


class Light(NamedTuple):
    """The pulses of a piece as they reach the detectors.

    The electrodes play volts over twice the half-wave voltage, which is phase over
    2 pi; the bias and the drift are in their offsets. `photons` is the mean number
    behind Bob's optics at full transmission of the intensity modulator, `bound` at
    least the mean number of avalanches per pulse.
    """

    intensity: Playing
    alice: Playing
    bob: Playing
    photons: float
    floor: float
    visibility: float
    bound: float


class Diodes(NamedTuple):
    """Two detectors: efficiency, dark counts per ps, spread of the arrivals in ps.

    Times count from `early_ps` before a pulse's mean arrival, far more than the
    spread.
    """

    efficiency_0: float
    efficiency_1: float
    dark_0: float
    dark_1: float
    spread_0_ps: float
    spread_1_ps: float
    early_ps: float


@inlined
def _transmission(codes: Codes, intensity: Playing, k: int, floor: float) -> float:
    return floor + (1.0 - floor) * sine_squared(played(codes, intensity, k))


@inlined
def _means(
    intensity: Codes, alice: Codes, bob: Codes, light: Light, diodes: Diodes, k: int
) -> tuple[float, float]:
    """Return the mean numbers of avalanches that pulse `k` starts in D0 and D1.

    The central peak leaves by the two ports in the shares (1 +- V cos phi)/2.
    """
    half = 0.5 * light.photons * _transmission(intensity, light.intensity, k, light.floor)
    turns = played(alice, light.alice, k) - played(bob, light.bob, k)
    fringe = light.visibility * (1.0 - 2.0 * sine_squared(turns))
    return half * (1.0 + fringe) * diodes.efficiency_0, half * (1.0 - fringe) * diodes.efficiency_1


@kernel
def _faint(
    records: Records, light: Light, diodes: Diodes, slots: int, key: np.uint64
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the slots in which light starts avalanches in D0 and in D1.

    Photoelectrons are a Poisson process along the slots: the loop leaps with
    exponential gaps under the bound and thins to the means of the slot it is in.
    """
    room = 64 + int(0.75 * slots * light.bound)
    slots_0, slots_1 = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    count_0, count_1, last_0, last_1 = 0, 0, -1, -1
    counter, x = key, 0.0
    intensity, alice, bob = records
    while light.bound > 0.0:
        counter += GOLDEN
        x -= math.log(uniform(counter)) / light.bound
        if x >= slots:
            break
        k = int(x)
        mean_0, mean_1 = _means(intensity, alice, bob, light, diodes, k)
        counter += GOLDEN
        draw = light.bound * uniform(counter)
        if draw < mean_0:
            if k != last_0:
                if count_0 == slots_0.size:
                    slots_0 = grown(slots_0)
                slots_0[count_0], last_0 = k, k
                count_0 += 1
        elif draw < mean_0 + mean_1 and k != last_1:
            if count_1 == slots_1.size:
                slots_1 = grown(slots_1)
            slots_1[count_1], last_1 = k, k
            count_1 += 1
    return slots_0[:count_0], slots_1[:count_1]


@kernel
def _bright(
    records: Records, light: Light, diodes: Diodes, slots: int, key: np.uint64
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the same as `_faint` where most slots start an avalanche: one slot at a time."""
    slots_0, slots_1 = np.empty(slots, dtype=np.int64), np.empty(slots, dtype=np.int64)
    count_0, count_1, counter = 0, 0, key
    intensity, alice, bob = records
    for k in range(slots):
        mean_0, mean_1 = _means(intensity, alice, bob, light, diodes, k)
        counter += GOLDEN
        if uniform(counter) < -math.expm1(-mean_0):
            slots_0[count_0] = k
            count_0 += 1
        counter += GOLDEN
        if uniform(counter) < -math.expm1(-mean_1):
            slots_1[count_1] = k
            count_1 += 1
    return slots_0[:count_0], slots_1[:count_1]


@kernel
def _times(
    slots: NDArray[np.int64],
    slot_ps: float,
    early_ps: float,
    spread_ps: float,
    key: np.uint64,
    dark: float,
    span_ps: float,
    dark_key: np.uint64,
) -> NDArray[np.int64]:
    """Return the times of avalanches by light, spread, and of dark ones, merged."""
    out = np.empty(slots.size + 16 + int(1.2 * dark * span_ps), dtype=np.int64)
    filled, dark_ps = 0, 0.0
    counter, dark_counter = key, dark_key
    even, odd = 0.0, 0.0
    for used in range(slots.size + 1):
        light_ps = span_ps
        if used < slots.size:
            if used & 1 == 0:
                counter += GOLDEN
                first = counter
                counter += GOLDEN
                even, odd = normal_pair(first, counter)
            light_ps = slots[used] * slot_ps + early_ps + spread_ps * (odd if used & 1 else even)
        while dark > 0.0 and dark_ps < light_ps:
            if dark_ps > 0.0:
                if filled == out.size:
                    out = grown(out)
                out[filled] = np.int64(dark_ps)
                filled += 1
            dark_counter += GOLDEN
            dark_ps -= math.log(uniform(dark_counter)) / dark
        if used < slots.size:
            if filled == out.size:
                out = grown(out)
            out[filled] = np.int64(light_ps)
            filled += 1
    return out[:filled]


@kernel
def avalanches(
    records: Records,
    light: Light,
    diodes: Diodes,
    slots: int,
    slot_ps: float,
    key: np.uint64,
    keys_0: tuple[np.uint64, np.uint64],
    keys_1: tuple[np.uint64, np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when each diode would break down if it were always ready.

    Whatever `slots` is, the result is the beginning of the same series.

    Parameters
    ----------
    records, light, diodes : Records, Light, Diodes
        What holds in this piece.
    slots : int
        Length of the piece.
    slot_ps : float
        Length of a slot in bench time.
    key : int
        Random stream of the light.
    keys_0, keys_1 : tuple of int
        Streams of the arrival times and of the dark counts of each diode.

    Returns
    -------
    tuple of array
        Times in ps for each diode since `early_ps` before the first pulse's mean
        arrival, ascending.
    """
    if light.bound > 1.0:
        slots_0, slots_1 = _bright(records, light, diodes, slots, key)
    else:
        slots_0, slots_1 = _faint(records, light, diodes, slots, key)
    span_ps = slots * slot_ps
    spread_0, spread_1, early = diodes.spread_0_ps, diodes.spread_1_ps, diodes.early_ps
    return (
        _times(slots_0, slot_ps, early, spread_0, keys_0[0], diodes.dark_0, span_ps, keys_0[1]),
        _times(slots_1, slot_ps, early, spread_1, keys_1[0], diodes.dark_1, span_ps, keys_1[1]),
    )


@kernel
def mean_transmission(
    codes: Codes, intensity: Playing, floor: float, slots: int, key: np.uint64
) -> float:
    """Return the intensity modulator's mean transmission over a piece.

    Long pieces are sampled: one random slot of each of 2^21 equal parts.
    """
    draws = min(slots, 1 << 21)
    width = slots / draws
    total, counter = 0.0, key
    for i in range(draws):
        counter += GOLDEN
        total += _transmission(codes, intensity, int((i + uniform(counter)) * width), floor)
    return total / draws


@kernel
def expected_clicks(
    records: Records, light: Light, diodes: Diodes, slots: int, key: np.uint64
) -> tuple[float, float]:
    """Return the mean probabilities per slot that light starts an avalanche in D0 and D1.

    Long pieces are sampled: one random slot of each of 2^18 equal parts.
    """
    draws = min(slots, 1 << 18)
    width = slots / draws
    total_0, total_1, counter = 0.0, 0.0, key
    intensity, alice, bob = records
    for i in range(draws):
        counter += GOLDEN
        mean_0, mean_1 = _means(
            intensity, alice, bob, light, diodes, int((i + uniform(counter)) * width)
        )
        total_0 -= math.expm1(-mean_0)
        total_1 -= math.expm1(-mean_1)
    return total_0 / draws, total_1 / draws
