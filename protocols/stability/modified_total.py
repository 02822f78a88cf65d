"""Modified total and Hadamard total deviation: every piece of 3m samples with its mirror image.

From each piece its slope is removed, as the means of its halves have it; it is extended
at both ends by its own reflection, to 9m samples; and the second differences of means
over m samples are squared, at all 6m places. Howe and Vernotte, "Generalization of the
total variance approach to the modified Allan variance", Proc. 31st PTTI, 1999, for
phase; Howe, Beard, Greenhall, Vernotte and Riley, "A total estimator of the Hadamard
function used for GPS operations", Proc. 32nd PTTI, 2000, for frequency; NIST SP 1065,
sections 5.2.12 to 5.2.14.

The extended piece goes on periodically, so the sum over all 6m places needs no more than
the piece's own sums: let ``Q[k]`` be the sum of its first k values, the mean removed. It
continues as an odd function of period 6m, the differences are ``Q[s+3m] − 3 Q[s+2m] +
3 Q[s+m] − Q[s]``, and they are symmetric about ±1.5 m: a quarter of them is computed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.stability.edf import greenhall_riley
from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS", "htotdev_kernel", "mtotdev_kernel", "ttotdev_kernel"]

Flags = npt.NDArray[np.bool_]

# By alpha. Bias: the variances over those of MDEV and OHDEV; EDF: b N/m − c and
# (N/m) / (b0 + b1 m/N) for N points, all from the two papers.
_MTOT_BIAS = {2: 0.94, 1: 0.83, 0: 0.73, -1: 0.70, -2: 0.69}
_MTOT_EDF = {2: (1.90, 2.1), 1: (1.20, 1.40), 0: (1.10, 1.2), -1: (0.85, 0.50), -2: (0.75, 0.31)}
_HTOT_BIAS = {0: 0.995, -1: 0.851, -2: 0.771, -3: 0.717, -4: 0.679}
_HTOT_EDF = {
    0: (0.559, 1.004), -1: (0.868, 1.140), -2: (0.938, 1.696), -3: (0.974, 2.554),
    -4: (1.276, 3.149),
}  # fmt: skip
_SMALLEST_FOR_EDF = 8  # below, the papers' are too large: at m = 1 by up to three times
_BLOCK = 256


def mtotdev_kernel(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """Average the modified total variance over all pieces of 3m phase samples.

    Of a piece with masked samples, means over fewer than half of their m samples are left
    out, and the piece itself if they leave fewer than half of the 6m differences. See
    `Statistic`.
    """
    sums, counts = _pieces(phase, factors)
    return sums / (2.0 * factors**2), counts


def ttotdev_kernel(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """As `mtotdev_kernel`, as a time: tau²/3 times the variance."""
    sums, counts = _pieces(phase, factors)
    return sums / 6.0, counts


def htotdev_kernel(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """Average the Hadamard total variance over all pieces of 3m frequencies.

    A masked phase masks both frequencies that need it; otherwise as `mtotdev_kernel`. At
    m = 1 it is OHDEV by definition.
    """
    frequency = np.diff(phase)
    sums, counts = _pieces(frequency, factors)
    thirds = np.diff(frequency, 2)
    whole = ~np.isnan(thirds)
    sums[factors == 1] = np.sum(thirds[whole] ** 2)
    counts[factors == 1] = np.count_nonzero(whole)
    return sums / 6.0, counts


def _pieces(x: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """Return the sum over all pieces of the mean squared difference, and their number."""
    sums, counts = np.zeros(factors.size), np.zeros(factors.size, np.int64)
    missing = np.isnan(x)
    if missing.all():
        return sums, counts
    filled = np.where(missing, x[~missing][0], x)
    gaps = np.concatenate(([0], np.cumsum(missing)))
    for k, m in enumerate(factors.tolist()):
        if 1 <= m <= x.size // 3:
            sums[k], counts[k] = _sum_of_pieces(filled, missing, gaps, m)
    return sums, counts


@njit(cache=True, nogil=True)
def _sum_of_pieces(x: Floats, missing: Flags, gaps: Integers, m: int) -> tuple[float, int]:
    size, pieces = 3 * m, x.size - 3 * m + 1
    block = min(max(_BLOCK, m), pieces)
    sums = np.empty(block + size)  # of a block, from a straight line through its ends
    q, r = np.empty(size + 1), np.empty(size + 1)
    half = size // 2
    squares = np.zeros(half + 1)
    summed, known = np.empty(8 * m + 1), np.empty(8 * m + 1, np.int64)
    ramp: Floats = np.arange(size + 1, dtype=np.float64)
    count, rest = 0, 0.0
    for start in range(0, pieces, block):
        stop = min(start + block, pieces)
        _summed(x[start : stop + size - 1], sums)
        back = sums[stop - start + size - 1 :: -1].copy()
        for piece in range(stop - start):
            n = start + piece
            if gaps[n + size] > gaps[n]:
                mean = _with_gaps(x[n : n + size], missing[n : n + size], m, summed, known)
                if mean >= 0:
                    rest += mean
                    count += 1
                continue
            g = sums[piece : piece + size + 1]
            slope = (g[size] - g[size - half] - g[half] + g[0]) / (half * (size - half))
            mean = (g[size] - g[0]) / size
            _levelled(g, g[0], mean - 0.5 * slope * size, 0.5 * slope, ramp, q)
            last = stop - start - 1 - piece
            h = back[last : last + size + 1]
            _levelled(h, h[0], -mean - 0.5 * slope * size, 0.5 * slope, ramp, r)
            _add_squares(q, r, m, squares)
            count += 1
    total = 2.0 * squares.sum() - squares[0]
    if m % 2 == 0:
        total -= squares[half]
    return total / (6.0 * m * m * m) + rest, count


@njit(cache=True, nogil=True)
def _levelled(
    sums: Floats, first: float, mean: float, half_slope: float, ramp: Floats, level: Floats
) -> None:
    """Take from sums what a straight line contributes to them."""
    for k in range(level.size):
        level[k] = (sums[k] - first) - ramp[k] * (mean + half_slope * ramp[k])


@njit(cache=True, nogil=True)
def _add_squares(q: Floats, r: Floats, m: int, squares: Floats) -> None:
    """Add the squared differences at s and −s to those at s, for s from 0 to half the piece.

    `q` are the levelled sums from the left, `r` those from the right, so that
    ``r[k] = q[3m − k]``. Slices let the processor work on several places at once.
    """
    b, c, b_back, c_back = q[m:], q[2 * m :], r[m:], r[2 * m :]
    for s in range(m + 1):
        ends = q[s] + r[s]
        over = 3.0 * (b[s] - c[s]) - ends
        under = 3.0 * (c_back[s] - b_back[s]) + ends
        squares[s] += over * over + under * under
    a, b, c = q[m + 1 :], q[2 * m + 1 :], q[1:]
    a_back, b_back, c_back = r[m + 1 :], r[2 * m + 1 :], r[1:]
    beyond = squares[m + 1 :]
    for s in range(beyond.size):
        ends = a[s] + a_back[s]
        over = 3.0 * (b[s] + c_back[s]) - ends
        under = ends - 3.0 * (b_back[s] + c[s])
        beyond[s] += over * over + under * under


@njit(cache=True, nogil=True)
def _summed(x: Floats, sums: Floats) -> None:
    """Sum up the values over the straight line from the first to the last."""
    slope = (x[-1] - x[0]) / max(x.size - 1, 1)
    total = 0.0
    sums[0] = 0.0
    for k in range(x.size):
        total += (x[k] - x[0]) - slope * k
        sums[k + 1] = total


@njit(cache=True, nogil=True)
def _with_gaps(x: Floats, missing: Flags, m: int, summed: Floats, known: Integers) -> float:
    """Return the mean squared difference of a piece, −1 if too little of it is known."""
    size = 3 * m
    half = size // 2
    first, n_first, at_first, last, n_last, at_last = 0.0, 0, 0.0, 0.0, 0, 0.0
    for i in range(half):
        if not missing[i]:
            first += x[i] - x[0]
            at_first += i
            n_first += 1
        j = size - 1 - i
        if not missing[j]:
            last += x[j] - x[0]
            at_last += j
            n_last += 1
    if n_first == 0 or n_last == 0:
        return -1.0
    slope = (last / n_last - first / n_first) / (at_last / n_last - at_first / n_first)
    total, count = 0.0, 0
    summed[0] = known[0] = 0
    for k in range(2 * size + half):
        i = k - size if size <= k < 2 * size else (size - 1 if k < size else 3 * size - 1) - k
        if not missing[i]:
            total += (x[i] - x[0]) - slope * i
            count += 1
        summed[k + 1], known[k + 1] = total, count
    squares, formed = 0.0, 0
    for begin in (0, size):  # the places up to size / 2 beyond have their mirror images
        for s in range(begin, begin + half + 1):
            a, b, c, d = known[s], known[s + m], known[s + 2 * m], known[s + size]
            if 2 * min(b - a, c - b, d - c) < m:
                continue
            left = (summed[s + m] - summed[s]) / (b - a)
            middle = (summed[s + 2 * m] - summed[s + m]) / (c - b)
            right = (summed[s + size] - summed[s + 2 * m]) / (d - c)
            times = 1 if s == begin or 2 * (s - begin) == size else 2
            squares += times * (left - 2.0 * middle + right) ** 2
            formed += times
    return squares / formed if formed >= size else -1.0


def _mtot_edf(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """``b N/m − c``; at smaller factors that of MDEV, which is less."""
    edf = greenhall_riley(alpha, factors, counts, order=2, overlapping=True, modified=True)
    ratio = (counts + 3 * factors - 1) / factors
    for noise, (slope, offset) in _MTOT_EDF.items():
        here = (alpha == noise) & (factors >= _SMALLEST_FOR_EDF)
        edf[here] = slope * ratio[here] - offset
    return edf


def _htot_edf(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """``(N/m) / (b0 + b1 m/N)``; at smaller factors that of OHDEV, which is less."""
    edf = greenhall_riley(alpha, factors, counts, order=3, overlapping=True, modified=False)
    edf[(alpha > 0) & (factors > 1)] = np.nan
    ratio = (counts + 3 * factors) / factors
    for noise, (b0, b1) in _HTOT_EDF.items():
        here = (alpha == noise) & (factors >= _SMALLEST_FOR_EDF)
        edf[here] = ratio[here] / (b0 + b1 / ratio[here])
    return edf


def _divisor(alpha: Floats, table: dict[int, float]) -> Floats:
    bias = np.ones(alpha.shape)
    for noise, divisor in table.items():
        bias[alpha == noise] = divisor
    return bias


def _mtot_bias(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    return _divisor(alpha, _MTOT_BIAS)


def _htot_bias(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    return np.where(factors > 1, _divisor(alpha, _HTOT_BIAS), 1.0)


STATISTICS = (
    Statistic(
        "mtotdev", mtotdev_kernel, largest=lambda points: points // 3,
        edf=_mtot_edf, bias=_mtot_bias,
    ),
    Statistic(
        "ttotdev", ttotdev_kernel, largest=lambda points: points // 3, dimension="time",
        edf=_mtot_edf, bias=_mtot_bias,
    ),
    Statistic(
        "htotdev", htotdev_kernel, largest=lambda points: max(points - 1, 0) // 3, differences=3,
        edf=_htot_edf, bias=_htot_bias,
    ),
)  # fmt: skip
