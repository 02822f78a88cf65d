"""qlab: quantum key distribution and precise time from the command line and from Python."""

__version__ = "0.1.0"
