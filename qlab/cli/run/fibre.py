"""`qlab run fibre`: an optical frequency link."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.output import json_option
from qlab.cli.run.common import run_and_show, run_options


@click.command()
@run_options("simulated link")
@click.option(
    "--duration",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="S",
    help="Length of the run; the station's if not given.",
)
@json_option
def fibre(
    station: Path | None,
    seed: int | None,
    output: Path | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Hold an optical frequency link through its shifter, and say how good it was.

    Two counters read the same beat, so that a cycle that one of them slips is found and
    flagged; nothing is repaired. The shifter stays as it is when the run ends, however
    it ends, and the next run goes on from there.

    Exit codes: 0 done, 3 an instrument failed, 4 a limit, 5 or 130 stopped.
    """
    given = {"duration_s": duration}
    run_and_show("fibre", "fibre", station, seed, output, given, as_json)
