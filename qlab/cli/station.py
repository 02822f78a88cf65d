"""`qlab station`: the station file, and the station as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import columns, emit, json_option, station_option
from qlab.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qlab.station import StationFile

_FILE = click.Path(path_type=Path, dir_okay=False)
#: The station file as an argument; `station_option` says the same by name.
_file_argument = click.argument("file", type=_FILE, required=False)


def _named(file: Path | None, station: str | None) -> str | Path | None:
    if file is not None and station is not None:
        raise UsageError("the station file is named twice", remedy="name it once")
    return station if file is None else file


@click.group()
def station() -> None:
    """Write, check, show and serve a station; make its outputs safe."""


@station.command()
@click.argument("file", type=_FILE, default="station.toml")
@click.option(
    "--simulated",
    "kind",
    flag_value="bench.toml",
    default="bench.toml",
    help="The simulated BB84 bench (what commands use without a station file).",
)
@click.option(
    "--unclocked",
    "kind",
    flag_value="unclocked.toml",
    help="The simulated BB84 bench without a shared clock (`qlab run bb84 --sync photons`).",
)
@click.option(
    "--clock",
    "kind",
    flag_value="clock.toml",
    help="The simulated clock bench (what `qlab run counter` and `clock` use).",
)
@click.option(
    "--fibre",
    "kind",
    flag_value="fibre.toml",
    help="The simulated optical link (what `qlab run fibre` uses).",
)
@click.option(
    "--pairs",
    "kind",
    flag_value="pairs.toml",
    help="The simulated pair source (what `qlab run tags` uses).",
)
@click.option(
    "--calibration",
    "kind",
    flag_value="calibration.toml",
    help="The simulated bench of two-way transfer (what `qlab calibrate` uses).",
)
@click.option(
    "--template",
    "kind",
    flag_value="template.toml",
    help="A station of real instruments, to fill in.",
)
@json_option
def init(file: Path, kind: str, as_json: bool) -> None:
    """Write a commented station file; never over an existing one."""
    from importlib import resources

    text = (resources.files("qlab.stations") / kind).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
    except FileExistsError:
        raise UsageError(f"{file} exists", remedy="choose another name") from None
    emit(
        "qlab.station.init/1",
        {"file": str(file), "kind": kind.removesuffix(".toml")},
        lambda: f"wrote {file}; next: qlab station check {file}",
        as_json,
    )


@station.command()
@_file_argument
@station_option
@click.option("--connect", is_flag=True, help="Also open every instrument and ask who it is.")
@json_option
def check(file: Path | None, station: str | None, connect: bool, as_json: bool) -> int:
    """Check a station file without hardware.

    That is its keys, drivers, roles, limits, interlocks, safe steps and the options
    of experiments, and how near the gains of a clock's loop are to instability.
    """
    from qlab.experiments.interface import Judged, experiment
    from qlab.station import Station, load_station

    named = load_station(_named(file, station))
    planned = [experiment(name)(named, {}) for name in named.tables]
    doubts = [said for each in planned if isinstance(each, Judged) for said in each.warnings()]
    with Station(named) as opened:
        found = opened.file
        rows = _identities(opened) if connect else []
        facts: dict[str, Any] = {
            "file": found.source.name,
            "station": found.name,
            "simulated": opened.simulated,
            "instruments": len(found.instruments),
            "warnings": _warnings(found) + doubts,
        }
    if connect:
        facts["connected"] = [
            dict(zip(("name", "identity", "error"), r, strict=True)) for r in rows
        ]
    lines = [f"{found.source.name}: {len(found.instruments)} instruments, nothing is wrong"]
    lines += [f"warning: {warning}" for warning in facts["warnings"]]
    if connect:
        lines.append(columns((name, said or f"failed: {error}") for name, said, error in rows))
    emit("qlab.station.check/1", facts, lambda: "\n".join(lines), as_json)
    return int(ExitCode.INSTRUMENT if any(error for *_, error in rows) else ExitCode.DONE)


def _identities(opened: Any) -> list[tuple[str, str, str]]:
    from drivers.core.errors import DriverError
    from qlab.errors import one_line

    rows = []
    for name in opened.file.instruments:
        try:
            rows.append((name, opened.instrument(name).identity or "open", ""))
        except DriverError as error:
            rows.append((name, "", one_line(error)))
    return rows


def _warnings(file: StationFile) -> list[str]:
    warnings = []
    if not file.safe:
        warnings.append("no [safe] steps: outputs stay as they are when an experiment ends")
    else:
        ended = {step.target for step in file.safe}
        warnings += [
            f"no safe step sets {interlock.when}, which {interlock.name!r} guards"
            for interlock in file.interlocks
            if interlock.when not in ended
        ]
    if not file.limits and not file.interlocks:
        warnings.append("no [limits] and no [[interlocks]]: only the manuals' ranges hold")
    return warnings


@station.command()
@_file_argument
@station_option
@json_option
def show(file: Path | None, station: str | None, as_json: bool) -> None:
    """Show instruments, roles, limits, interlocks and safe steps."""
    from dataclasses import asdict

    from qlab.station import load_station

    found = load_station(_named(file, station))
    facts = {
        "file": found.source.name,
        "station": found.name,
        "simulated": found.simulated,
        "instruments": {name: asdict(entry) for name, entry in found.instruments.items()},
        "roles": found.roles,
        "limits": {target: asdict(limit) for target, limit in found.limits.items()},
        "interlocks": [asdict(interlock) for interlock in found.interlocks],
        "safe": [[entry.target, entry.value] for entry in found.safe],
        "tables": found.tables,
    }
    emit("qlab.station.show/1", facts, lambda: _shown(found), as_json)


def _shown(file: StationFile) -> str:
    kind = "simulated" if file.simulated else "real instruments"
    parts = [f"{file.name} ({file.source.name}, {kind})", "instruments"]
    parts.append(columns(((n, e.driver, e.address) for n, e in file.instruments.items()), "  "))
    parts.append("roles")
    roles = ((r, t if isinstance(t, str) else ", ".join(t)) for r, t in file.roles.items())
    parts.append(columns(roles, "  "))
    parts.append("limits")
    bounds = (
        (target, *(_bound(w, getattr(limit, w)) for w in ("min", "max", "ramp")))
        for target, limit in file.limits.items()
    )
    parts.append(columns(bounds, "  "))
    parts.append("interlocks")
    parts += [
        f"  {lock.name}: while {lock.when} is {lock.equals!r}, {lock.at_least_db:g} dB of "
        f"{' + '.join(lock.path)} + {lock.fixed_db:g} dB"
        for lock in file.interlocks
    ] or ["  none"]
    parts.append("safe state")
    parts.append(columns(((entry.target, entry.value) for entry in file.safe), "  "))
    return "\n".join(parts)


def _bound(word: str, value: float | None) -> str:
    return "" if value is None else f"{word} {value:g}"


@station.command()
@_file_argument
@station_option
@json_option
def safe(file: Path | None, station: str | None, as_json: bool) -> int:
    """Drive a station's outputs to their safe state, from outside of any run.

    After a power cut or a `kill -9` outputs are as they were: this puts that
    right. Exit code 3 if a step failed.
    """
    from qlab.station import Station, load_station

    found = load_station(_named(file, station))
    if found.simulation is not None:
        raise UsageError(
            f"{found.source.name} is simulated anew in each command, so nothing is left on",
            remedy="name the file of a real or a served station",
        )
    if not found.safe:
        raise UsageError(
            f"{found.source.name} has no safe steps", remedy="add [safe] with steps = [...]"
        )
    with Station(found) as opened:
        steps = opened.to_safe_state()
    rows = [(s.target, s.value, "done" if s.done else f"FAILED: {s.error}") for s in steps]
    facts = [{"target": s.target, "value": s.value, "error": s.error} for s in steps]
    emit("qlab.station.safe/1", {"steps": facts}, lambda: columns(rows), as_json)
    return int(ExitCode.DONE if all(s.done for s in steps) else ExitCode.INSTRUMENT)


@station.command()
@_file_argument
@station_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="TCP port of the first instrument, the others follow; any free ones if not given.",
)
@click.option("--tcp", is_flag=True, help="Serve serial instruments by TCP too.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the simulated bench.")
@click.option(
    "--write",
    type=_FILE,
    metavar="FILE",
    help="Write a station file with the served addresses; never over an existing one.",
)
@json_option
def serve(
    file: Path | None,
    station: str | None,
    host: str,
    port: int,
    tcp: bool,
    seed: int | None,
    write: Path | None,
    as_json: bool,
) -> None:
    """Serve a simulated station in real time until Ctrl-C.

    Serial instruments are served on pseudo-terminals (on Windows by TCP), all
    others by TCP. Anyone who can reach the address can use them: listen beyond
    this machine only in a network that you trust.
    """
    import os
    from dataclasses import asdict

    from qlab.station import load_station
    from qlab.station.serving import serve as serving

    found = load_station(_named(file, station))
    terminals = os.name == "posix" and not tcp
    if write is not None and write.exists():
        raise UsageError(f"{write} exists", remedy="choose another name")
    with (
        _until_stopped(),
        serving(found, host=host, first_port=port, seed=seed, terminals=terminals) as served,
    ):
        if write is not None:
            with write.open("x", encoding="utf-8", newline="\n") as out:
                out.write(served.station_text())
        emit(
            "qlab.station.serve/1",
            {"station": found.name, "served": [asdict(at) for at in served.instruments]},
            lambda: columns((at.name, at.address) for at in served.instruments),
            as_json,
        )
        click.echo("serving; Ctrl-C ends", err=True)
        _wait()
    click.echo("ended", err=True)


@station.command()
@click.argument("file", type=_FILE)
@click.option("--alice", type=_FILE, help="Alice's file; FILE-alice.toml if not given.")
@click.option("--bob", type=_FILE, help="Bob's file; FILE-bob.toml if not given.")
@json_option
def split(file: Path, alice: Path | None, bob: Path | None, as_json: bool) -> None:
    """Write a station file for each party of BB84, from one of both; never over another.

    For `qlab run bb84 --role`: each file has one party's instruments, limits, interlocks
    and safe steps.
    """
    from qlab.experiments.bb84.planned import SIDES
    from qlab.station import load_station
    from qlab.station.split import split_station

    paths = {
        "alice": alice or file.with_name(f"{file.stem}-alice.toml"),
        "bob": bob or file.with_name(f"{file.stem}-bob.toml"),
    }
    texts = split_station(load_station(file), SIDES)
    for path in paths.values():
        if path.exists():
            raise UsageError(f"{path} exists", remedy="choose another name")
    for side, path in paths.items():
        with path.open("x", encoding="utf-8", newline="\n") as out:
            out.write(texts[side])
    facts = {side: str(path) for side, path in paths.items()}
    emit(
        "qlab.station.split/1",
        facts,
        lambda: "\n".join(f"wrote {path}" for path in facts.values()),
        as_json,
    )


@contextmanager
def _until_stopped() -> Iterator[None]:
    """End the block in order on Ctrl-C and SIGTERM."""
    import signal

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait() -> None:
    import time

    while True:
        time.sleep(3600)
