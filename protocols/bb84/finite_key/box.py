"""The worst of a bound wherever the intensities may be, by branch and bound.

A cell's enclosure gives a lower bound on the value in all of it; the middle of the most
promising cell gives an upper bound on the minimum. Cells that cannot hold a lower value are
left, the others are halved. When too many remain, the lowest of their lower bounds is the
answer: lower than need be, but never too high. Corners are tried first, and trusted no more
than other points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.bb84.finite_key.bounds import Bounds, bounds_of_cell
from protocols.bb84.finite_key.enclosure import Enclosure, Real
from protocols.bb84.finite_key.inputs import Counts, Source
from protocols.bb84.finite_key.proofs import Proof

__all__ = ["least_bounds", "lowest", "worst_bounds"]

Floats = npt.NDArray[np.float64]
Value = Callable[[Bounds], float]

_MOST_CELLS = 20_000
_CLOSE_ENOUGH = 1e-7  # of the value
_POINT = 1e-10  # of an intensity: narrower intervals are not halved


def worst_bounds(proof: Proof, source: Source, counts: Counts) -> tuple[Bounds, float]:
    """Apply a proof wherever the intensities may be, and return the worst.

    Returns
    -------
    bounds : Bounds
        At the worst intensities that were found.
    secret : float
        `Bounds.secret` is at least this everywhere; minus infinity where no key can be
        proven for all of the intensities.
    """
    return lowest(lambda bounds: bounds.secret, proof, source, counts)


def least_bounds(proof: Proof, source: Source, counts: Counts) -> tuple[float, float, float]:
    """Return the worst of s_z0, of s_z1 and of phi_z, each wherever the intensities may be.

    Where no key can be proven for all of them phi_z is 1/2 or more.
    """
    return (
        lowest(lambda bounds: bounds.s_z0_lower, proof, source, counts)[1],
        lowest(lambda bounds: bounds.s_z1_lower, proof, source, counts)[1],
        -lowest(lambda bounds: -bounds.phi_z, proof, source, counts)[1],
    )


def lowest(value: Value, proof: Proof, source: Source, counts: Counts) -> tuple[Bounds, float]:
    """Minimise a value of the bounds over the box of intensities.

    Parameters
    ----------
    value : callable
        Of `Bounds`; must not fall as any of s_z0, s_z1 and s_x1 grows, nor rise with v_x1.
    proof : Proof
    source : Source
    counts : Counts

    Returns
    -------
    bounds : Bounds
        At the worst intensities that were found.
    lowest : float
        The value is nowhere lower.
    """
    search = _Search(value, proof, [float(p) for p in source.probabilities], counts)
    at_best = search.at(source.nominal)
    ends = np.array(source.box).reshape(-1, 2).T
    if np.array_equal(ends[0], ends[1]):
        return at_best, value(at_best)
    for corner in itertools.product(*map(dict.fromkeys, source.box)):
        at_best = min(at_best, search.at(corner), key=value)
    slopes = search.slopes(ends[0], ends[1])
    low, high = ends[:1], ends[1:]
    least = search.least(low, high)
    proven, seen = math.inf, 0
    while least.size and slopes.any() and seen < _MOST_CELLS and value(at_best) > -math.inf:
        seen += least.size
        worst = int(least.argmin())
        at_best = min(at_best, search.at(((low + high) / 2)[worst].tolist()), key=value)
        done = least >= value(at_best) - _CLOSE_ENOUGH * abs(value(at_best))
        proven = min([proven, *least[done].tolist()])
        low, high = _halve(low[~done], high[~done], slopes)
        least = search.least(low, high)
    return at_best, min([proven, value(at_best), *least.tolist()])


@dataclass(frozen=True)
class _Search:
    """A value of one block's bounds, at points and over cells."""

    value: Value
    proof: Proof
    probabilities: Sequence[float]
    counts: Counts

    def at(self, intensities: Sequence[float]) -> Bounds:
        found = self.proof.photons(intensities, self.probabilities, self.counts)
        return bounds_of_cell(self.proof, found, self.counts)

    def least(self, low: Floats, high: Floats) -> Floats:
        """Return a lower bound on the value in every cell."""
        boxes: list[Real] = [Enclosure(low[:, i], high[:, i]) for i in range(low.shape[1])]
        found = self.proof.photons(boxes, self.probabilities, self.counts)
        cells = (
            bounds_of_cell(self.proof, found, self.counts, cell) for cell in range(low.shape[0])
        )
        return np.array([self.value(bounds) for bounds in cells], dtype=np.float64)

    def slopes(self, low: Floats, high: Floats) -> Floats:
        """Return how much each intensity by itself may lower the value, for its width."""
        middle = (low + high) / 2
        slabs = np.tile(middle, (low.size + 1, 1)), np.tile(middle, (low.size + 1, 1))
        for i in range(low.size):
            slabs[0][i, i], slabs[1][i, i] = low[i], high[i]
        levels = self.least(*slabs)
        with np.errstate(invalid="ignore"):
            drops = levels[-1] - levels[:-1]
        known = np.isfinite(drops)
        drops = np.where(known, drops, drops[known].max(initial=1.0))
        drops = np.maximum(drops, 1e-3 * drops.max())  # what matters not here may elsewhere
        widths = high - low
        wide = widths > _POINT * high  # what is narrower is left whole
        return np.where(wide, drops / np.where(wide, widths, 1.0), 0.0)


def _halve(low: Floats, high: Floats, slopes: Floats) -> tuple[Floats, Floats]:
    """Return both halves of every cell, cut across where the value changes most."""
    widest = np.argmax((high - low) * slopes, axis=1)
    rows = np.arange(low.shape[0])
    middle = (low[rows, widest] + high[rows, widest]) / 2
    lower, upper = high.copy(), low.copy()
    lower[rows, widest] = middle
    upper[rows, widest] = middle
    return np.concatenate([low, upper]), np.concatenate([lower, high])
