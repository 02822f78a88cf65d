"""`qlab run tags`."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.output import json_option
from qlab.cli.run.common import run_and_show, run_options


@click.command()
@run_options("simulated pair source")
@click.option(
    "--duration",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="S",
    help="Seconds to record; the station's, or until Ctrl-C, if not given.",
)
@json_option
def tags(
    station: Path | None,
    seed: int | None,
    output: Path | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Record the tags of a station's time taggers.

    Count rates, coincidences and, of two taggers, the state of their common time are shown
    on the way. `qlab tags` then works on the run file.

    Exit codes: 0 done, 3 an instrument failed, 5 or 130 stopped before the time was over.
    """
    run_and_show("tags", "pairs", station, seed, output, {"duration_s": duration}, as_json)
