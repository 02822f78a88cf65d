"""From counts to what is secret in them, at one set of intensities or over a box of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.bb84.finite_key.decoys import SinglePhotons
from protocols.bb84.finite_key.enclosure import Enclosure, Real
from protocols.bb84.finite_key.inputs import Counts, Source
from protocols.bb84.finite_key.proofs import Proof
from protocols.bb84.finite_key.statistics import binary_entropy
from protocols.errors import InsecureError

__all__ = ["Bounds", "bound_at", "least_bounds", "worst_bounds", "worst_of"]

Floats = npt.NDArray[np.float64]

_MOST_CELLS = 40_000
_CLOSE_ENOUGH = 1e-9


@dataclass(frozen=True)
class Bounds:
    """What a proof finds in the counts of a block.

    Attributes
    ----------
    s_z0_lower, s_z1_lower : float
        Vacuum and single-photon detections in the key basis that are proven.
    phi_z : float
        Upper bound on the phase error rate of the latter, below 1/2.
    terms : mapping of str to float
        These and every intermediate, by name.
    """

    s_z0_lower: float
    s_z1_lower: float
    phi_z: float
    terms: Mapping[str, float]

    @property
    def secret(self) -> float:
        """s_z0 + s_z1 (1 − h(phi_z)): secret bits before anything is charged."""
        return self.s_z0_lower + self.s_z1_lower * (1 - binary_entropy(self.phi_z))


def bound_at(
    proof: Proof, intensities: Sequence[float], probabilities: Sequence[float], counts: Counts
) -> Bounds:
    """Apply a proof to a block at known intensities.

    Raises
    ------
    InsecureError
        No single photon can be proven in either basis, or phi_z reaches 1/2.
    """
    return _finish(proof, proof.photons(intensities, probabilities, counts), counts)


def worst_bounds(proof: Proof, source: Source, counts: Counts) -> tuple[Bounds, float]:
    """Apply a proof wherever the intensities may be, and return the worst.

    Returns
    -------
    bounds : Bounds
        At the worst intensities that were found.
    secret : float
        `Bounds.secret` is at least this everywhere in the box.

    Raises
    ------
    InsecureError
        As `bound_at`, somewhere in the box.
    """
    return worst_of(lambda bounds: bounds.secret, proof, source, counts)


def least_bounds(proof: Proof, source: Source, counts: Counts) -> Bounds:
    """Return the worst of each bound, wherever the intensities may be.

    Raises
    ------
    InsecureError
        As `bound_at`, somewhere in the box.
    """
    found, phi = worst_of(lambda bounds: -bounds.phi_z, proof, source, counts)
    return Bounds(
        worst_of(lambda bounds: bounds.s_z0_lower, proof, source, counts)[1],
        worst_of(lambda bounds: bounds.s_z1_lower, proof, source, counts)[1],
        -phi,
        found.terms,
    )


def worst_of(
    value: Callable[[Bounds], float], proof: Proof, source: Source, counts: Counts
) -> tuple[Bounds, float]:
    """Minimise a value of the bounds over the box of intensities, by branch and bound.

    A cell's enclosure gives a lower bound on the value in all of it, and its middle an
    upper bound on the minimum. Cells that cannot hold a lower value are left, the others
    are halved. When too many remain the lowest of their lower bounds is the answer: lower
    than need be, but never too high. Corners get no trust beyond other points.

    Parameters
    ----------
    value : callable
        Must not fall as any of s_z0, s_z1 and s_x1 grows, nor rise with v_x1.
    proof : Proof
    source : Source
    counts : Counts

    Raises
    ------
    InsecureError
        As `bound_at`, somewhere in the box.
    """
    probabilities = [float(p) for p in source.probabilities]
    at_best = bound_at(proof, source.nominal, probabilities, counts)
    low = np.array([[interval[0] for interval in source.box]])
    high = np.array([[interval[1] for interval in source.box]])
    if np.array_equal(low, high):
        return at_best, value(at_best)
    best, proven, seen = value(at_best), math.inf, 0
    for corner in _corners(source):
        there = bound_at(proof, corner, probabilities, counts)
        if value(there) < best:
            at_best, best = there, value(there)
    while low.shape[0] and seen < _MOST_CELLS:
        seen += low.shape[0]
        for middle in (low + high) / 2:
            there = bound_at(proof, middle.tolist(), probabilities, counts)
            if value(there) < best:
                at_best, best = there, value(there)
        lowest = _lower_values(value, proof, low, high, probabilities, counts)
        left = lowest >= best - max(_CLOSE_ENOUGH * abs(best), 1e-9)
        proven = min([proven, *lowest[left]])
        low, high = _halve(low[~left], high[~left])
    if low.shape[0]:
        proven = min(proven, *_lower_values(value, proof, low, high, probabilities, counts))
    if proven == -math.inf:
        raise InsecureError("no key can be proven for all of the stated intensities")
    return at_best, float(min(best, proven))


def _corners(source: Source) -> list[list[float]]:
    corners: list[list[float]] = [[]]
    for interval in source.box:
        corners = [[*corner, end] for corner in corners for end in dict.fromkeys(interval)]
    return corners


def _halve(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return both halves of every cell, cut across where it is widest for its height."""
    if not low.shape[0]:
        return low, high
    widest = np.argmax((high - low) / high, axis=1)
    rows = np.arange(low.shape[0])
    middle = (low[rows, widest] + high[rows, widest]) / 2
    lower, upper = high.copy(), low.copy()
    lower[rows, widest] = middle
    upper[rows, widest] = middle
    return np.concatenate([low, upper]), np.concatenate([lower, high])


def _lower_values(
    value: Callable[[Bounds], float],
    proof: Proof,
    low: Floats,
    high: Floats,
    probabilities: Sequence[float],
    counts: Counts,
) -> Floats:
    boxes: list[Real] = [Enclosure(low[:, i], high[:, i]) for i in range(low.shape[1])]
    found = proof.photons(boxes, probabilities, counts)
    values = np.full(low.shape[0], -np.inf)
    for cell in range(low.shape[0]):
        try:
            values[cell] = value(_finish(proof, found, counts, cell))
        except InsecureError:
            continue  # nothing can be said of the whole cell
    return values


def _finish(proof: Proof, found: SinglePhotons[Real], counts: Counts, cell: int = 0) -> Bounds:
    """Take the pessimistic ends, and bound the phase error rate."""

    def low(x: Real, most: float) -> float:
        return min(float(x.low[cell]) if isinstance(x, Enclosure) else x, most)

    errors = found.v_x1_upper
    n_z, n_x = sum(counts.n_z), sum(counts.n_x)
    photons = SinglePhotons(
        low(found.s_z0_lower, n_z),
        low(found.s_z1_lower, n_z),
        low(found.s_x1_lower, n_x),
        float(errors.high[cell]) if isinstance(errors, Enclosure) else errors,
    )
    terms = {
        "s_z0_lower": photons.s_z0_lower,
        "s_z1_lower": photons.s_z1_lower,
        "s_x1_lower": photons.s_x1_lower,
        "v_x1_upper": photons.v_x1_upper,
    }
    if isinstance(found.s_z0_upper, float):
        terms["s_z0_upper"] = found.s_z0_upper
    terms |= proof.phase(photons)
    return Bounds(photons.s_z0_lower, photons.s_z1_lower, terms["phi_z"], terms)
