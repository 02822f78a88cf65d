"""`qlab run`: experiments on a station."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress

if TYPE_CHECKING:
    from qlab.link.peer import OtherParty
    from qlab.runner import Outcome


@click.group()
def run() -> None:
    """Run an experiment and record it."""


@run.command()
@click.option(
    "--station",
    type=click.Path(path_type=Path),
    help="Station file; the packaged simulated bench if not given.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Repeat a simulated run exactly.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="S",
    help="Seconds of light; the station's number of pulses if not given.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Run file; bb84-TIME.h5 if not given. Never overwritten.",
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="Folder of the key store; QLAB_KEYS or your data folder if not given.",
)
@click.option(
    "--role",
    type=click.Choice(["alice", "bob"]),
    help="Be this party, with a station of its own; the other one runs elsewhere.",
)
@click.option("--listen", metavar="ADDR", help="With --role: HOST:PORT to wait at for the other.")
@click.option("--connect", metavar="ADDR", help="With --role: HOST:PORT where the other listens.")
@click.option("--pair", default="", help="With --role: what both share; see `qlab key pair`.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="S",
    help="With --role: seconds that a lost connection may take to come back.",
)
@json_option
def bb84(
    station: Path | None,
    seed: int | None,
    duration: float | None,
    output: Path | None,
    keys: Path | None,
    role: str | None,
    listen: str | None,
    connect: str | None,
    pair: str,
    patience: float,
    as_json: bool,
) -> None:
    """Distribute a key by one-decoy BB84, from light to secret bits.

    One station plays both parties, unless --role says which one it is: then two stations
    that share a pair of secrets (`qlab key pair init`) meet, one listens and the other
    connects. PORT alone listens on this machine only.

    Exit codes: 0 a key was made, 7 no key can be given, 3 an instrument failed,
    4 a limit, 5 or 130 stopped with outputs safe.
    """
    from datetime import UTC, datetime

    from qlab.errors import InsecureRunError
    from qlab.keystore import KeyStore
    from qlab.report import bb84_summary
    from qlab.runner import run_experiment
    from qlab.station import load_station

    other = _other(role, listen, connect, pair, patience)
    path = output or Path(f"bb84-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.h5")
    overrides: dict[str, Any] = {} if duration is None else {"duration_s": duration}
    with run_progress() as progress:
        outcome = run_experiment(
            "bb84",
            load_station(station),
            path,
            seed=seed,
            overrides=overrides,
            progress=progress,
            key_store=KeyStore(keys),
            other=other,
        )
    if outcome.error is not None:
        _report_end(outcome, path)
        if outcome.unsafe is not None:
            raise outcome.unsafe from outcome.error
        raise outcome.error
    results = {"run_file": str(path), **outcome.results}
    emit("qlab.run.bb84/1", results, lambda: bb84_summary(results), as_json)
    if outcome.unsafe is not None:
        raise outcome.unsafe
    if results["no_key"]:
        raise InsecureRunError(
            f"no key can be given: {results['no_key']}",
            remedy="send more pulses (--duration), or bring loss and errors down",
        )


def _other(
    role: str | None, listen: str | None, connect: str | None, pair: str, patience: float
) -> OtherParty | None:
    """Return where the other party is, if it has a station of its own."""
    from qlab.errors import UsageError

    if role is None:
        if listen or connect or pair:
            raise UsageError(
                "--listen, --connect and --pair are for one of two parties",
                remedy="add --role alice or --role bob",
            )
        return None
    address = listen or connect
    if address is None or (listen and connect):
        raise UsageError(
            "one party listens, the other one connects", remedy="give --listen or --connect"
        )
    from qlab.link import Patience
    from qlab.link.peer import OtherParty

    return OtherParty(role, address, listen is not None, pair, Patience(lost_s=patience))


def _report_end(outcome: Outcome, path: Path) -> None:
    """Say where the file of a run that ended early is, and how its outputs are."""
    from qlab.errors import one_line

    click.echo(f"run file: {path} ({outcome.status.value})", err=True)
    if outcome.unsafe is not None:
        assert outcome.error is not None
        state = one_line(outcome.error)
    elif outcome.results["safe_state"]:
        state = "all outputs are in their safe state"
    else:
        state = "the station has no [safe] steps: outputs are as they were"
    click.echo(state, err=True)
