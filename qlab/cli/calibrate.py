"""`qlab calibrate`: find delays and gains, and write them down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress
from qlab.cli.run.common import raise_if_ended_early, run_file_path, run_options

if TYPE_CHECKING:
    from qlab.context import HandWork, Progress

__all__ = ["calibrate"]

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def calibrate() -> None:
    """Find delays and gains, and write them down.

    Each calibration is a recorded run, and leaves a record beside its run file: value,
    standard uncertainty, date, temperature, connector, instruments. A site of [clock] takes
    records in with ledger = ["RECORD.toml"].
    """


def _options(command: _F) -> _F:
    record = click.option(
        "--record",
        type=click.Path(path_type=Path),
        help="Record; the run file's name with .toml if not given. Never overwritten.",
    )
    warmth = click.option(
        "--temperature", type=float, metavar="C", help="Of the room, where no sensor tells."
    )
    readings = click.option("--readings", type=click.IntRange(min=8), help="How many count.")
    shared = run_options("simulated clock bench for calibrations")
    return shared(record(warmth(readings(json_option(command)))))


_site = click.option("--site", type=click.IntRange(min=0), help="Which site, from 0.")


@calibrate.command("counter-skew")
@_options
@click.option("--counter", metavar="NAME", help="Instrument; the first site's if not given.")
def counter_skew(counter: str | None, **common: Any) -> int:
    """Find the skew of a counter's inputs by swapping the leads to them.

    You are asked to lead one seconds pulse through a splitter to both inputs, and later to
    swap the leads.
    """
    return _calibrated("counter-skew", {"counter": counter}, **common)


@calibrate.command("two-way")
@_options
@_site
def two_way(site: int | None, **common: Any) -> int:
    """Find by how much the two ways of a fibre differ.

    Both of its ends are at one place, and a third counter, the direct_counter, compares the
    two clocks over short leads.
    """
    return _calibrated("two-way", {"site": site}, **common)


@calibrate.command()
@_options
@_site
@click.option("--excursion", type=float, metavar="Y", help="Fractional frequency to steer by.")
def steering(site: int | None, excursion: float | None, **common: Any) -> int:
    """Verify the sign and the gain of a clock's steering.

    The clock is steered up and down against its counter, and left as it was. Exit code 3 if
    it does not do as its driver declares.
    """
    return _calibrated("steering", {"site": site, "excursion": excursion}, **common)


def _calibrated(
    name: str,
    own: dict[str, Any],
    station: Path | None,
    seed: int | None,
    output: Path | None,
    record: Path | None,
    temperature: float | None,
    readings: int | None,
    as_json: bool,
) -> int:
    from qlab.errors import ExitCode, UsageError
    from qlab.experiments.calibrations.record import write_record
    from qlab.experiments.interface import summary
    from qlab.runner import run_experiment
    from qlab.station import load_station

    path = run_file_path(output, name)
    kept = record or path.with_suffix(".toml")
    if kept.exists():
        raise UsageError(f"{kept} exists", remedy="choose another name")
    if not kept.parent.is_dir():
        raise UsageError(f"there is no folder {kept.parent}", remedy="make it first")
    given = {**own, "temperature_c": temperature, "readings": readings}
    with run_progress() as progress:
        outcome = run_experiment(
            name,
            load_station(station, "calibration"),
            path,
            seed=seed,
            overrides={key: value for key, value in given.items() if value is not None},
            progress=progress,
            operator=lambda work: _ask(work, progress),
        )
    raise_if_ended_early(outcome, path)
    write_record(outcome.results, path, kept)
    results = {"run_file": str(path), **outcome.results, "record": str(kept)}
    emit(f"qlab.calibrate.{name}/1", results, lambda: summary(name)(results), as_json)
    if outcome.unsafe is not None:
        raise outcome.unsafe
    declared = results["details"].get("as_declared", True)
    return int(ExitCode.DONE if declared else ExitCode.INSTRUMENT)


def _ask(work: HandWork, progress: Progress) -> None:
    """Ask the person at the terminal, and wait for the Enter key."""
    import sys

    from qlab.errors import UsageError

    progress.phase(f"please {work.text}, then press Enter")
    if sys.stdin is None or not sys.stdin.readline():
        raise UsageError(
            f"nobody has said that it is done: {work.text}", remedy="run it from a terminal"
        )
