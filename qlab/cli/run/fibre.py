"""`qlab run fibre`: an optical frequency link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress
from qlab.cli.run.common import raise_if_ended_early, run_file_path, run_options


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
    from qlab.experiments.fibre.summary import summary
    from qlab.runner import run_experiment
    from qlab.station import load_station

    path = run_file_path(output, "fibre")
    overrides: dict[str, Any] = {} if duration is None else {"duration_s": duration}
    with run_progress() as progress:
        outcome = run_experiment(
            "fibre",
            load_station(station, "fibre"),
            path,
            seed=seed,
            overrides=overrides,
            progress=progress,
        )
    raise_if_ended_early(outcome, path)
    results = {"run_file": str(path), **outcome.results}
    emit("qlab.run.fibre/1", results, lambda: summary(results), as_json)
    if outcome.unsafe is not None:
        raise outcome.unsafe
