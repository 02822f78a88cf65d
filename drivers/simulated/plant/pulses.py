"""The compiled loops from pulses to avalanches: interference, thinning, dark counts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import GOLDEN, kernel, normal_pair, uniform
from drivers.simulated.plant.modulators import Playing, played

__all__ = ["Diodes", "Light", "avalanches", "expected_clicks", "mean_transmission"]


class Light(NamedTuple):
    """The pulses of a piece as they reach the detectors.

    `intensity` plays half the modulator's phase, `alice` and `bob` their phases in
    rad, the drift included; `photons` is the mean number behind Bob's optics at
    full transmission of the intensity modulator, `bound` at least the mean number
    of avalanches per pulse.
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


@kernel
def _transmission(intensity: Playing, k: int, floor: float) -> float:
    s = math.sin(played(intensity, k))
    return floor + (1.0 - floor) * s * s


@kernel
def _means(light: Light, diodes: Diodes, k: int) -> tuple[float, float]:
    """Return the mean numbers of avalanches that pulse `k` starts in D0 and D1.

    The central peak leaves by the two ports in the shares (1 +- V cos phi)/2.
    """
    half = 0.5 * light.photons * _transmission(light.intensity, k, light.floor)
    fringe = light.visibility * math.cos(played(light.alice, k) - played(light.bob, k))
    return half * (1.0 + fringe) * diodes.efficiency_0, half * (1.0 - fringe) * diodes.efficiency_1


@kernel
def _grown(times: NDArray[np.int64]) -> NDArray[np.int64]:
    longer = np.empty(2 * times.size, dtype=np.int64)
    longer[: times.size] = times
    return longer


@kernel
def _with_dark(
    light: NDArray[np.int64], count: int, key: np.uint64, rate: float, span_ps: float
) -> NDArray[np.int64]:
    """Merge a Poisson process of `rate` over `span_ps` into sorted times."""
    out = np.empty(count + 16 + int(1.2 * rate * span_ps), dtype=np.int64)
    filled, used, t, counter = 0, 0, 0.0, key
    while True:
        if rate > 0.0:
            counter += GOLDEN
            t -= math.log(uniform(counter)) / rate
        else:
            t = span_ps
        while used < count and (t >= span_ps or light[used] <= t):
            if filled == out.size:
                out = _grown(out)
            out[filled] = light[used]
            filled, used = filled + 1, used + 1
        if t >= span_ps:
            return out[:filled]
        if filled == out.size:
            out = _grown(out)
        out[filled] = np.int64(t)
        filled += 1


@kernel
def avalanches(
    light: Light,
    diodes: Diodes,
    slots: int,
    slot_ps: float,
    key: np.uint64,
    dark_key_0: np.uint64,
    dark_key_1: np.uint64,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when each diode would break down if it were always ready.

    The loop leaps from one candidate slot to the next by geometric gaps under the
    bound and thins them to the probability of that slot. Whatever `slots` is, the
    result is the beginning of the same series.

    Parameters
    ----------
    light, diodes : Light, Diodes
        What holds in this piece.
    slots : int
        Length of the piece.
    slot_ps : float
        Length of a slot in bench time.
    key, dark_key_0, dark_key_1 : int
        Random streams of the light and of the dark counts.

    Returns
    -------
    tuple of array
        Times in ps for each diode since `early_ps` before the first pulse's mean
        arrival, ascending.
    """
    expected = slots * -math.expm1(-light.bound)
    room = 64 + int(0.75 * expected)
    times_0, times_1 = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    count_0, count_1 = 0, 0
    ceiling = -math.expm1(-light.bound)
    counter, k = key, -1
    while light.bound > 0.0:
        counter += GOLDEN
        gap = -math.log(uniform(counter)) / light.bound
        if gap >= slots - 1 - k:
            break
        k += 1 + int(gap)
        mean_0, mean_1 = _means(light, diodes, k)
        counter += GOLDEN
        draw = ceiling * uniform(counter)
        if draw >= -math.expm1(-mean_0 - mean_1):
            continue
        click_0, click_1 = -math.expm1(-mean_0), -math.expm1(-mean_1)
        counter += GOLDEN
        first = counter
        counter += GOLDEN
        wide_0, wide_1 = normal_pair(first, counter)
        if draw < click_0:
            if count_0 == times_0.size:
                times_0 = _grown(times_0)
            late_ps = diodes.early_ps + wide_0 * diodes.spread_0_ps
            times_0[count_0] = np.int64(k * slot_ps + late_ps)
            count_0 += 1
        if draw < click_0 * click_1 or draw >= click_0:
            if count_1 == times_1.size:
                times_1 = _grown(times_1)
            late_ps = diodes.early_ps + wide_1 * diodes.spread_1_ps
            times_1[count_1] = np.int64(k * slot_ps + late_ps)
            count_1 += 1
    span_ps = slots * slot_ps
    return (
        _with_dark(times_0, count_0, dark_key_0, diodes.dark_0, span_ps),
        _with_dark(times_1, count_1, dark_key_1, diodes.dark_1, span_ps),
    )


@kernel
def mean_transmission(intensity: Playing, floor: float, slots: int, key: np.uint64) -> float:
    """Return the intensity modulator's mean transmission over a piece.

    Long pieces are sampled: one random slot of each of 2^18 equal parts.
    """
    draws = min(slots, 1 << 18)
    width = slots / draws
    total, counter = 0.0, key
    for i in range(draws):
        counter += GOLDEN
        total += _transmission(intensity, int((i + uniform(counter)) * width), floor)
    return total / draws


@kernel
def expected_clicks(
    light: Light, diodes: Diodes, slots: int, key: np.uint64
) -> tuple[float, float]:
    """Return the mean probabilities per slot that light starts an avalanche in D0 and D1.

    Long pieces are sampled: one random slot of each of 2^16 equal parts.
    """
    draws = min(slots, 1 << 16)
    width = slots / draws
    total_0, total_1, counter = 0.0, 0.0, key
    for i in range(draws):
        counter += GOLDEN
        mean_0, mean_1 = _means(light, diodes, int((i + uniform(counter)) * width))
        total_0 -= math.expm1(-mean_0)
        total_1 -= math.expm1(-mean_1)
    return total_0 / draws, total_1 / draws
