"""Pairs that scatter like Gauss on a flat floor of accidentals: where, how many, how well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Bell", "fit_bell", "fit_shift", "information"]

Floats = npt.NDArray[np.float64]

_ROUNDS = 200
_SETTLED = 1e-4
_ACROSS = 6.0


@dataclass(frozen=True)
class Bell:
    """A straight line through pairs, fitted by maximum likelihood with its scatter.

    Attributes
    ----------
    shift, turn : float
        Distance at time 0, and its slope.
    sigma : float
        Standard deviation of the pairs.
    pairs, floor : float
        Pairs above the floor, and accidentals per unit of distance.
    covariance : 2x2 array
        Of shift and turn, by the inverse of the Fisher information.
    """

    shift: float
    turn: float
    sigma: float
    pairs: float
    floor: float
    covariance: Floats


def information(pairs: float, floor: float, sigma: float) -> float:
    """Return the Fisher information on the position of a bell above a floor.

    ∫ (λ')² / λ with λ = pairs · normal density + floor; pairs / sigma² where there is no floor.
    """
    z = np.linspace(-_ACROSS, _ACROSS, 241)
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * pairs / sigma
    slope = density * z / sigma
    step = (z[1] - z[0]) * sigma
    return float(np.sum(slope * slope / np.maximum(density + floor, 1e-300)) * step)


def fit_bell(times: Floats, distances: Floats, reach: float, sigma: float, least: float) -> Bell:
    """Fit line, scatter and number of pairs by expectation and maximisation.

    Parameters
    ----------
    times, distances : float64 array
        Of pairs with a distance of at most `reach`, the line being near zero.
    reach : float
        Distances are observed up to there, to both sides.
    sigma : float
        First guess of the scatter.
    least : float
        Scatter that the resolution leaves in any case.
    """
    shift, turn = 0.0, 0.0
    pairs = max(1.0, float(np.count_nonzero(np.abs(distances) < 2 * sigma)))
    centre = float(times.mean()) if times.size else 0.0
    since = times - centre
    weights = np.ones(times.size)
    for _ in range(_ROUNDS):
        away = distances - shift - turn * since
        floor = max(times.size - pairs, 1e-3) / (2 * reach)
        density = pairs / (math.sqrt(2 * math.pi) * sigma) * np.exp(-0.5 * (away / sigma) ** 2)
        weights = density / (density + floor)
        pairs = max(float(weights.sum()), 1e-3)
        first = float(weights @ since) / pairs
        spread = float(weights @ (since - first) ** 2)
        mean = float(weights @ distances) / pairs
        slope = float(weights @ ((since - first) * (distances - mean))) / max(spread, 1e-300)
        moved = mean - slope * first
        away = distances - moved - slope * since
        narrower = max(least, math.sqrt(float(weights @ away**2) / pairs))
        change = abs(moved - shift) + abs(narrower - sigma)
        shift, turn, sigma = moved, slope, narrower
        if change < _SETTLED * sigma:
            break
    floor = max(times.size - pairs, 1e-3) / (2 * reach)
    each = information(pairs, floor, sigma) / pairs
    about = np.array(
        [
            [pairs, float(weights @ times)],
            [float(weights @ times), float(weights @ times**2)],
        ]
    )
    covariance = np.asarray(np.linalg.inv(about * each), np.float64)
    return Bell(shift - turn * centre, turn, sigma, pairs, floor, covariance)


def fit_shift(distances: Floats, reach: float, sigma: float) -> tuple[float, float, float, float]:
    """Fit position and number of pairs of a bell of known scatter.

    Parameters
    ----------
    distances : float64 array
        Of at most `reach`.
    reach : float
    sigma : float

    Returns
    -------
    shift, variance, pairs : float
    square : float
        Sum of the squares of the pairs' distances from the bell's middle.
    """
    shift = 0.0
    pairs = max(1.0, float(np.count_nonzero(np.abs(distances) < 2 * sigma)))
    square = 0.0
    for _ in range(_ROUNDS):
        floor = max(distances.size - pairs, 1e-3) / (2 * reach)
        away = distances - shift
        density = pairs / (math.sqrt(2 * math.pi) * sigma) * np.exp(-0.5 * (away / sigma) ** 2)
        weights = density / (density + floor)
        pairs = max(float(weights.sum()), 1e-3)
        moved = float(weights @ distances) / pairs
        change, shift = abs(moved - shift), moved
        square = float(weights @ (distances - shift) ** 2)
        if change < _SETTLED * sigma:
            break
    floor = max(distances.size - pairs, 1e-3) / (2 * reach)
    return shift, 1.0 / information(pairs, floor, sigma), pairs, square
