"""The picture of a fibre run: deviation, shifter, the counters' difference, instability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qlab.errors import printable
from qlab.experiments.deviations import draw_deviation
from qlab.pictures import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qlab.runfile.reader import RunFile

__all__ = ["draw"]


def draw(run: RunFile, results: Mapping[str, Any], figure: Figure) -> None:
    """Draw a recorded run; see `qlab.experiments.interface.Picture`."""
    uptime = results["uptime"]
    axes = figure.subplots(2, 2)
    beats = [run.read(f"data/beat_{n}", 0, run.rows(f"data/beat_{n}")) for n in (1, 2)]
    shifter = run.read("data/shifter", 0, run.rows("data/shifter"))
    deviation = run.read("data/deviation", 0, run.rows("data/deviation"))
    hours = np.arange(deviation.size) * results["gate_s"] / 3600.0
    _line(axes[0][0], hours, deviation * results["optical_hz"], "deviation of the light (Hz)")
    _line(axes[0][1], hours, shifter - np.median(shifter), "shifter against its median (Hz)")
    clean = np.where(np.isfinite(deviation), beats[0] - beats[1], np.nan)
    _line(axes[1][0], hours, clean, "counter 1 - counter 2 (Hz)")
    for slip in results["slips"]:
        axes[1][0].axvline(hours[slip["gate"]], color=ORANGE, linewidth=0.8)
    for which, colour in (("fibre", GREY), ("delivered", BLUE)):
        draw_deviation(axes[1][1], results["stability"][which]["mdev"], which, colour)
    axes[1][1].set_ylabel("modified Allan deviation")
    title = f"fibre  {run.run_id}  ·  uptime {uptime:.3%}, {len(results['slips'])} slips"
    figure.suptitle(printable(title), fontsize=11, parse_math=False)


def _line(axes: Axes, hours: Any, values: Any, label: str) -> None:
    axes.plot(hours, values, color=BLUE, linewidth=0.6)
    axes.set_xlabel("time (h)")
    axes.set_ylabel(label)
