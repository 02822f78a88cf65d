"""`qlab run counter`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress
from qlab.cli.run.common import raise_if_ended_early, run_file_path, run_options


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
    from qlab.experiments.counter.summary import summary
    from qlab.runner import run_experiment
    from qlab.station import load_station

    path = run_file_path(output, "counter")
    given = {"duration_s": duration, "quantity": quantity, "gate_s": gate}
    overrides: dict[str, Any] = {name: one for name, one in given.items() if one is not None}
    with run_progress() as progress:
        outcome = run_experiment(
            "counter",
            load_station(station, packaged="clock"),
            path,
            seed=seed,
            overrides=overrides,
            progress=progress,
        )
    raise_if_ended_early(outcome, path)
    results = {"run_file": str(path), **outcome.results}
    emit("qlab.run.counter/1", results, lambda: summary(results), as_json)
    if outcome.unsafe is not None:
        raise outcome.unsafe
