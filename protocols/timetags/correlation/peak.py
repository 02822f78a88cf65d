"""Position, width and contrast of a peak."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, xlogy

from protocols.timetags.correlation.g2 import Correlation
from protocols.timetags.correlation.search import Feature

__all__ = ["FWHM", "Contrast", "Peak", "contrast", "fit_peak", "model"]

Floats = npt.NDArray[np.float64]

FWHM = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian of unit standard deviation."""

_MOST_STEPS = 200


@dataclass(frozen=True)
class Peak:
    """A Gaussian on a flat background.

    Attributes
    ----------
    position, position_std : float
        In ticks.
    sigma, sigma_std : float
        Standard deviation, in ticks. NaN if the peak is too narrow for the bins to tell.
    pairs, pairs_std : float
        Pairs in it, above the background.
    background : float
        Pairs per tick of lag.
    deviance, freedom : float, int
        −2 log likelihood against a model that fits every bin, and the degrees of freedom, which
        it is near if the peak is a Gaussian and bins are well filled.
    """

    position: float
    position_std: float
    sigma: float
    sigma_std: float
    pairs: float
    pairs_std: float
    background: float
    deviance: float
    freedom: int


@dataclass(frozen=True)
class Contrast:
    """Coincidences and accidentals in a window.

    Attributes
    ----------
    window : tuple of int
        First lag in the window and first one after it, in ticks: whole bins.
    coincidences : int
        Pairs in the window, whatever made them.
    accidentals, accidentals_std : float
        Pairs that the histogram beside the peak suggests for the window; NaN if nothing is
        beside it.
    ratio, ratio_std : float
        Coincidences over accidentals; NaN if no pair lies beside the peak.
    """

    window: tuple[int, int]
    coincidences: int
    accidentals: float
    accidentals_std: float
    ratio: float
    ratio_std: float


def _model(parameters: Floats, edges: Floats, shape: Floats) -> Floats:
    """Return the pairs expected per bin; `shape` is what one pair of background per tick gives."""
    background, pairs, position, sigma = parameters
    expected: Floats = background * shape + pairs * np.diff(ndtr((edges - position) / sigma))
    return expected


def model(peak: Peak, found: Correlation) -> Floats:
    """Return the pairs that a fitted peak with its background expects in every bin."""
    parameters = np.array([peak.background, peak.pairs, peak.position, peak.sigma])
    return _model(
        parameters, found.bins.edges.astype(np.float64) - 0.5, found.bins.ticks.astype(np.float64)
    )


def _slopes(parameters: Floats, edges: Floats, shape: Floats) -> Floats:
    """Return the derivatives of `_model`, shape (bins, 4)."""
    _, pairs, position, sigma = parameters
    z = (edges - position) / sigma
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    columns = (
        shape,
        np.diff(ndtr(z)),
        -pairs / sigma * np.diff(density),
        -pairs / sigma * np.diff(z * density),
    )
    return np.stack(columns, axis=1)


def _deviance(expected: Floats, counts: Floats) -> float:
    """Return −2 log likelihood against a model that fits every bin."""
    return float(2 * np.sum(expected - counts + xlogy(counts, counts / expected)))


def fit_peak(found: Correlation, feature: Feature) -> Peak:
    """Fit a Gaussian on a flat background to a peak and its surroundings.

    Maximum likelihood of Poisson counts (Baker and Cousins, Nucl. Instrum. Methods 221, 437
    (1984)), of a Gaussian integrated over each bin; uncertainties from Fisher's information.

    Parameters
    ----------
    found : Correlation
    feature : Feature
        The peak, as `search.strongest` finds it.
    """
    middle = feature.first + feature.width / 2
    reach = max(8 * feature.width, 12)
    low = max(0, int(middle - reach))
    high = min(len(found.bins), int(middle + reach) + 1)
    counts = found.counts[low:high].astype(float)
    # Both times are whole ticks, so a lag of m ticks stands for those around m.
    edges = found.bins.edges[low : high + 1].astype(np.float64) - 0.5
    span = edges[-1] - edges[0]
    shape = found.expected[low:high] / found.expected[low:high].sum() * span
    start = _start(counts, edges, shape, feature, low)
    bounds = (
        np.array([1e-9 * counts.sum() / span, 0.0, edges[0], 0.02 * float(found.bins.width)]),
        np.array([counts.sum() / span, 2 * counts.sum(), edges[-1], span]),
    )
    fitted, deviance = _maximise(counts, edges, shape, np.clip(start, *bounds), bounds)
    background, pairs, position, sigma = fitted.tolist()
    covariance = np.linalg.pinv(_information(fitted, edges, shape)[1])
    stds = np.sqrt(np.maximum(np.diag(covariance), 0))
    bin_width = float(found.bins.width)
    if sigma < 0.4 * bin_width:  # two bins may hold it all: they tell where it is, not how wide
        position = _centroid(counts - background * shape, edges)
        stds[2] = max(stds[2], bin_width / math.sqrt(12))
        sigma = stds[3] = math.nan
    return Peak(
        position, float(stds[2]), sigma, float(stds[3]), pairs, float(stds[1]), background,
        deviance, max(0, counts.size - 4),
    )  # fmt: skip


def _information(parameters: Floats, edges: Floats, shape: Floats) -> tuple[Floats, Floats, Floats]:
    """Return expected counts, Fisher's information, and the slopes over the counts."""
    expected = np.maximum(_model(parameters, edges, shape), 1e-12)
    slopes = _slopes(parameters, edges, shape)
    weighted = slopes / expected[:, None]
    return expected, slopes.T @ weighted, weighted


def _maximise(
    counts: Floats, edges: Floats, shape: Floats, parameters: Floats, bounds: tuple[Floats, Floats]
) -> tuple[Floats, float]:
    """Climb to the largest likelihood by Fisher's scoring, damped as Levenberg and Marquardt do."""
    expected, information, weighted = _information(parameters, edges, shape)
    deviance, damping = _deviance(expected, counts), 1e-3
    for _ in range(_MOST_STEPS):
        diagonal = np.maximum(np.diag(information), 1e-300)
        scale = 1 / np.sqrt(diagonal)
        normal = information * np.outer(scale, scale) + damping * np.eye(4)
        step = scale * np.linalg.solve(normal, scale * (weighted.T @ (counts - expected)))
        trial = np.clip(parameters + step, *bounds)
        tried = _information(trial, edges, shape)
        better = deviance - _deviance(tried[0], counts)
        if better >= 0:
            parameters, damping, deviance = trial, max(damping / 10, 1e-9), deviance - better
            expected, information, weighted = tried
            if better < 1e-9:
                break
        else:
            damping *= 10
            if damping > 1e9:
                break
    return parameters, deviance


def _start(counts: Floats, edges: Floats, shape: Floats, feature: Feature, low: int) -> Floats:
    """Return parameters to begin with: moments of what the window holds above its sides."""
    inside = slice(feature.first - low, feature.first - low + feature.width)
    beside = np.ones(counts.size, bool)
    beside[inside] = False
    background = float(counts[beside].sum() / max(shape[beside].sum(), 1e-12))
    above = np.maximum(counts[inside] - background * shape[inside], 0)
    pairs = max(float(above.sum()), 1.0)
    middles = (edges[:-1] + edges[1:])[inside] / 2
    position = float(np.sum(above * middles) / pairs) if above.any() else float(middles.mean())
    spread = float(np.sum(above * (middles - position) ** 2) / pairs)
    width = (edges[-1] - edges[0]) / counts.size
    return np.array([background, pairs, position, math.sqrt(spread + width * width / 12)])


def _centroid(above: Floats, edges: Floats) -> float:
    """Return the middle of what the fullest bin and its neighbours hold."""
    fullest = int(np.argmax(above))
    near = slice(max(fullest - 1, 0), fullest + 2)
    weights = np.maximum(above[near], 0)
    middles = (edges[:-1] + edges[1:])[near] / 2
    return float(np.average(middles, weights=weights if weights.any() else None))


def contrast(found: Correlation, peak: Peak, window: float | None = None) -> Contrast:
    """Return the coincidence-to-accidental ratio of a peak.

    Accidentals are what the bins farther than six standard deviations from the peak suggest,
    through the whole histogram, each for its share of chance pairs.

    Parameters
    ----------
    found : Correlation
    peak : Peak
    window : float, optional
        Width in ticks around the position, within which lie the middles of the bins that count;
        four standard deviations, which hold 95 % of a Gaussian, if not given. At least the
        bin that holds the position.
    """
    width = float(found.bins.width)
    sigma = width / 2 if math.isnan(peak.sigma) else peak.sigma
    half = (4 * sigma if window is None else window) / 2
    distance = np.abs(found.bins.middles - peak.position)
    inside = distance <= half
    inside[np.argmin(distance)] = True
    beside = (distance > 6 * sigma + width) & ~inside
    places = np.flatnonzero(inside)
    first, last = int(places[0]), int(places[-1])
    coincidences, others = int(found.counts[inside].sum()), int(found.counts[beside].sum())
    chance = float(found.expected[beside].sum())
    share = float(found.expected[inside].sum()) / chance if chance > 0 else math.nan
    accidentals, std = others * share, math.sqrt(max(others, 1)) * share
    known = others > 0 and not math.isnan(share)
    ratio = coincidences / accidentals if known else math.nan
    ratio_std = (
        ratio * math.sqrt(1 / coincidences + 1 / others) if known and coincidences else math.nan
    )
    edges = found.bins.edges
    return Contrast(
        (int(edges[first]), int(edges[last + 1])), coincidences, accidentals, std, ratio, ratio_std
    )
