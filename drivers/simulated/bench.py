"""A simulated bench: devices, the plant that joins them, and their addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyvisa.rname import InvalidResourceName, ResourceName

from drivers.core.errors import MisuseError
from drivers.core.registry import simulator_class
from drivers.core.resource_names import canonical
from drivers.simulated.device import Device, DevicePort
from drivers.simulated.plants import Plant, PlantKind, plant_kind
from drivers.simulated.port import Connector, Port
from drivers.simulated.time import BenchTime

__all__ = ["Bench", "DeviceSpec", "PlantSpec", "build_bench", "connector_of"]


_CONNECTORS: dict[tuple[str, str], Connector] = {
    ("GPIB", "INSTR"): "gpib",
    ("USB", "INSTR"): "usb",
    ("TCPIP", "INSTR"): "lan",
    ("TCPIP", "SOCKET"): "socket",
    ("ASRL", "INSTR"): "serial",
}


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device and how it is wired.

    Attributes
    ----------
    name : str
        Name in the station.
    simulator : str
        Registered name of the simulated device.
    addresses : tuple of str
        VISA resource names; each takes the port of its kind.
    settings : mapping
        What the device is told about itself.
    terminals : mapping of str to str
        Terminal of the device to attribute of the plant, such as ``attenuators.0``.
    inputs : mapping of str to str
        Input of the device (a method that takes a bench time in ns) to the event
        of the plant that drives it, such as ``marker_at_bob``.
    """

    name: str
    simulator: str
    addresses: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    terminals: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlantSpec:
    """The physics between the devices.

    Attributes
    ----------
    kind : PlantKind
        What is simulated.
    parameters : object, optional
        Its figures; the defaults of its kind if not given.
    """

    kind: PlantKind = field(default_factory=lambda: plant_kind("link"))
    parameters: Any = None

    def build(self, seed: int, time: BenchTime) -> Plant:
        """Return the plant."""
        figures = self.kind.parameters() if self.parameters is None else self.parameters
        return self.kind.plant(figures, seed, time)


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What has been built.

    Attributes
    ----------
    devices : mapping of str to Device
        Devices by name, with their fault switches.
    resources : mapping of str to Port
        Ports by VISA resource name, as the specification wrote them.
    time : BenchTime
        The bench's time, which owns its lock.
    plant : Plant
        The physics.
    """

    devices: Mapping[str, Device]
    resources: Mapping[str, Port]
    time: BenchTime
    plant: Plant

    def stream_port(self, name: str) -> Port:
        """Return a port of a device that is a plain stream of bytes.

        That is its serial port, or else a raw socket, which a unit that has GPIB
        or USB only gets from an Ethernet adapter.
        """
        device = self.devices[name]
        if "serial" in device.connectors:
            return device.port("serial")
        return DevicePort(device, "socket")


def build_bench(
    devices: Sequence[DeviceSpec], plant: PlantSpec, seed: int, time: BenchTime
) -> Bench:
    """Build devices and plant and join them.

    Raises
    ------
    MisuseError
        Naming the device, for a simulator, setting, terminal, input or address
        that does not exist.
    """
    physics = plant.build(seed, time)
    built: dict[str, Device] = {}
    resources: dict[str, Port] = {}
    for spec in devices:
        try:
            device = built[spec.name] = _device(spec, physics, seed, time)
            for address in spec.addresses:
                port = device.port(connector_of(address))
                resources[_unused(address, resources)] = port
        except MisuseError as error:
            raise error.located(spec.name, "") from None
    return Bench(built, resources, time, physics)


def connector_of(address: str) -> Connector:
    """Return which connector of an instrument a VISA resource name means.

    Raises
    ------
    MisuseError
        If it is no resource name of a message-based instrument.
    """
    try:
        name = ResourceName.from_string(address)
        return _CONNECTORS[name.interface_type, name.resource_class]
    except (InvalidResourceName, KeyError):
        raise MisuseError(
            f"{address!r} is no VISA resource name of a simulated instrument",
            remedy="such as USB0::0x0957::0x1907::MY50001484::INSTR or ASRL3::INSTR",
        ) from None


def _unused(address: str, resources: Mapping[str, Port]) -> str:
    if canonical(address) in map(canonical, resources):
        raise MisuseError(f"{address} is the address of another device already")
    return address


def _device(spec: DeviceSpec, plant: Plant, seed: int, time: BenchTime) -> Device:
    kind = simulator_class(spec.simulator)
    terminals = {name: _part(plant, where) for name, where in spec.terminals.items()}
    try:
        device: Device = kind(spec.name, time, terminals, seed=seed, **spec.settings)
    except (ValueError, TypeError) as error:
        if isinstance(error, MisuseError):
            raise
        raise MisuseError(f"{spec.simulator}: {error}") from None
    for name, event in spec.inputs.items():
        subscribe = _attribute(plant, f"on_{event}", f"the plant has no event {event!r}")
        subscribe(_attribute(device, name, f"{spec.simulator} has no input {name!r}"))
    return device


def _part(plant: Plant, where: str) -> Any:
    part: Any = plant
    for step in where.split("."):
        if step.isdigit() and isinstance(part, Sequence) and int(step) < len(part):
            part = part[int(step)]
        else:
            part = _attribute(part, step, f"the plant has no {where!r}")
    return part


def _attribute(owner: Any, name: str, otherwise: str) -> Any:
    if name.startswith("_") or not hasattr(owner, name):
        public = (n for n in dir(owner) if not n.startswith("_"))
        raise MisuseError(otherwise, remedy=f"there are {', '.join(public)}")
    return getattr(owner, name)
