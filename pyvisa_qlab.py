"""A backend for pyvisa: ``pyvisa.ResourceManager("STATION@qlab")`` opens a simulated bench.

STATION is a station file with a simulated bench; ``"@qlab"`` alone opens the
packaged one. Any program that uses pyvisa can so talk to the bench's
instruments at their addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvisa.util import LibraryPath

from drivers.simulated.time import RealTime
from drivers.simulated.visa_library import SimulatedVisaLibrary
from qlab.station import load_station
from qlab.station.simulation import simulated_bench

if TYPE_CHECKING:
    from drivers.simulated.bench import Bench

__all__ = ["WRAPPER_CLASS", "StationVisaLibrary"]


class StationVisaLibrary(SimulatedVisaLibrary):
    """The simulated bench of a station file as a VISA library.

    Its time is real: a foreign program waits by sleeping, which virtual time
    would not notice. As pyvisa has it, one library serves all resource managers
    of the same specification; it keeps its bench, and so its instruments'
    settings, as long as the program runs.

    Parameters
    ----------
    specification : str
        What stands before the ``@``.

    Attributes
    ----------
    bench : Bench
        The bench, with its devices' fault switches.
    """

    bench: Bench

    def __new__(cls, specification: str = "") -> StationVisaLibrary:  # noqa: D102 - see the class
        path = LibraryPath(specification or "default bench", "user specified")
        known = cls._registry.get((cls, path))
        if isinstance(known, StationVisaLibrary):
            return known
        bench = simulated_bench(load_station(specification or None), None, RealTime())
        library = super().__new__(cls, bench.resources, bench.time, str(path))
        assert isinstance(library, StationVisaLibrary)
        library.bench = bench
        return library

    def __init__(self, specification: str = "") -> None:
        pass  # all is done in __new__, where pyvisa keeps its registry


WRAPPER_CLASS = StationVisaLibrary
