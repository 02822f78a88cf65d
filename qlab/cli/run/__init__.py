"""`qlab run`: experiments on a station."""

from __future__ import annotations

import click

from qlab.cli.lazy import LazyGroup

__all__ = ["run"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "bb84": ("qlab.cli.run.bb84:bb84", "Distribute a key by one-decoy BB84."),
    "counter": ("qlab.cli.run.counter:counter", "Log the counters of a station."),
    "clock": ("qlab.cli.run.clock:clock", "Discipline local clocks to a distributed reference."),
    "fibre": ("qlab.cli.run.fibre:fibre", "Hold an optical frequency link through its shifter."),
    "tags": ("qlab.cli.run.tags:tags", "Record the tags of time taggers."),
}


@click.command(cls=LazyGroup, table=_COMMANDS)
def run() -> None:
    """Run an experiment and record it."""
