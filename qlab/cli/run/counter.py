"""`qlab run counter`."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.output import json_option
from qlab.cli.run.common import run_and_show, run_options


@click.command()
@run_options("simulated clock bench")
@click.option(
    "--duration",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="S",
    help="Seconds to log; the station's, or until Ctrl-C, if not given.",
)
@click.option(
    "--quantity",
    type=click.Choice(["frequency", "interval"]),
    help="What is measured; what the station file says if not given.",
)
@click.option("--gate", type=click.FloatRange(min=1e-3), metavar="S", help="Gate of a frequency.")
@json_option
def counter(
    station: Path | None,
    seed: int | None,
    output: Path | None,
    duration: float | None,
    quantity: str | None,
    gate: float | None,
    as_json: bool,
) -> None:
    """Log the counters of a station.

    All that play the role counter are read side by side, until the time is over or until
    Ctrl-C. `qlab clock stability RUN.h5` then tells how stable what they measured is.

    Exit codes: 0 done, 3 an instrument failed, 5 or 130 stopped before the time was over.
    """
    given = {"duration_s": duration, "quantity": quantity, "gate_s": gate}
    run_and_show("counter", "clock", station, seed, output, given, as_json)
