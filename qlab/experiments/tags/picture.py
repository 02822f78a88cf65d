"""The picture of a recording of tags: rates, coincidences, and the common time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qlab.errors import printable
from qlab.pictures import BLUE, COLOURS, GREY
from qlab.runfile.reader import RunFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["draw"]

_PIECE = 1 << 20
_POINTS = 200


def draw(run: RunFile, results: Mapping[str, Any], figure: Figure) -> None:
    """Draw a recorded run; see `qlab.experiments.interface.Picture`.

    Raises
    ------
    KeyError
        If the run ended before it had such results.
    """
    panels = [_rates]
    if results.get("coincidences"):
        panels.append(_coincidences)
    if (results.get("sync") or {}).get("track"):
        panels.append(_sync)
    figure.set_size_inches(8.0, 1.0 + 2.6 * len(panels))
    places = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for panel, axes in zip(panels, places, strict=True):
        panel(axes, run, results)
    figure.suptitle(f"tags  {printable(run.run_id)}", fontsize=11, parse_math=False)


def _rates(axes: Axes, run: RunFile, results: Mapping[str, Any]) -> None:
    seconds = max(results["duration_s"], 1e-9)
    colours = iter(COLOURS * 64)
    for name, found in results["taggers"].items():
        group = f"data/{name}" if len(results["taggers"]) > 1 else "data"
        for number in found["lines"]:
            counts = _counts(run, group, int(number), seconds)
            times = (np.arange(_POINTS) + 0.5) * seconds / _POINTS
            label = f"{printable(name)} line {number}"
            axes.plot(
                times, counts * _POINTS / seconds / 1e3, lw=1.0, color=next(colours), label=label
            )
    axes.set_xlabel("time of each tagger in s")
    axes.set_ylabel("thousand tags a second")
    axes.set_ylim(bottom=0.0)
    if axes.lines:
        axes.legend(fontsize=8, frameon=False, ncols=2)


def _counts(run: RunFile, group: str, line: int, seconds: float) -> NDArray[np.int64]:
    numerator, denominator = run.attributes(f"{group}/timestamps")["tick_s"]
    edges = np.linspace(0.0, seconds * int(denominator) / int(numerator), _POINTS + 1)
    counts = np.zeros(_POINTS, np.int64)
    for at in range(0, run.rows(f"{group}/timestamps"), _PIECE):
        ticks = run.read(f"{group}/timestamps", at, at + _PIECE)
        lines = run.read(f"{group}/detectors", at, at + _PIECE)
        counts += np.histogram(ticks[lines == line], edges)[0]
    return counts


def _coincidences(axes: Axes, run: RunFile, results: Mapping[str, Any]) -> None:
    colours = iter(COLOURS * 64)
    for found in results["coincidences"]:
        start, stop = found["lines"]
        axes.step(
            np.array(found["lag_ps"]) * 1e-3, found["counts"], where="mid", lw=1.0,
            color=next(colours), label=f"{stop} after {start}",
        )  # fmt: skip
    axes.set_xlabel("delay in ns")
    axes.set_ylabel("pairs of tags")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=8, frameon=False, title="line")


def _sync(axes: Axes, run: RunFile, results: Mapping[str, Any]) -> None:
    track = results["sync"]["track"]
    times = np.array(track["time_s"])
    offset_ns = np.array(track["offset_ps"]) * 1e-3
    straight = np.polyval(np.polyfit(times, offset_ns, min(1, times.size - 1)), times)
    axes.plot(times, offset_ns - straight, ".-", ms=3, lw=0.8, color=BLUE)
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.set_xlabel("time of the first tagger in s")
    axes.set_ylabel("offset less a line, in ns")
