"""Density evolution: up to which error rate a recipe's codes would decode, were they endless.

Belief propagation in the manner of our decoder is followed on the graph without cycles:
messages are log-likelihood ratios in units of 1/`_UNIT`, a check adds its bits' doubts
φ(x) = −ln tanh(x/2) in units of 1/`_SCALE`, saturating at 255. All messages of a kind pass at
once (flooding); by layers it takes about half the iterations. Messages in the first rows
and in the later rows are of two kinds, since later rows prefer the hubs (multi-edge types:
Richardson, Urbanke, Modern Coding Theory, 2008, chapter 7). By symmetry all bits and
errors may be taken against the zero word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.reconciliation.ldpc.design.protograph import Recipe

__all__ = ["Ensemble", "converges", "ensemble", "threshold"]

_UNIT = 6
_SCALE = 128
_MOST = 127
_SPAN = 4096
_SUMS = 8192

_Floats = npt.NDArray[np.float64]
_Spectrum = npt.NDArray[np.complex128]


def _phi(x: _Floats) -> _Floats:
    return -np.log(np.tanh(x / 2))


_SIZES = np.arange(1, _MOST + 1)
_DOUBT = np.minimum(np.rint(_SCALE * _phi(_SIZES / _UNIT)), 255).astype(np.int64)
_TRUST = np.rint(_UNIT * _phi(np.maximum(np.arange(256), 0.35) / _SCALE)).astype(np.int64)
_TRUST[255] = 0


@dataclass(frozen=True)
class Ensemble:
    """Degrees as fractions.

    Attributes
    ----------
    bits : tuple of (float, int, int)
        Fraction of the bits, and their degrees in first and in later rows.
    first, later : tuple of (float, int)
        Checks for each bit of the frame, and their degree.
    """

    bits: tuple[tuple[float, int, int], ...]
    first: tuple[tuple[float, int], ...]
    later: tuple[tuple[float, int], ...] = ()


def ensemble(recipe: Recipe, rows: int) -> Ensemble:
    """Return the degrees that a recipe has at the stage with so many rows.

    Entries are taken as spread as evenly as whole numbers allow.
    """
    later = rows - recipe.first
    bits = []
    at = 0
    for columns, few in zip(recipe.classes, recipe.joined, strict=True):
        for place in range(columns):
            degree = recipe.degrees[at + place]
            bits.append((1 / recipe.columns, degree, (later * few + place) // columns))
        at += columns
    total = sum(recipe.degrees)
    return Ensemble(
        tuple(bits),
        _even(total, recipe.first, recipe.columns),
        _even(later * sum(recipe.joined), later, recipe.columns) if later else (),
    )


def _even(entries: int, rows: int, columns: int) -> tuple[tuple[float, int], ...]:
    degree, more = divmod(entries, rows)
    return ((rows - more) / columns, degree), (more / columns, degree + 1)


def threshold(code: Ensemble, iterations: int = 200) -> float:
    """Return the highest error rate that is decoded, to 1e-5; 0 if there is none."""
    low, high = 0.0, 0.5
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if converges(code, middle, iterations) else (low, middle)
    return low


def converges(code: Ensemble, rate: float, iterations: int) -> bool:
    """Return whether errors of a rate become fewer than 3e-5 within the iterations.

    Below that, at low degrees, the rounding of the messages shows.
    """
    prior = min(max(1, round(_UNIT * math.log((1 - rate) / rate))), _MOST)
    channel = np.zeros(_SPAN)
    channel[prior], channel[-prior] = 1 - rate, rate
    bits = _grouped(code.bits)
    kinds = [_Messages(channel), _Messages(channel)]
    best, stuck = 1.0, 0
    for _ in range(iterations):
        told = kinds[0].checked(code.first), kinds[1].checked(code.later)
        sums = [np.zeros(_SPAN // 2 + 1, complex) for _ in range(3)]
        for fraction, first, later in bits:
            others = fraction * np.fft.rfft(channel)
            sums[2] += others * told[0] ** first * told[1] ** later
            if first:
                sums[0] += first * others * told[0] ** (first - 1) * told[1] ** later
            if later:
                sums[1] += later * others * told[0] ** first * told[1] ** (later - 1)
        kinds = [_Messages(np.fft.irfft(total)) for total in sums[:2]]
        wrong = np.fft.irfft(sums[2])
        errors = float(wrong[_SPAN // 2 :].sum() + wrong[0] / 2)
        if errors < 3e-5:
            return True
        stuck = 0 if errors < 0.9997 * best else stuck + 1
        if stuck > 6:
            return False
        best = min(best, errors)
    return False


def _grouped(bits: Sequence[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    fractions: dict[tuple[int, int], float] = {}
    for fraction, first, later in bits:
        fractions[first, later] = fractions.get((first, later), 0.0) + fraction
    return [(fraction, *degrees) for degrees, fraction in fractions.items()]


class _Messages:
    """How messages from bits to checks are distributed, by size.

    `known` and `right` are of all messages of a size the share, and the share that has the
    right sign less that of the wrong sign.
    """

    def __init__(self, density: _Floats) -> None:
        half = density.size // 2
        right = np.maximum(density[:half], 0)
        wrong = np.maximum(density[:half:-1], 0)
        sure = np.zeros(_MOST), np.zeros(_MOST)
        for into, share in zip(sure, (right[1:], wrong), strict=True):
            into[:] = share[:_MOST]
            into[-1] += share[_MOST:].sum()
        total = max(float(right[0] + sure[0].sum() + sure[1].sum()), 1e-300)
        self.known = (sure[0] + sure[1]) / total
        self.right = (sure[0] - sure[1]) / total

    def checked(self, checks: Sequence[tuple[float, int]]) -> _Spectrum:
        """Return the spectrum of what checks of these degrees answer."""
        doubts = [
            np.fft.rfft(np.bincount(_DOUBT, shares, minlength=256), _SUMS)
            for shares in (self.known, self.right)
        ]
        entries = sum(fraction * degree for fraction, degree in checks)
        told = np.zeros(_SPAN)
        if not entries:
            told[0] = 1
            return np.asarray(np.fft.rfft(told))
        known, right = (
            _trusted(sum((w * d / entries * doubt ** (d - 1) for w, d in checks), 0 * doubt))
            for doubt in doubts
        )
        right = np.clip(right, -known, known)
        told[: known.size] = (known + right) / 2
        told[-known.size + 1 :] = ((known - right) / 2)[:0:-1]
        told[0] = 1 - known[1:].sum()  # a check that one bit tells nothing tells nothing
        return np.asarray(np.fft.rfft(told))


def _trusted(spectrum: _Spectrum) -> _Floats:
    """Return the shares of each trust, from the spectrum of the sums of doubts."""
    sums = np.maximum(np.fft.irfft(spectrum, _SUMS), 0)
    sums[255] += sums[256:].sum()
    shares: _Floats = np.bincount(_TRUST, sums[:256]).astype(np.float64)
    return shares
