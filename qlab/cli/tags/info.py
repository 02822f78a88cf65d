"""`qlab tags info`: what a file of time tags holds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import columns, emit, json_option
from qlab.cli.tags.picoseconds import shown_ps
from qlab.errors import printable

if TYPE_CHECKING:
    from protocols.timetags.content import Content
    from qlab.tags.source import TagSource

__all__ = ["info"]

_MOST_CHANNELS = 64
_PS = 10**12


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab tags info alice.ptu\n"
    "  qlab tags info run.h5:tagger_a --json\n"
    "  qlab tags info bob.txt --format csv:ns"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    metavar="NAME",
    help="Format of the file, if its content does not say.",
)
@json_option
def info(file: Path, format_name: str | None, as_json: bool) -> None:
    """Show what a file of time tags holds.

    The whole file is read. Its format is told by its content; of a run with several taggers
    name one, as RUN.h5:NAME.
    """
    from qlab.cli.progress import run_progress
    from qlab.kernels import compilation_announced
    from qlab.tags.content import content_of
    from qlab.tags.opening import open_tags

    with open_tags(file, format_name) as source:
        with run_progress() as progress, compilation_announced(_note):
            progress.phase(f"reading {file.name}")
            content = content_of(source, lambda events: progress.step(f"{events:,} tags"))
        facts = _facts(source, content)
    for note in source.notes:
        _note(note)
    emit("qlab.tags.info/1", facts, lambda: _text(facts), as_json)


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _facts(source: TagSource, content: Content) -> dict[str, Any]:
    tick_s = source.tick_s
    start_s = end_s = duration_s = None
    if content.start is not None and content.end is not None:
        start_s, end_s = content.start * tick_s, content.end * tick_s
        duration_s = float(end_s - start_s)
    return {
        "file": str(source.path),
        "format": source.format,
        "records": source.records,
        "events": content.events,
        "channels": {
            str(channel): {"count": count, "rate_hz": count / duration_s if duration_s else None}
            for channel, count in content.channels.items()
        },
        "start_ps": _ps(start_s),
        "end_ps": _ps(end_s),
        "duration_s": duration_s,
        "out_of_order": content.out_of_order,
        "furthest_back_ps": float(content.furthest_back * tick_s * _PS),
        "unit_ps": shown_ps(tick_s),
        "gaps": [
            {"start_ps": _ps(gap.start * tick_s), "end_ps": _ps(gap.end * tick_s)}
            for gap in content.gaps
        ],
        "leftover_bytes": source.leftover,
        "notes": source.notes,
    }


def _ps(time_s: Fraction | None) -> int | None:
    return None if time_s is None else int(time_s * _PS // 1)


def _text(facts: dict[str, Any]) -> str:
    duration_s = facts["duration_s"]
    rows = [
        ("file", printable(facts["file"])),
        ("format", facts["format"]),
        ("tick", f"{facts['unit_ps']:g} ps"),
        ("records", f"{facts['records']:,}"),
        ("events", f"{facts['events']:,}"),
    ]
    if duration_s is not None:
        rows.append(("from", f"{facts['start_ps'] / _PS:.12g} s"))
        rows.append(("lasts", f"{duration_s:.12g} s"))
    late = facts["out_of_order"]
    if late:
        rows.append(("out of order", f"{late:,}, by {facts['furthest_back_ps']:,.0f} ps at most"))
    lines = [columns(rows)]
    for gap in facts["gaps"]:
        start_s, end_s = gap["start_ps"] / _PS, gap["end_ps"] / _PS
        lines.append(f"no tags from {start_s:.6f} s to {end_s:.6f} s")
    table = [("channel", "tags", "a second")]
    for channel, found in list(facts["channels"].items())[:_MOST_CHANNELS]:
        rate = "-" if found["rate_hz"] is None else f"{found['rate_hz']:,.1f}"
        table.append((channel, f"{found['count']:,}", rate))
    widths = [max(len(row[place]) for row in table) for place in range(3)]
    lines.append("")
    lines += [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
    more = len(facts["channels"]) - _MOST_CHANNELS
    if more > 0:
        lines.append(f"and {more:,} channels more (--json has all)")
    return "\n".join(lines)
