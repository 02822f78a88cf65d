"""Pictures of how two clocks run against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qlab.errors import printable
from qlab.pictures import BLUE, GREY, check_picture, save_picture
from qlab.tags.syncing import GRAIN_S, Synchronised

__all__ = ["draw_track"]


def draw_track(found: Synchronised, title: str, picture: Path, *, overwrite: bool) -> None:
    """Draw what the clocks' offset differs from its mean line, and the frequency's course.

    Parameters
    ----------
    found : Synchronised
    title : str
    picture : Path
        Its ending says the format.
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
    track = found.found
    grain_ps = float(GRAIN_S * 10**12)
    away = (track.lags - track.rate / float(GRAIN_S) * track.seconds) * grain_ps
    stds = track.stds * grain_ps
    figure = Figure(figsize=(7.5, 6.0), layout="constrained")
    phase, frequency = figure.subplots(2, 1, sharex=True)
    phase.fill_between(track.seconds, away - stds, away + stds, color=GREY, alpha=0.4, linewidth=0)
    phase.plot(track.seconds, away, color=BLUE, linewidth=1)
    phase.set_ylabel("offset less mean line (ps)")
    if track.seconds.size > 1:
        slopes = np.diff(track.lags) / np.diff(track.seconds) * float(GRAIN_S) * 1e6
        frequency.stairs(slopes, track.seconds, baseline=None, color=BLUE, linewidth=1)
    frequency.set_ylabel("frequency difference (ppm)")
    frequency.set_xlabel("time since A's first tag (s)")
    for axes in (phase, frequency):
        axes.grid(visible=True, color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)
