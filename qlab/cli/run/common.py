"""What the commands of all experiments share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from qlab.cli.output import emit
from qlab.cli.progress import run_progress

if TYPE_CHECKING:
    from qlab.runner import Outcome

__all__ = ["raise_if_ended_early", "run_and_show", "run_file_path", "run_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


def run_options(bench: str) -> Callable[[_F], _F]:
    """Add --station, --seed and --output; `bench` is what runs without a station file."""
    station = click.option(
        "--station",
        type=click.Path(path_type=Path),
        help=f"Station file; the packaged {bench} if not given.",
    )
    seed = click.option(
        "--seed", type=click.IntRange(min=0), help="Repeat a simulated run exactly."
    )
    output = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        help="Run file; EXPERIMENT-TIME.h5 if not given. Never overwritten.",
    )
    return lambda command: station(seed(output(command)))


def run_file_path(output: Path | None, experiment: str) -> Path:
    """Return where the run file goes."""
    from datetime import UTC, datetime

    return output or Path(f"{experiment}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.h5")


def raise_if_ended_early(outcome: Outcome, path: Path) -> None:
    """Say where the file of a run that ended early is, and how its outputs are; then raise.

    Nothing happens after a complete run.
    """
    from qlab.errors import one_line

    if outcome.error is None:
        return
    click.echo(f"run file: {path} ({outcome.status.value})", err=True)
    if outcome.unsafe is not None:
        state = one_line(outcome.error)
    elif outcome.results["safe_state"]:
        state = "all outputs are in their safe state"
    else:
        state = "the station has no [safe] steps: outputs are as they were"
    click.echo(state, err=True)
    if outcome.unsafe is not None:
        raise outcome.unsafe from outcome.error
    raise outcome.error


def run_and_show(
    experiment: str,
    packaged: str,
    station: Path | None,
    seed: int | None,
    output: Path | None,
    overrides: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Run an experiment without keys or parties and show its results.

    Parameters
    ----------
    experiment : str
        Its name.
    packaged : str
        The bench for a run without a station file; see `qlab.station.load_station`.
    station, seed, output, as_json
        As given on the command line.
    overrides : mapping
        Options; None leaves the station's.
    """
    from qlab.errors import UsageError
    from qlab.experiments.interface import summary
    from qlab.runner import run_experiment
    from qlab.station import load_station

    for name, value in overrides.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(
                f"{name} = {value:g} is no number to go by", remedy="give a finite one"
            )
    path = run_file_path(output, experiment)
    with run_progress() as progress:
        outcome = run_experiment(
            experiment,
            load_station(station, packaged),
            path,
            seed=seed,
            overrides={name: one for name, one in overrides.items() if one is not None},
            progress=progress,
        )
    raise_if_ended_early(outcome, path)
    results = {"run_file": str(path), **outcome.results}
    emit(f"qlab.run.{experiment}/1", results, lambda: summary(experiment)(results), as_json)
    if outcome.unsafe is not None:
        raise outcome.unsafe
