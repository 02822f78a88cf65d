"""Pictures of recorded runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qlab.errors import QlabError, UsageError, printable
from qlab.runfile.reader import RunFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_run"]

# Colours that stay apart for colour-blind readers and in print (Okabe and Ito).
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#E69F00", "#009E73", "#999999"
#: Events that the arrival histogram looks at.
_EVENTS = 500_000


def plot_run(path: Path, picture: Path, *, overwrite: bool = False) -> None:
    """Draw the results of the run in `path` into the file `picture`.

    The format follows the ending: png, pdf or svg.

    Parameters
    ----------
    path, picture : Path
        The run file, and the picture.
    overwrite : bool
        Whether a picture of that name is replaced.

    Raises
    ------
    UsageError
        If the picture's ending is another, or there is such a file.
    QlabError
        If the run has no results to draw, or the picture cannot be written.
    RunFileError
        If the run file cannot be believed or read.
    """
    from matplotlib.figure import Figure

    if picture.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"a picture ends in .png, .pdf or .svg, not {picture.suffix!r}")
    if picture.exists():
        if not overwrite:
            raise UsageError(f"{picture} exists", remedy="choose another name, or have it replaced")
        if path.exists() and picture.samefile(path):
            raise UsageError(f"{picture} is the run file itself", remedy="choose another name")
    with RunFile.open(path) as run:
        results = run.results[-1] if run.results else {}
        if "sifted_bits" not in results:
            raise QlabError(
                f"{path.name} has no results to draw: {results.get('error', run.status.value)}",
                remedy="`qlab inspect` shows what it holds",
            )
        # Not by pyplot, whose backend and figures are a script's own.
        figure = Figure(figsize=(10, 7), layout="constrained")
        axes = figure.subplots(2, 2)
        _funnel(axes[0][0], results)
        _qber(axes[0][1], results)
        _arrivals(axes[1][0], run, results)
        _blocks(axes[1][1], results)
        figure.suptitle(_title(run.run_id, results), fontsize=11, parse_math=False)
    try:
        with picture.open("wb" if overwrite else "xb") as out:
            figure.savefig(out, format=picture.suffix[1:].lower(), dpi=150)
    except OSError as error:
        raise QlabError(f"the picture cannot be written: {error}") from None


def _title(run_id: str, results: Mapping[str, Any]) -> str:
    secret = results["no_key"] or f"{results['secret_bits']:,} secret bits"
    return f"BB84  {printable(run_id)}  ·  {printable(secret)}"


def _funnel(axes: Axes, results: Mapping[str, Any]) -> None:
    steps = [
        ("detections", results["detections"], _GREY),
        ("sifted", results["sifted_bits"], _BLUE),
        ("key basis", sum(results["n_z"]), _BLUE),
        ("leak", results["leak_ec_bits"] or 0, _ORANGE),
        ("secret", results["secret_bits"], _GREEN),
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
    for offset, basis, colour in ((-0.2, "z", _BLUE), (0.2, "x", _ORANGE)):
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
    marker = ticks[:first][lines[:first] == results["marker_line"]]
    origin = int(marker[0]) if marker.size else 0
    width_ns = float(period) / bins * int(numerator) / int(denominator) * 1e9
    for detector, (line, colour) in enumerate(
        zip(results["detector_lines"], (_BLUE, _ORANGE), strict=True)
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
    axes.plot(range(len(blocks)), rates, "o-", color=_GREEN, markersize=4)
    axes.set_ylim(0, max([*rates, 1e-3]) * 1.2)
    axes.set_xlabel("block")
    axes.set_ylabel("detections (thousands per second)")
    axes.set_title("Detection rate", fontsize=10)
