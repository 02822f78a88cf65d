"""`qlab tags coincidences`: how often channels click together."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import columns, emit, json_option
from qlab.cli.tags.picoseconds import channel_times, channels, picoseconds, shown_ps
from qlab.errors import QlabError, UsageError, printable

if TYPE_CHECKING:
    from qlab.tags.folds import Fold, Folds

__all__ = ["coincidences"]


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab tags coincidences run.ptu --fold 1,2 --window 1000\n"
    "  qlab tags coincidences run.h5 --fold 1,2 --fold 1,2,3 --delay 2:350 --delay 3:-80 --json"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--fold", "folds", multiple=True, required=True, callback=channels, metavar="C,C,...",
    help="Channels that must click together; again for other sets.",
)  # fmt: skip
@click.option(
    "--delay", "delays", multiple=True, callback=channel_times, metavar="C:PS",
    help="How late a channel is, which is taken off; again for other channels.",
)  # fmt: skip
@click.option(
    "--window", "window_s", callback=picoseconds, default="1000", metavar="PS",
    help="Longest time from the first click to the last one; 1000 if not given.",
)  # fmt: skip
@click.option("--format", "format_name", metavar="NAME", help="Format of the file.")
@json_option
def coincidences(
    file: Path,
    folds: list[tuple[int, ...]],
    delays: dict[int, Fraction],
    window_s: Fraction,
    format_name: str | None,
    as_json: bool,
) -> None:
    """Count coincidences of two and more channels, and what chance would give.

    A coincidence is one tag of every channel of a set, all within the window. Tags are taken in
    order of time, each counts once, and more tags of a channel within the window add nothing. A
    channel's delay is the position of its peak in 'qlab tags correlate'. Ends with exit code 1
    if no set clicks together more or less often than by chance.
    """
    from qlab.cli.progress import run_progress
    from qlab.kernels import compilation_announced
    from qlab.tags.correlating import SIGNIFICANT
    from qlab.tags.folds import count_folds
    from qlab.tags.opening import open_tags, sorted_chunks
    from qlab.tags.streams import ahead, watched

    wanted = {channel for fold in folds for channel in fold}
    unused = sorted(set(delays) - wanted)
    if unused:
        raise UsageError(f"channel {unused[0]} has a delay but is in no fold")
    with open_tags(file, format_name) as source:
        tick_s = source.tick_s
        with run_progress() as progress, compilation_announced(_note):
            progress.phase(f"counting coincidences of {file.name}")
            chunks = watched(ahead(sorted_chunks(source)), wanted, file.name, progress.step)
            found = count_folds(chunks, tick_s, folds, delays, window_s)
        notes = list(source.notes)
    for note in notes:
        _note(note)
    duration_s = float(found.duration * tick_s)
    facts = {
        "file": str(file),
        "unit_ps": shown_ps(tick_s),
        "window_ps": shown_ps(found.window * tick_s),
        "delays_ps": {
            str(channel): shown_ps(ticks * tick_s) for channel, ticks in found.delays.items()
        },
        "duration_s": duration_s,
        "folds": [_facts(fold, duration_s) for fold in found.folds],
        "notes": notes,
    }
    emit("qlab.tags.coincidences/1", facts, lambda: _text(file, found, tick_s), as_json)
    if all(fold.chance_probability > SIGNIFICANT for fold in found.folds):
        raise QlabError(
            "nothing in common: as many coincidences as by chance",
            remedy="find the channels' delays with 'qlab tags correlate'",
        )


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _facts(fold: Fold, duration_s: float) -> dict[str, Any]:
    ratio, std = _ratio(fold)
    return {
        "channels": fold.channels,
        "singles": fold.singles,
        "coincidences": fold.coincidences,
        "coincidences_std": math.sqrt(fold.coincidences),
        "rate": fold.coincidences / duration_s,
        "accidentals": fold.accidentals,
        "accidentals_std": fold.accidentals_std,
        "coincidence_to_accidental_ratio": ratio,
        "coincidence_to_accidental_ratio_std": std,
        "chance_probability": fold.chance_probability,
    }


def _ratio(fold: Fold) -> tuple[float, float]:
    if not (fold.accidentals and fold.coincidences):
        return math.nan, math.nan
    ratio = fold.coincidences / fold.accidentals
    relative = (fold.accidentals_std / fold.accidentals) ** 2 + 1 / fold.coincidences
    return ratio, ratio * math.sqrt(relative)


def _text(file: Path, found: Folds, tick_s: Fraction) -> str:
    duration_s = float(found.duration * tick_s)
    rows = [["channels", "coincidences", "per s", "accidentals", "ratio", "by chance"]]
    for fold in found.folds:
        ratio, std = _ratio(fold)
        rows.append(
            [
                ",".join(str(channel) for channel in fold.channels),
                f"{fold.coincidences:,} ± {math.sqrt(fold.coincidences):,.0f}",
                f"{fold.coincidences / duration_s:,.5g}",
                f"{fold.accidentals:,.4g} ± {fold.accidentals_std:,.2g}",
                "-" if math.isnan(ratio) else f"{ratio:,.4g} ± {std:,.2g}",
                f"{fold.chance_probability:.2g}",
            ]
        )
    window = shown_ps(found.window * tick_s)
    head = f"{file.name}: within {window:,} ps, {duration_s:.6g} s"
    return f"{head}\n{columns(rows)}"
