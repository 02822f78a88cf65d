"""qlab: quantum key distribution and precise time from the command line and from Python.

Examples
--------
>>> import qlab
>>> with qlab.open_station() as station:
...     print(station.instrument("counter").identity)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qlab.experiments.calibrations.record import write_record
    from qlab.runfile.reader import RunFile
    from qlab.runner import run_experiment
    from qlab.station import Station, StationFile, load_station, open_station

__version__ = "0.1.0"

__all__ = [
    "RunFile",
    "Station",
    "StationFile",
    "__version__",
    "load_station",
    "open_station",
    "run_experiment",
    "write_record",
]

# Imported when first asked for: a script that only reads run files loads no VISA.
_HOMES = {
    "RunFile": "qlab.runfile.reader",
    "Station": "qlab.station",
    "StationFile": "qlab.station",
    "load_station": "qlab.station",
    "open_station": "qlab.station",
    "run_experiment": "qlab.runner",
    "write_record": "qlab.experiments.calibrations.record",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qlab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__


def _check_rooms() -> None:
    """Make sure that the packages beside this one are its own.

    A folder called ``drivers`` or ``calibration`` beside a script hides ours,
    and would fail later in obscure ways.
    """
    import sys
    from importlib.util import find_spec
    from pathlib import Path

    house = Path(__file__).resolve().parent.parent
    for room in ("drivers", "protocols", "calibration"):
        loaded = sys.modules.get(room)
        spec = find_spec(room) if loaded is None else loaded.__spec__
        places = list(spec.submodule_search_locations or [spec.origin or ""]) if spec else []
        if [Path(place).resolve() for place in places] == [house / room]:
            continue
        found = ", ".join(places) or "no folder at all"
        raise ImportError(
            f"qlab needs its own package {room!r} in {house}, but Python finds {found}; rename "
            f"your folder or file {room!r} (such as to 'my_{room}'), or start Python elsewhere"
        )


def _provide_kernel_cache() -> None:
    from qlab.kernels import provide_kernel_cache

    provide_kernel_cache()


_check_rooms()
_provide_kernel_cache()
