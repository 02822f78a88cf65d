"""`qlab instrument`: one instrument of a station at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import columns, emit, json_option, station_option

if TYPE_CHECKING:
    from drivers.core.declared import Endpoint
    from qlab.station import StationFile


@click.group()
def instrument() -> None:
    """List, identify, read and set the instruments of a station."""


@instrument.command("list")
@station_option
@click.option("--drivers", is_flag=True, help="List the drivers that are installed instead.")
@json_option
def list_(station: str | None, drivers: bool, as_json: bool) -> None:
    """List the instruments of a station, or all drivers."""
    if drivers:
        _list_drivers(as_json)
        return
    from qlab.station import load_station

    file = load_station(station)
    rows = [
        {
            "name": name,
            "driver": entry.driver,
            "address": entry.address,
            "roles": _roles_of(file, name),
        }
        for name, entry in file.instruments.items()
    ]
    emit(
        "qlab.instrument.list/1",
        {"station": file.name, "instruments": rows},
        lambda: columns(
            (r["name"], r["driver"], r["address"], ", ".join(r["roles"])) for r in rows
        ),
        as_json,
    )


def _list_drivers(as_json: bool) -> None:
    from drivers.core.registry import driver_class, names

    found = {name: (driver_class(name).__doc__ or "").split("\n")[0] for name in names()}
    emit("qlab.instrument.drivers/1", {"drivers": found}, lambda: columns(found.items()), as_json)


def _roles_of(file: StationFile, name: str) -> list[str]:
    return [
        role
        for role, targets in file.roles.items()
        for target in ([targets] if isinstance(targets, str) else targets)
        if target.split(".")[0] == name
    ]


@instrument.command()
@click.argument("names", nargs=-1)
@station_option
@json_option
def identify(names: tuple[str, ...], station: str | None, as_json: bool) -> None:
    """Open instruments (all, if none is named) and show what they say they are."""
    from qlab.station import open_station

    with open_station(station) as opened:
        found = {
            name: opened.instrument(name).identity for name in names or opened.file.instruments
        }
    emit(
        "qlab.instrument.identify/1", {"identities": found}, lambda: columns(found.items()), as_json
    )


@instrument.command()
@click.argument("target")
@station_option
@json_option
def get(target: str, station: str | None, as_json: bool) -> None:
    """Read a property, such as laser.channel1.power_dbm.

    Without a property (laser.channel1) all that can be read are shown.
    """
    from qlab.station import open_station

    with open_station(station) as opened:
        if _is_endpoint(opened.file, target):
            found = _read_all(opened.endpoint(target))
        else:
            found = {target: (opened.get(target), opened.declared(target).unit)}
    facts = {name: {"value": value, "unit": unit} for name, (value, unit) in found.items()}
    emit(
        "qlab.instrument.get/1",
        {"target": target, "properties": facts},
        lambda: columns((name, _shown(value), unit) for name, (value, unit) in found.items()),
        as_json,
    )


def _is_endpoint(file: StationFile, target: str) -> bool:
    from drivers.core.errors import MisuseError
    from qlab.station.targets import parse_target

    name, _, rest = target.partition(".")
    try:
        parse_target(target, with_property=False)
    except MisuseError:
        return False
    return name in file.instruments and (not rest or rest[-1].isdigit())


def _read_all(endpoint: Endpoint) -> dict[str, tuple[Any, str]]:
    """Read every property; what it refuses, or answers oddly, just now is shown as such."""
    from drivers.core.errors import CommunicationError, DriverError, UnexpectedReplyError

    found: dict[str, tuple[Any, str]] = {}
    for name, declared in endpoint.properties().items():
        if declared.query is None:
            continue
        try:
            found[f"{endpoint.path}.{name}"] = (getattr(endpoint, name), declared.unit)
        except DriverError as error:
            if isinstance(error, CommunicationError) and not isinstance(
                error, UnexpectedReplyError
            ):
                raise
            found[f"{endpoint.path}.{name}"] = (None, error.message)
    return found


@instrument.command("set")
@click.argument("target")
@click.argument("value")
@station_option
@json_option
def set_(target: str, value: str, station: str | None, as_json: bool) -> None:
    """Set a property, within the manual's range and the station's limits.

    A negative number needs two dashes before it: set TARGET -- -3.5
    """
    from qlab.station import open_station

    with open_station(station) as opened:
        opened.set(target, value)
        declared = opened.declared(target)
        actual = opened.get(target) if declared.query is not None else declared.from_text(value)
    emit(
        "qlab.instrument.set/1",
        {"target": target, "value": actual, "unit": declared.unit},
        lambda: f"{target}  {_shown(actual)}  {declared.unit}".rstrip(),
        as_json,
    )


@instrument.command()
@click.argument("name")
@click.argument("command")
@station_option
@json_option
def query(name: str, command: str, station: str | None, as_json: bool) -> None:
    """Send one question in the instrument's own language and show the answer.

    What changes a setting is refused, since the station's limits could not see it.
    """
    from qlab.errors import UsageError
    from qlab.station import open_station

    question = command.strip()
    if not re.fullmatch(r"[!-~]+\?( [ -~]*)?", question) or ";" in question:
        raise UsageError(
            f"{command!r} is not one question",
            remedy="a question is one command with ? at its end, then its arguments, if any; "
            "set with `qlab instrument set`",
        )
    with open_station(station) as opened:
        reply = opened.instrument(name).ask(question)
    emit(
        "qlab.instrument.query/1",
        {"instrument": name, "command": question, "reply": reply},
        lambda: reply,
        as_json,
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
