"""The picture of a BB84 run: yield, error rates, arrival times, detection rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from qlab.errors import printable
from qlab.pictures import BLUE, GREEN, GREY, ORANGE
from qlab.runfile.reader import RunFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

#: Events that the arrival histogram looks at.
_EVENTS = 500_000


def draw(run: RunFile, results: Mapping[str, Any], figure: Figure) -> None:
    """Draw a recorded run.

    Parameters
    ----------
    run : RunFile
    results : mapping
        Its results.
    figure : matplotlib Figure
        An empty one.

    Raises
    ------
    KeyError
        If the run ended before it had such results.
    """
    axes = figure.subplots(2, 2)
    _funnel(axes[0][0], results)
    _qber(axes[0][1], results)
    _arrivals(axes[1][0], run, results)
    _blocks(axes[1][1], results)
    figure.suptitle(_title(run.run_id, results), fontsize=11, parse_math=False)


def _title(run_id: str, results: Mapping[str, Any]) -> str:
    secret = results["no_key"] or f"{results['secret_bits']:,} secret bits"
    return f"BB84  {printable(run_id)}  ·  {printable(secret)}"


def _funnel(axes: Axes, results: Mapping[str, Any]) -> None:
    steps = [
        ("detections", results["detections"], GREY),
        ("sifted", results["sifted_bits"], BLUE),
        ("key basis", sum(results["n_z"]), BLUE),
        ("leak", results["leak_ec_bits"] or 0, ORANGE),
        ("secret", results["secret_bits"], GREEN),
    ]
    names, values, colours = zip(*steps, strict=True)
    bars = axes.barh(names, [v / 1e3 for v in values], color=colours)
    axes.bar_label(bars, [f"{v:,}" for v in values], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, max(max(values) / 1e3, 1e-3) * 1.25)
    axes.set_xlabel("bits (thousands)")
    axes.set_title("From detections to key", fontsize=10)


def _qber(axes: Axes, results: Mapping[str, Any]) -> None:
    highest = 0.1
    for offset, basis, colour in ((-0.2, "z", BLUE), (0.2, "x", ORANGE)):
        rates, errors, places = [], [], []
        for k, (n, m) in enumerate(
            zip(results[f"n_{basis}"], results[f"m_{basis}"] or [], strict=False)
        ):
            if n:
                rates.append(100 * m / n)
                errors.append(100 * math.sqrt(max(m, 1) * (n - m) / n) / n)
                places.append(k + offset)
                highest = max(highest, rates[-1] + errors[-1])
        axes.bar(places, rates, 0.36, yerr=errors, color=colour, capsize=3, label=f"basis {basis}")
    axes.set_xticks(range(len(results["intensities"])))
    axes.set_xticklabels([f"{mu:g}" for mu in results["intensities"]])
    axes.set_xlabel("mean photon number")
    axes.set_ylabel("QBER (%)")
    axes.set_title("Error rate by intensity (bars: one standard deviation)", fontsize=10)
    axes.set_ylim(0, 1.25 * highest)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper center")


def _arrivals(axes: Axes, run: RunFile, results: Mapping[str, Any]) -> None:
    """Draw when in the slot the detectors click, as far as the tagger's tick resolves it."""
    ticks = run.read("data/timestamps", 0, _EVENTS)
    lines = run.read("data/detectors", 0, _EVENTS)
    numerator, denominator = run.attributes("data/timestamps")["tick_s"]
    period = 1 / Fraction(results["slot_rate_hz"]) / Fraction(int(numerator), int(denominator))
    bins = max(1, math.floor(period))
    first = int(results["blocks"][0]["events"])
    # on a clock of his own Bob sees the pulses at another rate
    period *= 1 + Fraction(results["blocks"][0].get("frequency_ratio_minus_1", 0))
    marker = ticks[:first][lines[:first] == results["marker_line"]]
    origin = int(marker[0]) if marker.size else 0
    width_ns = float(period) / bins * int(numerator) / int(denominator) * 1e9
    for detector, (line, colour) in enumerate(
        zip(results["detector_lines"], (BLUE, ORANGE), strict=True)
    ):
        chosen = ticks[:first][lines[:first] == line] - origin
        phase = (chosen % float(period)) / float(period) * bins * width_ns
        axes.hist(
            phase,
            bins=bins,
            range=(0, bins * width_ns),
            histtype="step",
            color=colour,
            label=f"detector {detector}",
        )
    axes.set_yscale("log")
    axes.set_xlabel("time within the slot (ns)")
    axes.set_ylabel("clicks in the first block")
    axes.set_title("Arrival times", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def _blocks(axes: Axes, results: Mapping[str, Any]) -> None:
    blocks = results["blocks"]
    rates = [b["detections"] / b["live_s"] / 1e3 for b in blocks]
    axes.plot(range(len(blocks)), rates, "o-", color=GREEN, markersize=4)
    axes.set_ylim(0, max([*rates, 1e-3]) * 1.2)
    axes.set_xlabel("block")
    axes.set_ylabel("detections (thousands per second)")
    axes.set_title("Detection rate", fontsize=10)
