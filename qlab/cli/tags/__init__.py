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
    "sync": ("qlab.cli.tags.sync:sync", "Find the common time of two stations from their tags."),
}


@click.command(cls=LazyGroup, table=_COMMANDS)
def tags() -> None:
    """Read, convert, correlate and synchronise time tags."""
