"""What the statistics have in common, and what sets one apart from the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Integers", "Statistic"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic of frequency stability.

    A record is what was measured between two places where the phase was lost. The kernel
    sees one record at a time; sums and terms of several records are added (or the largest is
    taken, see `maximum`), so that nothing ever bridges two of them. Inside a record a
    reading that is missing or masked is NaN, and no term that would need it is formed.

    Attributes
    ----------
    name : str
        Lower case, as the user gives it.
    kernel : callable
        ``kernel(phase, factors) -> (sums, counts)``: phase in seconds, one per sample
        interval, NaN where masked; averaging factors, ascending, from 1 to
        ``largest(phase.size)`` or beyond, where count and sum are 0. The count is that
        of the terms, and ``sum / count`` is the variance in units in which the sampling
        interval is 1: seconds squared.
    largest : callable
        ``largest(points) -> factor``: the largest averaging factor for which a record of so
        many phase points gives a term; 0 if none does.
    dimension : {"frequency", "time"}
        Whether the deviation is divided by the sampling interval, or is itself a time.
    edf : callable or None
        ``edf(alpha, factors, counts) -> edf``, equivalent degrees of freedom, elementwise.
        `counts` are those of the kernel, gaps left out. NaN where nothing is published for
        that noise; None if nothing is published at all: then there are no limits.
    differences : {2, 3}
        Highest order of phase differences that noise identification may take: 2 finds
        alpha from 2 to −2, 3 from 2 to −4.
    bias : callable or None
        ``bias(alpha, factors, counts) -> divisor`` of the variance, elementwise.
    maximum : bool
        The sums are squares of largest values, not sums of squares: ``sqrt(sum)`` is the
        result, and the largest of several records counts.
    stretch : float
        tau is ``stretch`` times averaging factor times sampling interval.
    multiple : int
        Averaging factors are multiples of this.
    """

    name: str
    kernel: Callable[[Floats, Integers], tuple[Floats, Integers]]
    largest: Callable[[int], int]
    dimension: Literal["frequency", "time"] = "frequency"
    edf: Callable[[Floats, Integers, Integers], Floats] | None = None
    differences: Literal[2, 3] = 2
    bias: Callable[[Floats, Integers, Integers], Floats] | None = None
    maximum: bool = False
    stretch: float = 1.0
    multiple: int = 1
