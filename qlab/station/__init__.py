"""The station: its file, and its instruments guarded by limits and interlocks."""

from qlab.station.file import StationFile, load_station, parse_station, read_table
from qlab.station.opened import Station, open_station
from qlab.station.safe import SafeStep
from qlab.station.tables import setting

__all__ = [
    "SafeStep",
    "Station",
    "StationFile",
    "load_station",
    "open_station",
    "parse_station",
    "read_table",
    "setting",
]
