"""`qlab tags deadtime`: dead time and afterpulses of a channel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import emit, json_option
from qlab.cli.tags.picoseconds import picoseconds, shown_ps
from qlab.errors import QlabError, printable

if TYPE_CHECKING:
    from protocols.timetags.correlation.intervals import IntervalCounter, Recovery

__all__ = ["deadtime"]


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab tags deadtime run.ptu --channel 1\n"
    "  qlab tags deadtime run.h5 --channel 2 --bin 10000 --range 200000000 --plot recovery.png"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--channel", type=int, required=True, metavar="C", help="Which channel.")
@click.option(
    "--bin", "bin_s", callback=picoseconds, default="1000", metavar="PS",
    help="Width of the bins; 1000 if not given.",
)  # fmt: skip
@click.option(
    "--range", "range_s", callback=picoseconds, default="10000000", metavar="PS",
    help="Longest interval, far beyond the last afterpulses; 10000000 if not given.",
)  # fmt: skip
@click.option("--format", "format_name", metavar="NAME", help="Format of the file.")
@click.option(
    "--plot", "picture", metavar="PNG", type=click.Path(path_type=Path),
    help="Draw the rate after a tag (.png, .pdf or .svg).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing picture.")
@json_option
def deadtime(
    file: Path,
    channel: int,
    bin_s: Fraction,
    range_s: Fraction,
    format_name: str | None,
    picture: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Work out a detector's dead time and afterpulses from the intervals between its tags.

    The second half of the range gives the level that chance makes of them; what lies above it in
    the first half, after the dead time, are afterpulses. The light must be steady: pulses
    of light look like dead time and afterpulses.
    """
    from protocols.errors import ParameterError
    from protocols.timetags.correlation.intervals import IntervalCounter, recovery
    from qlab.cli.progress import run_progress
    from qlab.kernels import compilation_announced
    from qlab.tags.correlating import bins_for
    from qlab.tags.opening import open_tags, sorted_chunks
    from qlab.tags.streams import ahead, watched

    if picture is not None:
        from qlab.pictures import check_picture
        from qlab.tags.plot import draw_recovery

        check_picture(picture, overwrite=force)
    with open_tags(file, format_name) as source:
        tick_s = source.tick_s
        counted = IntervalCounter(bins_for(bin_s, range_s, tick_s, one_sided=True))
        with run_progress() as progress, compilation_announced(_note):
            progress.phase(f"counting intervals of {file.name}")
            chunks = ahead(sorted_chunks(source))
            for tags in watched(chunks, {channel}, file.name, progress.step):
                counted.push(tags.ticks[tags.channels == channel])
        notes = list(source.notes)
    try:
        found = recovery(counted)
    except ParameterError as error:
        raise QlabError(
            f"the intervals do not tell: {error}", remedy="choose a --range with many beyond it"
        ) from None
    for note in notes:
        _note(note)
    if picture is not None:
        title = f"{file.name}: channel {channel}"
        draw_recovery(counted, found, tick_s, title, picture, overwrite=force)
    facts = {
        "file": str(file),
        "channel": channel,
        "unit_ps": shown_ps(tick_s),
        "bin_ps": shown_ps(bin_s),
        "range_ps": shown_ps(range_s),
        **_facts(counted, found, tick_s),
        "lag_ps": [shown_ps(k * bin_s) for k in range(len(counted.bins))],
        "counts": counted.counts,
        "relative_rate": found.relative,
        "notes": notes,
        "picture": None if picture is None else str(picture),
    }
    emit("qlab.tags.deadtime/1", facts, lambda: _text(facts), as_json)


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _facts(counted: IntervalCounter, found: Recovery, tick_s: Fraction) -> dict[str, Any]:
    tick_ps = float(tick_s * 10**12)
    dead, after = found.dead_time, found.afterpulses
    return {
        "intervals": counted.intervals,
        "shortest_ps": None if counted.shortest is None else shown_ps(counted.shortest * tick_s),
        "rate": found.level / float(tick_s),
        "dead_time_ps": None if dead is None else dead.time * tick_ps,
        "dead_time_std_ps": None if dead is None else dead.std * tick_ps,
        "afterpulse_probability": after.probability,
        "afterpulse_probability_std": after.std,
        "afterpulse_window_ps": [after.begin * tick_ps, after.end * tick_ps],
    }


def _text(facts: dict[str, Any]) -> str:
    begin, end = facts["afterpulse_window_ps"]
    dead, std = facts["dead_time_ps"], facts["dead_time_std_ps"]
    seen = "none to be seen" if dead is None else f"{dead:,.0f} ± {std:,.0f} ps"
    probability, error = facts["afterpulse_probability"], facts["afterpulse_probability_std"]
    lines = [
        f"{Path(facts['file']).name}: channel {facts['channel']}",
        f"{facts['intervals']:,} intervals, the shortest {facts['shortest_ps']:,} ps",
        f"rate a long time after a tag {facts['rate']:,.5g} /s",
        f"dead time {seen}",
        f"afterpulse probability {probability:.3%} ± {error:.2%}",
        f"of {begin:,.0f} to {end:,.0f} ps after a tag",
    ]
    if facts["picture"] is not None:
        lines.append(f"wrote {facts['picture']}")
    return "\n".join(lines)
