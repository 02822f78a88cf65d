"""The detections of one pattern, by the marker or by the photons."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from qlab.experiments.bb84.detection import Block, detect
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.photons import detect_by_photons

__all__ = ["located"]


def located(
    options: Bb84Options,
    tick: Fraction,
    index: int,
    slots: int,
    basis: NDArray[np.uint8],
    ticks: NDArray[np.int64],
    lines: NDArray[np.uint8],
) -> Block:
    """Place the events of one pattern in slots as the option `sync` says.

    Parameters as `qlab.experiments.bb84.photons.detect_by_photons`.

    Raises
    ------
    NoSignalError
        If the clicks do not follow the pulses, or nothing tells which pulse is which.
    """
    by = detect if options.sync == "marker" else detect_by_photons
    return by(options, tick, index, slots, basis, ticks, lines)
