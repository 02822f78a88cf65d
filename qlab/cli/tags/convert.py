"""`qlab tags convert`: a file of time tags in another format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qlab.cli.output import emit, json_option
from qlab.errors import UsageError, printable

if TYPE_CHECKING:
    from protocols.timetags.tags import Tags

__all__ = ["convert"]


def _channels(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int] | None:
    """Read channels with commas between them."""
    if value is None:
        return None
    if not re.fullmatch(r"-?\d{1,9}(?:,-?\d{1,9})*", value.replace(" ", "")):
        raise click.BadParameter(f"{value!r} is not channels such as 1,2")
    return [int(channel) for channel in value.split(",")]


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab tags convert alice.ptu alice.h5\n"
    "  qlab tags convert run.h5:tagger_a a.a1 --round --sort\n"
    "  qlab tags convert long.dat few.csv --channels 1,3"
)
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("target", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--from", "from_name", metavar="NAME", help="Format of FILE, if it does not say.")
@click.option("--to", "to_name", metavar="NAME", help="Format of NEW; its ending's if not given.")
@click.option("--channels", callback=_channels, metavar="LIST", help="Only tags of these.")
@click.option("--sort", "in_order", is_flag=True, help="Put tags in order.")
@click.option("--round", "rounded", is_flag=True, help="Round times to the ticks of NEW.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@json_option
def convert(
    source: Path,
    target: Path,
    from_name: str | None,
    to_name: str | None,
    channels: list[int] | None,
    in_order: bool,
    rounded: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the time tags of FILE to NEW, in another format.

    NEW appears when it is whole. Times stay exact: where the ticks of NEW cannot hold them,
    say --round, and the largest error is told.
    """
    from qlab.cli.progress import run_progress
    from qlab.kernels import compilation_announced
    from qlab.tags.opening import open_tags, sorted_chunks
    from qlab.tags.writing import WRITERS, write_tags

    ending = target.suffix.lower()
    name = to_name or next((n for n, each in WRITERS.items() if ending in each.endings), None)
    if name not in WRITERS:
        raise UsageError(
            f"the ending {ending!r} tells no format" if to_name is None else f"cannot write {name}",
            remedy=f"name one with --to: {', '.join(WRITERS)}",
        )
    with open_tags(source, from_name) as opened:
        chunks = sorted_chunks(opened) if in_order else opened.chunks()
        if channels is not None:
            chunks = _only(chunks, channels)
        with run_progress() as progress, compilation_announced(_note):
            progress.phase(f"{source.name} to {target.name}")
            count, error_s = write_tags(
                chunks,
                opened.tick_s,
                target,
                name,
                rounded=rounded,
                overwrite=force,
                progress=lambda events: progress.step(f"{events:,} tags"),
            )
    for note in opened.notes:
        _note(note)
    error_ps = float(error_s * 10**12)
    facts = {
        "file": str(source),
        "new": str(target),
        "from": opened.format,
        "to": name,
        "events": count,
        "largest_error_ps": error_ps,
        "notes": opened.notes,
    }
    text = f"{count:,} tags from {opened.format} to {name}: {target}"
    text += f"\nrounded by {error_ps:.3g} ps at most" if error_ps else ""
    emit("qlab.tags.convert/1", facts, lambda: text, as_json)


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _only(chunks: Iterator[Tags], channels: list[int]) -> Iterator[Tags]:
    import numpy as np

    from protocols.timetags.tags import Tags

    for tags in chunks:
        chosen = np.isin(tags.channels, np.array(channels, np.int32))
        yield Tags(tags.ticks[chosen], tags.channels[chosen])
