"""`qlab run clock`: clocks disciplined to a reference."""

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
    from qlab.experiments.clock.summary import summary
    from qlab.runner import run_experiment
    from qlab.station import load_station

    path = run_file_path(output, "clock")
    overrides: dict[str, Any] = {} if duration is None else {"duration_s": duration}
    with run_progress() as progress:
        outcome = run_experiment(
            "clock",
            load_station(station, "clock"),
            path,
            seed=seed,
            overrides=overrides,
            progress=progress,
        )
    raise_if_ended_early(outcome, path)
    results = {"run_file": str(path), **outcome.results}
    emit("qlab.run.clock/1", results, lambda: summary(results), as_json)
    if outcome.unsafe is not None:
        raise outcome.unsafe
