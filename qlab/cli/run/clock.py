"""`qlab run clock`: clocks disciplined to a reference."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.output import json_option
from qlab.cli.run.common import run_and_show, run_options


@click.command()
@run_options("simulated clock bench")
@click.option(
    "--duration",
    type=click.FloatRange(min=0.0),
    metavar="S",
    help="Length of the run, 0 until Ctrl-C; the station's if not given.",
)
@json_option
def clock(
    station: Path | None,
    seed: int | None,
    output: Path | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Discipline local clocks to a distributed reference.

    Each site's counter reads its clock against the reference as it arrives; the loop tests,
    estimates, steers, and says at every second whether it is locked, and within which
    bound. When the reference goes it holds over, and says why. However the run ends, each
    clock keeps its last steering, and the next run goes on from there.

    Exit codes: 0 done, 3 an instrument failed, 4 a limit, 5 or 130 stopped.
    """
    given = {"duration_s": duration}
    run_and_show("clock", "clock", station, seed, output, given, as_json)
