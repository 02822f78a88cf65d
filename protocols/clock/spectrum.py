"""From the noise of clocks to the stability of what they give, by integrals over frequency.

The phase is looked at once per step, so its density is that of the samples: everything above
half the sampling rate is folded down, exactly for each power law.

References
----------
.. [1] J. A. Barnes et al., IEEE Trans. Instrum. Meas. IM-20, 105 (1971): Allan variance as
   an integral over S_y(f).
.. [2] D. W. Allan, J. A. Barnes, Proc. 35th Freq. Control Symp. 470 (1981), and NIST SP 1065,
   sects. 5.2.5 and 5.2.6: modified Allan variance and time variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

from protocols.clock.model import NoiseCoefficients
from protocols.errors import ParameterError

__all__ = ["Grid", "adev_weights", "frequency_grid", "phase_density", "tdev_weights"]

_LOWEST = 1e-8  # of the sampling rate
_PARTS = 32  # of a cell, where the integrand turns within it


@dataclass(frozen=True, slots=True)
class Grid:
    """Frequencies up to half the sampling rate, in geometric cells.

    Attributes
    ----------
    step_s : float
        The sampling interval.
    edges : ndarray
        Edges of the cells, in units of the sampling rate.
    frequencies : ndarray
        The geometric middle of each cell, in units of the sampling rate.
    """

    step_s: float
    edges: NDArray[np.float64]
    frequencies: NDArray[np.float64]

    @property
    def delay(self) -> NDArray[np.complex128]:
        """Return what a delay by one step does at each frequency, exp(-2 pi i f)."""
        delay: NDArray[np.complex128] = np.exp(-2j * math.pi * self.frequencies)
        return delay


def frequency_grid(step_s: float = 1.0, cells: int = 900) -> Grid:
    """Return a grid from 1e-8 to half the sampling rate.

    Raises
    ------
    ParameterError
        The step is not above zero, or there are fewer than 100 cells.
    """
    if not 0.0 < step_s < math.inf or cells < 100:
        raise ParameterError("a frequency grid needs a step above zero and at least 100 cells")
    edges = np.geomspace(_LOWEST, 0.5, cells + 1)
    return Grid(step_s, edges, np.sqrt(edges[1:] * edges[:-1]))


def phase_density(
    noise: NoiseCoefficients, grid: Grid, white_s: float = 0.0
) -> NDArray[np.float64]:
    """Return the one-sided density of the sampled phase, in s^2 per unit of the sampling rate.

    Parameters
    ----------
    noise : NoiseCoefficients
        Of the clock.
    grid : Grid
        Where.
    white_s : float
        Standard deviation of white phase noise on top, one independent value per sample.
    """
    f, t = grid.frequencies, grid.step_s
    inverse = (math.pi / np.sin(math.pi * f)) ** 2
    # Sums over all aliases of 1/f^2, 1/|f|^3 and 1/f^4 (the digamma function's derivatives).
    folded = (
        noise.h_0 * t * inverse
        + noise.h_minus_1 * t**2 * (zeta(3.0, f) + zeta(3.0, 1.0 - f))
        + noise.h_minus_2 * t**3 * inverse * (inverse - 2.0 * math.pi**2 / 3.0)
    )
    density: NDArray[np.float64] = folded / (2.0 * math.pi) ** 2 + 2.0 * white_s**2
    return density


def tdev_weights(grid: Grid, samples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what the phase density of each cell adds to the time variance.

    TVAR(n steps) = 8/(3 n^2) int S_x(f) sin^6(pi n f) / sin^2(pi f) df.

    Parameters
    ----------
    grid : Grid
        The frequencies.
    samples : ndarray of int
        The averaging times, in steps.

    Returns
    -------
    ndarray
        One row per averaging time; times the density, it is the variance in s^2.
    """
    inverse = 1.0 / np.sin(math.pi * grid.frequencies) ** 2
    rows = [8.0 / (3.0 * int(n) ** 2) * inverse * _sine_power(grid, int(n), 6) for n in samples]
    return np.array(rows)


def adev_weights(grid: Grid, samples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what the phase density of each cell adds to the Allan variance.

    AVAR(n steps) = 8/(n step)^2 int S_x(f) sin^4(pi n f) df; see `tdev_weights`.
    """
    rows = [8.0 / (int(n) * grid.step_s) ** 2 * _sine_power(grid, int(n), 4) for n in samples]
    return np.array(rows)


def _sine_power(grid: Grid, n: int, power: int) -> NDArray[np.float64]:
    """Integrate sin^power(pi n f) over each cell; where it turns many times, its mean."""
    width = np.diff(grid.edges)
    parts = (np.arange(_PARTS) + 0.5) / _PARTS
    inside = grid.edges[:-1, None] + width[:, None] * parts
    mean = np.mean(np.sin(math.pi * n * inside) ** power, axis=1)
    half = power // 2
    whole = math.comb(power, half) / 2.0**power
    cells: NDArray[np.float64] = width * np.where(n * width > 4.0, whole, mean)
    return cells
