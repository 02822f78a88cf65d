"""The picture of a clock run: phase and bound, steering, states, stability, for each site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from protocols.clock.states import State
from qlab.errors import printable
from qlab.experiments.deviations import draw_deviation
from qlab.pictures import BLUE, GREEN, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qlab.runfile.reader import RunFile

__all__ = ["draw"]


def draw(run: RunFile, results: Mapping[str, Any], figure: Figure) -> None:
    """Draw a recorded run; see `qlab.experiments.interface.Picture`."""
    sites = results["sites"]
    figure.set_size_inches(11, 1.0 + 5.0 * len(sites))
    axes = figure.subplots(2 * len(sites), 2, squeeze=False)
    for number, site in enumerate(sites):
        log = run.read(f"data/site{number}/log", 0, run.rows(f"data/site{number}/log"))
        hours = (log["t_tai_ns"] - log["t_tai_ns"][:1]) * 1e-9 / 3600.0
        above, below = axes[2 * number], axes[2 * number + 1]
        _phase(above[0], hours, log)
        _steering(below[0], hours, log, site.get("steering_step"))
        for which, colour in (("free", GREY), ("steered", BLUE)):
            draw_deviation(above[1], site["stability"][which]["tdev"], which, colour, 1e9)
        above[1].set_ylabel("time deviation while locked (ns)")
        _states(below[1], hours, log)
        above[0].set_title(f"site {number}: {printable(site['clock'])}", fontsize=10)
    title = f"clock  {run.run_id}  ·  {results['start_utc']}"
    figure.suptitle(printable(title), fontsize=11, parse_math=False)


def _phase(axes: Axes, hours: Any, log: Any) -> None:
    axes.plot(hours, log["x"] * 1e9, ".", color=GREY, markersize=1, label="read")
    axes.plot(hours, log["phase"] * 1e9, color=BLUE, linewidth=0.8, label="estimate")
    bound = log["bound_95"] * 1e9
    axes.fill_between(hours, -bound, bound, color=BLUE, alpha=0.15, linewidth=0, label="95 %")
    typical = np.nanmedian(bound) if bound.size else 1.0
    most = max(float(np.nanmax(np.abs(log["phase"] * 1e9), initial=0.0)), 1.5 * float(typical))
    axes.set_ylim(-1.1 * min(most, 50 * typical), 1.1 * min(most, 50 * typical))
    axes.set_ylabel("local - reference (ns)")
    axes.set_xlabel("time (h)")
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper right")


def _steering(axes: Axes, hours: Any, log: Any, step: float | None) -> None:
    """Draw the steering as a frequency; results of older runs do not say what a step is."""
    setting = log["setting"] * (1.0 if step is None else step)
    axes.plot(hours, setting, color=ORANGE, linewidth=0.7, drawstyle="steps-post")
    axes.set_ylabel("steering (steps)" if step is None else f"steering, y (a step is {step:.3g})")
    axes.set_xlabel("time (h)")


def _states(axes: Axes, hours: Any, log: Any) -> None:
    axes.plot(hours, log["state"], color=GREEN, linewidth=1.0, drawstyle="steps-post")
    axes.set_yticks([int(state) for state in State])
    axes.set_yticklabels([state.name.lower() for state in State], fontsize=8)
    axes.set_ylim(-0.3, len(State) - 0.7)
    axes.set_xlabel("time (h)")
