"""Pictures of what a clock loop is predicted to reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protocols.clock.prediction import predicted_holdover, predicted_stability
from protocols.clock.tuning import Design, Task
from qlab.errors import printable
from qlab.pictures import COLOURS, check_picture, save_picture

__all__ = ["draw_loop"]

_STEERED, _REFERENCE, _FREE = COLOURS[:3]
_LONGEST_S = 100_000.0


def draw_loop(
    title: str, task: Task, design: Design, picture: Path, *, overwrite: bool = False
) -> None:
    """Draw time deviations, their ratio to the better clock, and the error of holdover.

    The format follows the ending: png, pdf or svg.

    Parameters
    ----------
    title : str
        Of the picture.
    task : Task
        The clocks.
    design : Design
        The loop.
    picture : Path
    overwrite : bool
        Whether a picture of that name is replaced.

    Raises
    ------
    UsageError
        As `check_picture`.
    QlabError
        The picture cannot be written.
    """
    from matplotlib.figure import Figure

    check_picture(picture, overwrite=overwrite)
    steps = np.unique(np.geomspace(1, _LONGEST_S, 100).round().astype(np.int64))
    curves = predicted_stability(task, design, steps)
    holdover = predicted_holdover(task, steps)
    # Not by pyplot, whose backend and figures are a script's own.
    figure = Figure(figsize=(7, 7.5), layout="constrained")
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(4, 2, 3))
    for label, colour, values in (
        ("reference as read", _REFERENCE, curves.reference_tdev),
        ("left alone", _FREE, curves.free_tdev),
        ("steered", _STEERED, curves.steered_tdev),
    ):
        upper.loglog(curves.taus_s, values, color=colour, linewidth=1.6, label=label)
    upper.set_ylabel("time deviation (s)")
    upper.legend(fontsize=8, frameon=False)
    middle.semilogx(curves.taus_s, curves.ratio, color=_STEERED, linewidth=1.6)
    middle.set_ylabel("to the better one")
    middle.set_ylim(bottom=0.0)
    lower.loglog(
        holdover.times_s, holdover.bound_95_s, color="0.5", linestyle="--", label="95 % bound"
    )
    lower.loglog(holdover.times_s, holdover.rms_s, color=_STEERED, linewidth=1.6, label="rms")
    lower.set_ylabel("error of holdover (s)")
    lower.legend(fontsize=8, frameon=False)
    lower.set_xlabel("averaging time; time after the loss (s)")
    for axes in (upper, middle, lower):
        axes.grid(visible=True, color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)
