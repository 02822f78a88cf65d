"""`qlab run bb84`: a key over a quantum link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress
from qlab.cli.run.common import raise_if_ended_early, run_file_path, run_options

if TYPE_CHECKING:
    from qlab.link.peer import OtherParty


@click.command()
@run_options("simulated bench")
@click.option(
    "--duration",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="S",
    help="Seconds of light; the station's number of pulses if not given.",
)
@click.option(
    "--sync",
    type=click.Choice(["marker", "photons"]),
    help="What gives Bob the slots: Alice's marker, or his photons alone; the station's "
    "choice if not given.",
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
    sync: str | None,
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

    With --sync photons no clock is shared and no marker reaches Bob; without a station file
    the simulated bench is then one of two clocks.

    Exit codes: 0 a key was made, 7 no key can be given, 3 an instrument failed,
    4 a limit, 5 or 130 stopped with outputs safe.
    """
    from qlab.errors import InsecureRunError
    from qlab.experiments.bb84.summary import summary
    from qlab.keystore import KeyStore
    from qlab.runner import run_experiment
    from qlab.station import load_station

    other = _other(role, listen, connect, pair, patience)
    path = run_file_path(output, "bb84")
    given = {"duration_s": duration, "sync": sync}
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with run_progress() as progress:
        outcome = run_experiment(
            "bb84",
            load_station(station, "unclocked" if sync == "photons" else "bench"),
            path,
            seed=seed,
            overrides=overrides,
            progress=progress,
            key_store=KeyStore(keys),
            other=other,
        )
    raise_if_ended_early(outcome, path)
    results = {"run_file": str(path), **outcome.results}
    emit("qlab.run.bb84/1", results, lambda: summary(results), as_json)
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
