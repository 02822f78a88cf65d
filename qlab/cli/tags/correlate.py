"""`qlab tags correlate`: the lags between two channels."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import emit, json_option
from qlab.cli.tags.picoseconds import picoseconds, shown_ps
from qlab.errors import QlabError, UsageError, printable

if TYPE_CHECKING:
    from qlab.tags.correlating import Correlated, Task

__all__ = ["correlate"]


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab tags correlate run.h5 --start 1 --stop 2 --bin 50 --range 20000 --plot g2.png\n"
    "  qlab tags correlate alice.h5 bob.dat --start 1 --stop 3 --model clocks.json --json\n"
    "  qlab tags correlate run.ptu --start 0 --stop 1 --first --range 12500"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("other", required=False, type=click.Path(path_type=Path))
@click.option("--start", type=int, required=True, metavar="C", help="Channel of FILE.")
@click.option(
    "--stop", type=int, required=True, metavar="C", help="Channel of OTHER, else of FILE."
)
@click.option(
    "--bin", "bin_s", callback=picoseconds, default="100", metavar="PS",
    help="Width of the bins; 100 if not given.",
)  # fmt: skip
@click.option(
    "--range", "range_s", callback=picoseconds, default="100000", metavar="PS",
    help="Longest lag, before and after; 100000 if not given.",
)  # fmt: skip
@click.option(
    "--first", "first_only", is_flag=True,
    help="Count the first stop after each start, not all pairs.",
)  # fmt: skip
@click.option(
    "--window", "window_s", callback=picoseconds, metavar="PS",
    help="Window around the peak for coincidences and accidentals; 4 sigma if not given.",
)  # fmt: skip
@click.option(
    "--model", "model_file", type=click.Path(path_type=Path), metavar="FILE",
    help="Clock model of 'qlab tags sync' that brings OTHER to FILE's time.",
)  # fmt: skip
@click.option("--format", "format_name", metavar="NAME", help="Format of the files.")
@click.option(
    "--plot", "picture", metavar="PNG", type=click.Path(path_type=Path),
    help="Draw g2 and the peak (.png, .pdf or .svg).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing picture.")
@json_option
def correlate(
    file: Path,
    other: Path | None,
    start: int,
    stop: int,
    bin_s: Fraction,
    range_s: Fraction,
    first_only: bool,
    window_s: Fraction | None,
    model_file: Path | None,
    format_name: str | None,
    picture: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Count pairs of tags against their lag, stop − start, and find their peak.

    Of FILE alone, or with the stop's tags from OTHER, which is brought to FILE's time by a clock
    model. With one channel for both, tags are paired with other tags of that channel. Ends
    with exit code 1 if two channels have nothing in common.
    """
    from qlab.cli.progress import run_progress
    from qlab.kernels import compilation_announced
    from qlab.tags.correlating import Task
    from qlab.tags.pairing import correlate_files

    if model_file is not None and other is None:
        raise UsageError("a model brings a second file to FILE's time", remedy="name OTHER too")
    if picture is not None:
        from qlab.pictures import check_picture
        from qlab.tags.plot import draw_correlation

        check_picture(picture, overwrite=force)
    same = other is None and start == stop
    task = Task(start, stop, same, bin_s, range_s, first_only, window_s)
    where = file.name if other is None else f"{file.name}, {other.name}"
    with run_progress() as progress, compilation_announced(_note):
        progress.phase(f"correlating {where}")
        found, tick_s, notes = correlate_files(
            file, other, task, model_file, format_name,
            say=progress.step, workers=os.cpu_count() or 1,
        )  # fmt: skip
    for note in notes:
        _note(note)
    title = f"{where}: channel {start} to {stop}"
    if picture is not None:
        draw_correlation(found, tick_s, title, picture, overwrite=force)
    facts = {
        "file": str(file),
        "other": None if other is None else str(other),
        "start": start,
        "stop": stop,
        "pairs": "first" if first_only else "all",
        **_facts(found, task, tick_s),
        "notes": notes,
        "picture": None if picture is None else str(picture),
    }
    emit(
        "qlab.tags.correlate/1", facts, lambda: _text(title, found, task, tick_s, picture), as_json
    )
    if not (found.significant or same):
        raise QlabError(
            "nothing in common: the histogram is flat",
            remedy="try a longer --range or wider --bin; if the clocks differ, 'qlab tags sync'",
        )


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _facts(found: Correlated, task: Task, tick_s: Fraction) -> dict[str, Any]:
    """Return everything as JSON shows it; what was not found is null."""
    correlation, feature = found.correlation, found.feature
    bins = correlation.bins
    tick_ps = float(tick_s * 10**12)
    duration_s = float(found.duration * tick_s)
    return {
        "unit_ps": shown_ps(tick_s),
        "bin_ps": shown_ps(task.bin_s),
        "range_ps": shown_ps(task.range_s),
        "duration_s": duration_s,
        "starts": found.totals[0],
        "stops": found.totals[1],
        "start_rate": found.totals[0] / duration_s,
        "stop_rate": found.totals[1] / duration_s,
        "false_alarm_probability": None if feature is None else feature.false_alarm_probability,
        "peak": _peak_facts(found, tick_ps),
        "coincidences": _contrast_facts(found, tick_ps),
        "dip": _dip_facts(found, tick_ps),
        "lag_ps": [shown_ps(k * task.bin_s) for k in range(bins.first, bins.last + 1)],
        "counts": correlation.counts,
        "expected": correlation.expected,
        "g2": correlation.g2,
        "g2_std": correlation.g2_std,
    }


def _peak_facts(found: Correlated, tick_ps: float) -> dict[str, Any] | None:
    from protocols.timetags.correlation.peak import FWHM

    peak = found.peak
    if peak is None:
        return None
    return {
        "position_ps": peak.position * tick_ps,
        "position_std_ps": peak.position_std * tick_ps,
        "sigma_ps": peak.sigma * tick_ps,
        "sigma_std_ps": peak.sigma_std * tick_ps,
        "fwhm_ps": peak.sigma * FWHM * tick_ps,
        "fwhm_std_ps": peak.sigma_std * FWHM * tick_ps,
        "pairs": peak.pairs,
        "pairs_std": peak.pairs_std,
        "background_per_bin": peak.background * float(found.correlation.bins.width),
        "deviance": peak.deviance,
        "degrees_of_freedom": peak.freedom,
    }


def _contrast_facts(found: Correlated, tick_ps: float) -> dict[str, Any] | None:
    window = found.contrast
    if window is None:
        return None
    # Times are whole ticks: a lag of m ticks stands for those from m − 1/2 to m + 1/2.
    begin, end = window.window
    return {
        "window_ps": [(begin - 0.5) * tick_ps, (end - 0.5) * tick_ps],
        "counts": window.coincidences,
        "accidentals": window.accidentals,
        "accidentals_std": window.accidentals_std,
        "coincidence_to_accidental_ratio": window.ratio,
        "coincidence_to_accidental_ratio_std": window.ratio_std,
    }


def _dip_facts(found: Correlated, tick_ps: float) -> dict[str, Any] | None:
    feature, correlation = found.feature, found.searched
    if feature is None or feature.peak or not found.significant:
        return None
    held = slice(feature.first, feature.first + feature.width)
    edges = correlation.bins.edges
    counts, expected = int(correlation.counts[held].sum()), float(correlation.expected[held].sum())
    return {
        "window_ps": [
            (int(edges[held.start]) - 0.5) * tick_ps,
            (int(edges[held.stop]) - 0.5) * tick_ps,
        ],
        "counts": counts,
        "g2": counts / expected,
        "g2_std": max(counts, 1) ** 0.5 / expected,
    }


def _text(title: str, found: Correlated, task: Task, tick_s: Fraction, picture: Path | None) -> str:
    facts = _facts(found, task, tick_s)
    bins = found.correlation.bins
    kind = "first stops" if task.first_only else "all pairs"
    said = f"{facts['bin_ps']:,} ps, up to {facts['range_ps']:,} ps"
    starts = f"{facts['starts']:,} starts ({facts['start_rate']:,.4g} /s)"
    stops = f"{facts['stops']:,} stops ({facts['stop_rate']:,.4g} /s)"
    pairs = int(found.correlation.counts.sum())
    chance = float(found.correlation.expected.sum())
    lines = [
        title,
        f"{kind} in {len(bins):,} bins of {said}; tick {facts['unit_ps']:,} ps",
        f"{facts['duration_s']:.6g} s: {starts}, {stops}",
        f"{pairs:,} pairs, {chance:,.1f} expected by chance",
    ]
    lines += _peak_lines(facts)
    if facts["dip"] is not None:
        dip = facts["dip"]
        begin, end = dip["window_ps"]
        lines.append(
            f"dip from {begin:,.1f} to {end:,.1f} ps: g2 = {dip['g2']:.3g} ± {dip['g2_std']:.2g}"
        )
    alarm = facts["false_alarm_probability"]
    if not found.significant:
        lines.append("no peak: the histogram is flat")
    if alarm is not None:
        said = f"{alarm:.2g}" if alarm > 0 else "below 1e-300"
        lines.append(f"false-alarm probability of the most striking window: {said}")
    if picture is not None:
        lines.append(f"wrote {picture}")
    return "\n".join(lines)


def _peak_lines(facts: dict[str, Any]) -> list[str]:
    peak, window = facts["peak"], facts["coincidences"]
    if peak is None or window is None:
        return []
    lines = [f"peak at {peak['position_ps']:,.1f} ± {peak['position_std_ps']:.1f} ps"]
    if peak["sigma_ps"] == peak["sigma_ps"]:
        lines.append(
            f"FWHM {peak['fwhm_ps']:,.1f} ± {peak['fwhm_std_ps']:.1f} ps "
            f"(sigma {peak['sigma_ps']:,.1f} ± {peak['sigma_std_ps']:.1f} ps), "
            f"{peak['pairs']:,.0f} ± {peak['pairs_std']:.0f} pairs"
        )
    else:
        lines.append("too narrow for these bins to tell its width")
    begin, end = window["window_ps"]
    ratio = window["coincidence_to_accidental_ratio"]
    lines.append(
        f"from {begin:,.1f} to {end:,.1f} ps: {window['counts']:,} coincidences, "
        f"{window['accidentals']:,.1f} ± {window['accidentals_std']:.1f} accidentals"
    )
    if ratio == ratio:
        std = window["coincidence_to_accidental_ratio_std"]
        lines.append(f"coincidence-to-accidental ratio {ratio:,.4g} ± {std:.2g}")
    else:
        lines.append("no accidentals beside the peak: their ratio is not known")
    return lines
