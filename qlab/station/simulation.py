"""From a station file to its simulated bench."""

from __future__ import annotations

import secrets
from typing import Any

from drivers.core.errors import MisuseError
from drivers.simulated.bench import Bench, DeviceSpec, PlantSpec, build_bench
from drivers.simulated.plants import PlantKind, plant_kind
from drivers.simulated.time import BenchTime
from qlab.station.entries import Simulation
from qlab.station.file import StationFile
from qlab.station.tables import plain, read_dataclass

__all__ = ["resolved_document", "simulated_bench"]

_PLANT = ("simulation", "plant")


def simulated_bench(file: StationFile, seed: int | None, time: BenchTime) -> Bench:
    """Build the bench of a simulated station; without a seed one is drawn.

    Raises
    ------
    StationError
        For what the devices or the plant refuse, with the line.
    """
    simulation = _simulation(file)
    specs = [
        DeviceSpec(
            name,
            device.simulator,
            (file.instruments[name].address,),
            device.settings,
            device.terminals,
            device.inputs,
        )
        for name, device in simulation.devices.items()
    ]
    plant = PlantSpec(_kind(file), _parameters(file))
    seed = secrets.randbits(63) if seed is None else seed
    try:
        return build_bench(specs, plant, seed, time)
    except MisuseError as error:
        path = ("simulation", "devices", error.instrument)
        raise file.source.error(path, error.message, remedy=error.remedy) from None
    except ValueError as error:
        raise file.source.error(_PLANT, str(error)) from None


def resolved_document(file: StationFile) -> dict[str, Any]:
    """Return the station's document with all figures of its plant written out."""
    simulation = dict(file.document["simulation"])
    simulation["plant"] = {"kind": _simulation(file).plant, **plain(_parameters(file))}
    return {**file.document, "simulation": simulation}


def _parameters(file: StationFile) -> Any:
    parameters = _simulation(file).parameters
    return read_dataclass(file.source, _PLANT, parameters, _kind(file).parameters)


def _kind(file: StationFile) -> PlantKind:
    try:
        return plant_kind(_simulation(file).plant)
    except MisuseError as error:
        path = (*_PLANT, "kind")
        raise file.source.error(path, error.message, remedy=error.remedy) from None


def _simulation(file: StationFile) -> Simulation:
    if file.simulation is None:
        raise MisuseError(f"{file.source.name} is no simulated station")
    return file.simulation
