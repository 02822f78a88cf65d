"""`qlab tags`: files of time tags."""

from __future__ import annotations

import click

from qlab.cli.lazy import LazyGroup

__all__ = ["tags"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "info": ("qlab.cli.tags.info:info", "Show what a file of time tags holds."),
    "convert": ("qlab.cli.tags.convert:convert", "Write time tags in another format."),
    "correlate": (
        "qlab.cli.tags.correlate:correlate",
        "Count coincidences against delay, and find their peak.",
    ),
    "coincidences": (
        "qlab.cli.tags.coincidences:coincidences",
        "Count how often channels click together.",
    ),
    "deadtime": (
        "qlab.cli.tags.deadtime:deadtime",
        "Work out a detector's dead time and afterpulses.",
    ),
    "sync": ("qlab.cli.tags.sync:sync", "Find the common time of two stations from their tags."),
}


@click.command(cls=LazyGroup, table=_COMMANDS)
def tags() -> None:
    """Read, convert, correlate and synchronise time tags."""
