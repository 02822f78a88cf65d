"""The picture of a calibration: each counter's intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qlab.errors import printable
from qlab.pictures import BLUE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qlab.runfile.reader import RunFile

__all__ = ["draw"]


def draw(run: RunFile, results: Mapping[str, Any], figure: Figure) -> None:
    """Draw a recorded run; see `qlab.experiments.interface.Picture`."""
    title = f"{results['calibration']}  {results['date']}"
    names = sorted(name for name in run.datasets if name.startswith("data/"))
    every = np.atleast_1d(figure.subplots(len(names), 1, sharex=True))
    for axes, name in zip(every, names, strict=True):
        values = run.read(name)
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
        axes.plot((values - middle) * 1e9, ".", ms=2, color=BLUE)
        counter = printable(name.removeprefix("data/"))
        axes.set_ylabel(f"{counter}\nns from {middle * 1e9:.3f}", parse_math=False)
        axes.grid(alpha=0.3)
    every[-1].set_xlabel("reading")
    figure.suptitle(title, fontsize=11, parse_math=False)
