"""`qlab replay`: a recorded run through the same code and the same drivers."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from-data",
    is_flag=True,
    help="Analyse the recorded data anew with this version's code; compare nothing.",
)
@json_option
def replay(file: Path, from_data: bool, as_json: bool) -> None:
    """Replay a run file against mock instruments and compare everything.

    Exit codes: 0 matched, 6 diverged, 8 damaged file.
    """
    from qlab.errors import ExitCode
    from qlab.experiments.interface import summary
    from qlab.replay import reanalyse_run, replay_run
    from qlab.runfile.reader import RunFile

    if from_data:
        with RunFile.open(file) as run:
            written = summary(run.experiment)
        with run_progress() as progress:
            results = reanalyse_run(file, progress)
        emit("qlab.replay.from_data/1", results, lambda: written(results), as_json)
        return
    with run_progress() as progress:
        report = replay_run(file, progress)
    emit("qlab.replay/1", report.as_dict(), report.summary, as_json)
    if not report.matched:
        raise SystemExit(ExitCode.DIVERGED)
