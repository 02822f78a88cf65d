"""The station file: which instruments there are, what they are for, what they may do.

A TOML text is read into frozen dataclasses; see `qlab station init` for a
commented example. Reading needs no hardware and loads no driver;
`qlab.station.check` then holds it against the drivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path as FilePath
from typing import Any, TypeVar

from qlab.errors import StationError
from qlab.experiments import EXPERIMENTS
from qlab.station.entries import (
    InstrumentEntry,
    Interlock,
    Limit,
    SafeEntry,
    SimulatedDevice,
    Simulation,
)
from qlab.station.lines import Path
from qlab.station.source import Source, near_miss, parse_toml
from qlab.station.tables import read_dataclass, setting
from qlab.station.toml import toml_text

__all__ = [
    "PLANT_KINDS",
    "SCHEMA",
    "StationFile",
    "load_station",
    "parse_station",
    "read_table",
]

#: Version of the station file that this program reads.
SCHEMA = 1
#: The kinds of `drivers.simulated.plants`, which only a bench that is built has to load.
PLANT_KINDS = ("link", "clocks", "optical-link", "pairs")
#: Sources of a run file's journal that are no instruments.
_TAKEN = ("clock", "entropy", "message", "operator", "run")

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class _Head:
    name: str = setting(doc="Name of the station")
    schema: int = setting(SCHEMA, doc="Version of the station file's layout", low=1)
    visa: str = setting("", doc="VISA library for pyvisa, such as '@py'; empty for its default")
    rehearsal: bool = setting(False, doc="The instruments are simulated ones, served elsewhere")


@dataclass(frozen=True, eq=False)
class StationFile:
    """A station as its file says.

    Attributes
    ----------
    name : str
        Name of the station.
    visa : str
        Library for pyvisa; empty for its default.
    rehearsal : bool
        The instruments are simulated ones that another program serves.
    instruments : mapping of str to InstrumentEntry
    roles : mapping of str to str or tuple of str
        What experiments ask for, and which instrument or channel it is.
    limits : mapping of str to Limit
    interlocks : tuple of Interlock
    safe : tuple of SafeEntry
        Steps to the safe state, in order.
    simulation : Simulation or None
        None for a station of real instruments.
    tables : mapping
        Tables of experiments, as they stand in the file; see `read_table`.
    source : Source
        The text's name and lines.
    document : mapping
        The whole text, parsed.
    """

    name: str
    visa: str
    rehearsal: bool
    instruments: Mapping[str, InstrumentEntry]
    roles: Mapping[str, str | tuple[str, ...]]
    limits: Mapping[str, Limit]
    interlocks: tuple[Interlock, ...]
    safe: tuple[SafeEntry, ...]
    simulation: Simulation | None
    tables: Mapping[str, Any]
    source: Source = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    @property
    def simulated(self) -> bool:
        """Whether its instruments are simulated, here or elsewhere: no key is fit for use."""
        return self.simulation is not None or self.rehearsal

    def text(self) -> str:
        """Return the station as canonical TOML; `parse_station` reads it back."""
        return toml_text(self.document)


def load_station(file: str | FilePath | None = None, packaged: str = "bench") -> StationFile:
    """Read a station file, or without one a packaged bench.

    Parameters
    ----------
    file : path, optional
    packaged : str
        ``bench`` (BB84), ``unclocked`` (the same without a shared clock), ``clock``,
        ``fibre``, ``pairs`` or ``calibration``.

    Raises
    ------
    StationError
        Naming file, line, key and remedy.
    """
    if file is None:
        text = (resources.files("qlab.stations") / f"{packaged}.toml").read_text(encoding="utf-8")
        return parse_station(text, f"default {packaged}.toml")
    try:
        text = FilePath(file).read_bytes().decode("utf-8")
    except OSError as error:
        raise StationError(
            f"cannot be read: {error.strerror}",
            file=str(file),
            remedy="`qlab station init FILE` writes one",
        ) from None
    except UnicodeDecodeError as error:
        raise StationError(f"not UTF-8 text at byte {error.start}", file=str(file)) from None
    return parse_station(text.replace("\r\n", "\n"), str(file))


def parse_station(text: str, name: str) -> StationFile:
    """Read the text of a station file that is called `name`.

    Raises
    ------
    StationError
        Naming line, key and remedy.
    """
    document, source = parse_toml(text, name)
    known = ("station", "instruments", "roles", "limits", "interlocks", "safe", "simulation")
    for key in document:
        if key not in known and key not in EXPERIMENTS:
            source.unknown_key((key,), (*known, *EXPERIMENTS))
    if "station" not in document:
        raise StationError(
            "there is no [station] table", file=name, remedy="add [station] with a name"
        )
    head = read_dataclass(source, ("station",), document["station"], _Head)
    if head.schema > SCHEMA:
        raise source.error(
            ("station", "schema"),
            f"schema {head.schema} is newer than this qlab, which reads {SCHEMA}",
            remedy="update qlab",
        )
    instruments = _instruments(source, document)
    return StationFile(
        name=head.name,
        visa=head.visa,
        rehearsal=head.rehearsal,
        instruments=instruments,
        roles=_roles(source, document, instruments),
        limits=_limits(source, document, instruments),
        interlocks=_interlocks(source, document, instruments),
        safe=_safe(source, document, instruments),
        simulation=_simulation(source, document, instruments),
        tables={
            name: _table(source, (name,), document[name])
            for name in EXPERIMENTS
            if name in document
        },
        source=source,
        document=document,
    )


def read_table(station: StationFile, name: str, kind: type[_T]) -> _T:
    """Read an experiment's table as a dataclass, with defaults for what is not there.

    Raises
    ------
    StationError
        For what is wrong in the table, with its line.
    """
    return read_dataclass(station.source, (name,), station.tables.get(name, {}), kind)


_Instruments = Mapping[str, InstrumentEntry]


def _instruments(source: Source, document: Mapping[str, Any]) -> dict[str, InstrumentEntry]:
    found: dict[str, InstrumentEntry] = {}
    users: dict[str, str] = {}
    for name, table in _table(source, ("instruments",), document.get("instruments", {})).items():
        path = ("instruments", name)
        if not (name.isascii() and name.isidentifier()):
            raise source.error(
                path, "an instrument's name has letters, digits and _", remedy="rename it"
            )
        if name in _TAKEN:
            raise source.error(
                path, f"{name!r} means something else in a run file", remedy="rename it"
            )
        entry = found[name] = read_dataclass(source, path, table, InstrumentEntry)
        other = users.setdefault(entry.address.upper(), name)
        if other != name:
            raise source.error(
                (*path, "address"), f"{entry.address} is the address of {other!r} already"
            )
    return found


def _roles(
    source: Source, document: Mapping[str, Any], instruments: _Instruments
) -> dict[str, str | tuple[str, ...]]:
    roles: dict[str, str | tuple[str, ...]] = {}
    for role, target in _table(source, ("roles",), document.get("roles", {})).items():
        path: Path = ("roles", role)
        if isinstance(target, list):
            for number, each in enumerate(target):
                _known_target(source, (*path, number), each, instruments)
            roles[role] = tuple(target)
        else:
            roles[role] = _known_target(source, path, target, instruments)
    return roles


def _limits(
    source: Source, document: Mapping[str, Any], instruments: _Instruments
) -> dict[str, Limit]:
    limits = {}
    for target, table in _table(source, ("limits",), document.get("limits", {})).items():
        path = ("limits", target)
        if isinstance(table, dict) and any(isinstance(inner, dict) for inner in table.values()):
            raise source.error(
                path,
                "the dots of a path need quotes around it",
                remedy='a limit is "laser.channel1.power_dbm" = { max = 13.0 }',
            )
        _known_target(source, path, target, instruments)
        limits[target] = read_dataclass(source, path, table, Limit)
    return limits


def _interlocks(
    source: Source, document: Mapping[str, Any], instruments: _Instruments
) -> tuple[Interlock, ...]:
    tables = document.get("interlocks", [])
    if not isinstance(tables, list):
        raise source.error(("interlocks",), "must be a list", remedy="write [[interlocks]]")
    found = []
    for number, table in enumerate(tables):
        path: Path = ("interlocks", number)
        interlock = read_dataclass(source, path, table, Interlock)
        _known_target(source, (*path, "when"), interlock.when, instruments)
        for position, target in enumerate(interlock.path):
            _known_target(source, (*path, "path", position), target, instruments)
        found.append(interlock)
    return tuple(found)


def _safe(
    source: Source, document: Mapping[str, Any], instruments: _Instruments
) -> tuple[SafeEntry, ...]:
    table = _table(source, ("safe",), document.get("safe", {}))
    for key in table:
        if key != "steps":
            source.unknown_key(("safe", key), ("steps",))
    steps = table.get("steps", [])
    if not isinstance(steps, list):
        raise source.error(("safe", "steps"), "must be a list of [property, value]")
    found = []
    for number, step in enumerate(steps):
        path: Path = ("safe", "steps", number)
        if not isinstance(step, list) or len(step) != 2:
            raise source.error(path, "must be [property, value]")
        target, value = step
        _known_target(source, path, target, instruments)
        if not isinstance(value, (bool, int, float, str)):
            raise source.error(path, "the value must be true, false, a number or a text")
        found.append(SafeEntry(target, value))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class _SimulationTable:
    plant: Mapping[str, Any] = setting(doc="The physics: its kind and its figures")
    devices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _simulation(
    source: Source, document: Mapping[str, Any], instruments: _Instruments
) -> Simulation | None:
    if "simulation" not in document:
        return None
    top: Path = ("simulation",)
    table = read_dataclass(source, top, document["simulation"], _SimulationTable)
    parameters = dict(table.plant)
    kind = parameters.pop("kind", "link")
    if kind not in PLANT_KINDS:
        remedy = f"there are {', '.join(PLANT_KINDS)}"
        raise source.error((*top, "plant", "kind"), f"there is no plant {kind!r}", remedy=remedy)
    devices = {}
    for name, settings in table.devices.items():
        path = (*top, "devices", name)
        if name not in instruments:
            source.unknown_key(path, instruments)
        devices[name] = _device(source, path, settings, instruments[name])
    for name, entry in instruments.items():
        devices.setdefault(name, SimulatedDevice(entry.driver))
    return Simulation(kind, parameters, devices)


def _device(
    source: Source, path: Path, table: Mapping[str, Any], instrument: InstrumentEntry
) -> SimulatedDevice:
    settings = dict(table)
    simulator = settings.pop("simulator", instrument.driver)
    wiring: dict[str, Mapping[str, str]] = {}
    for kind in ("terminals", "inputs"):
        wiring[kind] = _table(source, (*path, kind), settings.pop(kind, {}))
        for name, target in wiring[kind].items():
            if not isinstance(target, str):
                raise source.error((*path, kind, name), "must name a part of the plant")
    if not isinstance(simulator, str):
        raise source.error((*path, "simulator"), "must be the name of a simulator")
    return SimulatedDevice(simulator, settings, **wiring)


def _table(source: Source, path: Path, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise source.error(path, "must be a table")
    return value


def _known_target(source: Source, path: Path, target: Any, instruments: _Instruments) -> str:
    if not isinstance(target, str):
        raise source.error(path, "must be the name of an instrument or of a part of one")
    instrument = target.split(".")[0]
    if instrument not in instruments:
        raise source.error(
            path,
            f"there is no instrument {instrument!r} in {target!r}",
            remedy=near_miss(instrument, instruments),
        )
    return target
