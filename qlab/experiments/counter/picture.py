"""The picture of a counter log: the readings, and their Allan deviation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qlab.errors import printable
from qlab.pictures import BLUE, GREEN, GREY, ORANGE
from qlab.runfile.reader import RunFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_COLOURS = (BLUE, ORANGE, GREEN, GREY)
#: Points of a curve at most; the eye sees no more.
_POINTS = 20_000


def draw(run: RunFile, results: Mapping[str, Any], figure: Figure) -> None:
    """Draw a recorded run; see `qlab.experiments.interface.Picture`.

    Raises
    ------
    KeyError
        If the run ended before it had such results.
    """
    counters = results["counters"]
    above, below = figure.subplots(2, 1)
    for number, (name, found) in enumerate(counters.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        _readings(above, run, name, colour)
        taus, deviations = found["oadev"]["tau"], found["oadev"]["dev"]
        below.loglog(taus, deviations, "o-", color=colour, label=printable(name))
    interval = results["quantity"] == "interval"
    above.set_xlabel("run time in s")
    above.set_ylabel("interval in s" if interval else "fractional frequency")
    below.set_xlabel("averaging time in s")
    below.set_ylabel("overlapping Allan deviation")
    below.grid(visible=True, which="both", alpha=0.3)
    if len(counters) > 1:
        below.legend()
    figure.suptitle(f"counter  {printable(run.run_id)}", fontsize=11, parse_math=False)


def _readings(axes: Axes, run: RunFile, name: str, colour: str) -> None:
    values, times_ns = run.read(f"data/{name}/reading"), run.read(f"data/{name}/time_ns")
    thinned = slice(None, None, max(1, values.size // _POINTS))
    axes.plot(np.asarray(times_ns[thinned]) * 1e-9, values[thinned], ".", ms=2, color=colour)
