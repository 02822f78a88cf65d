"""Which averaging factors to work out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.stability.statistic import Integers

__all__ = ["Taus", "averaging_factors"]

Taus = Literal["octave", "decade", "all"] | Sequence[float] | npt.NDArray[np.float64]


def averaging_factors(taus: Taus, unit_s: float, largest: int, multiple: int = 1) -> Integers:
    """Return the averaging factors, ascending and each once.

    Parameters
    ----------
    taus : {"octave", "decade", "all"} or sequence of float
        1, 2, 4, 8 and so on; 1, 2 and 4 times each power of ten; every factor; or times in
        seconds, each of which becomes the nearest factor.
    unit_s : float
        The tau of averaging factor 1.
    largest : int
        Where to stop.
    multiple : int
        Only its multiples are taken, and times become the nearest of them.

    Raises
    ------
    ParameterError
        `taus` is something else, empty, or has a time that is not a number, that is below
        half of the smallest factor's, or that is longer than the data allow.
    """
    if isinstance(taus, str):
        if taus == "all":
            return np.arange(multiple, largest + 1, multiple, dtype=np.int64)
        if taus == "octave":
            chosen = [1 << k for k in range(largest.bit_length())]
        elif taus == "decade":
            powers = range(len(str(largest)))
            chosen = [n * 10**k for k in powers for n in (1, 2, 4) if n * 10**k <= largest]
        else:
            raise ParameterError(f"taus are octave, decade, all or seconds, not {taus!r}")
        return np.array([m for m in chosen if m % multiple == 0], np.int64)
    try:
        seconds = np.asarray(taus, np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"a tau is not a number: {error}") from error
    if seconds.ndim != 1 or seconds.size == 0:
        raise ParameterError("taus must be a list of at least one time in seconds")
    with np.errstate(over="ignore"):
        factors = np.round(seconds / unit_s / multiple) * multiple
    for tau, factor in zip(seconds.tolist(), factors.tolist(), strict=True):
        if not np.isfinite(tau) or factor < 1:
            least = multiple * unit_s
            raise ParameterError(f"tau must be {least:g} s or more, not {tau:g} s")
        if factor > largest:
            most = largest // multiple * multiple * unit_s
            raise ParameterError(
                f"tau = {tau:g} s is longer than the data allow: at most {most:g} s"
            )
    return np.unique(factors.astype(np.int64))
