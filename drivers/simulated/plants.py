"""The kinds of plant that a simulated bench can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from drivers.core.errors import MisuseError

__all__ = ["PLANTS", "Plant", "PlantKind", "plant_kind"]

#: A plant: an object whose attributes are terminals, and whose methods ``on_EVENT``
#: tell listeners of events. It is built from its figures, a seed and the bench's time.
Plant = Any

#: Where each kind has its figures, a frozen dataclass, and its class.
PLANTS: Mapping[str, tuple[str, str]] = {
    "link": (
        "drivers.simulated.plant.parameters:LinkParameters",
        "drivers.simulated.plant.link:LinkPlant",
    ),
    "clocks": (
        "drivers.simulated.plant.clocks:ClockParameters",
        "drivers.simulated.plant.clocks:ClockPlant",
    ),
    "optical-link": (
        "drivers.simulated.plant.optical_link:OpticalLinkParameters",
        "drivers.simulated.plant.optical_link:OpticalLinkPlant",
    ),
    "pairs": (
        "drivers.simulated.plant.pairs:PairParameters",
        "drivers.simulated.plant.pairs:PairPlant",
    ),
}


@dataclass(frozen=True, slots=True)
class PlantKind:
    """One kind of plant.

    Attributes
    ----------
    parameters : type
        Its figures, all with defaults.
    plant : callable
        Builds it from figures, seed and bench time.
    """

    parameters: type[Any]
    plant: Callable[..., Plant]


def plant_kind(name: str) -> PlantKind:
    """Return a kind of plant by its name in a station file.

    Raises
    ------
    MisuseError
        If there is none.
    """
    try:
        parameters, plant = PLANTS[name]
    except KeyError:
        raise MisuseError(
            f"there is no plant {name!r}", remedy=f"there are {', '.join(PLANTS)}"
        ) from None
    return PlantKind(_named(parameters), _named(plant))


def _named(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
