"""The volatile record memory of one output of a Trueform generator."""

from __future__ import annotations

import numpy as np

from drivers.simulated.devices.trueform_shapes import FULL_SCALE, Codes, default_record
from drivers.simulated.scpi import ScpiError

__all__ = ["DEFAULT_NAME", "RecordMemory", "codes_of_block", "codes_of_floats", "codes_of_numbers"]

#: The record that is always there.
DEFAULT_NAME = "INT:\\BUILTIN\\EXP_RISE.ARB"
_MIN_SAMPLES = 32
_MAX_NAME = 12


class RecordMemory:
    """Named records, and the one of them that is selected.

    Errors are the manual's: 781 for want of room, 785 for a record that is not
    there, 786 for one that is there already.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.selections = 0  # how often the record that is played was chosen
        self.clear()

    def clear(self) -> None:
        """Forget all records and select the default one."""
        self._records: dict[str, Codes] = {DEFAULT_NAME: default_record()}
        self.selected = DEFAULT_NAME
        self.selections += 1

    @property
    def record(self) -> Codes:
        """The selected record."""
        return self._records[self.selected]

    @property
    def names(self) -> list[str]:
        """The names of all records, the default one first."""
        return list(self._records)

    @property
    def free(self) -> int:
        """Samples that still find room; the default record takes none."""
        used = sum(codes.size for name, codes in self._records.items() if name != DEFAULT_NAME)
        return self.capacity - used

    def add(self, name: str, codes: Codes) -> None:
        """Store a record."""
        if len(name) > _MAX_NAME:
            raise ScpiError(-144)
        if self._find(name) is not None:
            raise ScpiError(786, "Specified arb waveform already exists")
        if codes.size < _MIN_SAMPLES:
            raise ScpiError(-222)
        if codes.size > self.free:
            raise ScpiError(
                781, "Not enough memory to store new arb waveform; use DATA:VOLatile:CLEar"
            )
        self._records[name] = codes

    def select(self, name: str) -> None:
        """Select a record, whatever the case of its name."""
        found = self._find(name)
        if found is None:
            raise ScpiError(785, "Specified arb waveform does not exist")
        self.selected = found
        self.selections += 1

    def _find(self, name: str) -> str | None:
        for known in self._records:
            if known.upper() == name.upper():
                return known
        return None


def codes_of_block(payload: memoryview, *, swapped: bool) -> Codes:
    """Return 16-bit codes from a block, of which `swapped` is little-endian.

    Raises
    ------
    ScpiError
        -161 for an odd length, -222 for the code -32768.
    """
    if payload.nbytes % 2:
        raise ScpiError(-161)
    codes = np.frombuffer(payload, "<i2" if swapped else ">i2").astype(np.int16)
    if codes.size and codes.min() < -FULL_SCALE:
        raise ScpiError(-222)
    return codes


def codes_of_floats(payload: memoryview, *, swapped: bool) -> Codes:
    """Return codes from a block of 32-bit floats from -1 to 1."""
    if payload.nbytes % 4:
        raise ScpiError(-161)
    return codes_of_numbers(np.frombuffer(payload, "<f4" if swapped else ">f4"), FULL_SCALE)


def codes_of_numbers(values: object, scale: int) -> Codes:
    """Return codes from numbers which `scale` takes to converter codes."""
    numbers = np.asarray(values, dtype=np.float64) * scale
    if not np.all(np.abs(numbers) <= FULL_SCALE):  # not a number fails, too
        raise ScpiError(-222)
    return np.rint(numbers).astype(np.int16)
