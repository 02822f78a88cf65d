"""A station of two parties as two station files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from qlab.errors import UsageError
from qlab.station.file import StationFile
from qlab.station.toml import toml_text

__all__ = ["split_station"]


def split_station(file: StationFile, sides: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return a station file for each side, with its own instruments only.

    Parameters
    ----------
    file : StationFile
        A station of real or served instruments.
    sides : mapping of str to collection of str
        Roles that each side plays; who plays none goes with the first side.

    Raises
    ------
    UsageError
        If the station is simulated in each process anew, or an instrument or an interlock
        belongs to both sides.
    """
    if file.simulation is not None:
        raise UsageError(
            f"{file.source.name} is simulated, and a bench is not split between two programs",
            remedy="serve it, and split the file of `qlab station serve --write FILE`",
        )
    owner = _owners(file, sides)
    return {side: toml_text(_part(file, side, roles, owner)) for side, roles in sides.items()}


def _owners(file: StationFile, sides: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return whose each instrument is."""
    owner: dict[str, str] = {}
    for side, roles in sides.items():
        for role in roles:
            played = file.roles.get(role, ())
            for target in (played,) if isinstance(played, str) else played:
                name = target.partition(".")[0]
                if owner.setdefault(name, side) != side:
                    raise UsageError(
                        f"{name} plays roles of {owner[name]} and of {side}",
                        remedy="each party needs instruments of its own",
                    )
    return {name: owner.get(name, next(iter(sides))) for name in file.instruments}


def _part(
    file: StationFile, side: str, roles: Collection[str], owner: Mapping[str, str]
) -> dict[str, Any]:
    def ours(target: str) -> bool:
        return owner[target.partition(".")[0]] == side

    document = dict(file.document)
    document["station"] = {**document["station"], "name": f"{file.name}: {side}"}
    document["instruments"] = {n: v for n, v in document["instruments"].items() if ours(n)}
    document["roles"] = {role: v for role, v in document["roles"].items() if role in roles}
    document["limits"] = {t: v for t, v in document.get("limits", {}).items() if ours(t)}
    locks = []
    for lock in file.interlocks:
        mine = {ours(target) for target in (lock.when, *lock.path)}
        if len(mine) != 1:
            raise UsageError(
                f"the interlock {lock.name!r} joins instruments of both sides",
                remedy="an interlock holds within one station: write it for each",
            )
        locks += [entry for entry in document["interlocks"] if entry["name"] == lock.name] * all(
            mine
        )
    document["interlocks"] = locks
    steps = document.get("safe", {}).get("steps", [])
    document["safe"] = {"steps": [step for step in steps if ours(step[0])]}
    for table in file.tables:
        document[table] = {**document[table], "side": side}
    return {name: value for name, value in document.items() if value not in ({}, [])}
