"""A transport over a serial port, by pyserial.

pyserial carries streaming instruments directly, since VISA libraries may read
a serial line byte by byte. Addresses are ``ASRL/dev/ttyUSB0::INSTR``,
``ASRL3::INSTR`` (COM3), ``/dev/ttyUSB0`` or ``COM3``.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from drivers.core.errors import (
    CommunicationError,
    ConnectionLostError,
    NoConnectionError,
    ResponseTimeoutError,
)
from drivers.core.link import LineSettings

__all__ = ["SerialTransport", "is_serial_address", "serial_connector"]

_VISA_NAME = re.compile(r"ASRL(?P<port>.+?)(::INSTR)?$", re.IGNORECASE)


def is_serial_address(address: str) -> bool:
    """Whether pyserial is the one to open `address`."""
    return bool(
        _VISA_NAME.match(address)
        or address.startswith("/dev/")
        or re.fullmatch(r"COM\d+", address, re.IGNORECASE)
    )


def serial_connector(address: str, line: LineSettings) -> SerialTransport:
    """Open a serial address; a `drivers.core.link.Connect`."""
    return SerialTransport(address, line)


class SerialTransport:
    """One serial port; see `drivers.core.transport.Transport`.

    Raises
    ------
    NoConnectionError
        If the port cannot be opened.
    """

    def __init__(self, address: str, line: LineSettings) -> None:
        import serial

        self.address = address
        self._timeout_s = line.timeout_s
        try:
            self._port: Any = serial.serial_for_url(
                _pyserial_name(address),
                baudrate=line.baud_rate,
                bytesize=line.data_bits,
                stopbits=line.stop_bits,
                parity=line.parity[0].upper(),
                xonxoff=line.flow_control == "xon_xoff",
                rtscts=line.flow_control == "rts_cts",
                timeout=line.timeout_s,
                write_timeout=max(10.0, line.timeout_s),
                exclusive=True,  # two programs would take each other's replies
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise NoConnectionError(
                f"the port cannot be opened: {error}",
                address=address,
                remedy="check the name of the port, its cable and your permission to use it",
            ) from None
        self._failures = (serial.SerialException, OSError, TypeError)
        self._write_timeout = serial.SerialTimeoutException

    @property
    def timeout_s(self) -> float:
        """Time for one read in seconds."""
        return self._timeout_s

    @timeout_s.setter
    def timeout_s(self, seconds: float) -> None:
        self._timeout_s = seconds
        self._port.timeout = seconds

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._port.write(data)
        except self._write_timeout:
            raise ResponseTimeoutError("the instrument does not take data") from None
        except self._failures as error:
            self._lost(error)

    def read_until(self, end: bytes) -> bytes:
        """Read up to and including `end`."""
        try:
            line: bytes = self._port.read_until(end)
        except self._failures as error:
            self._lost(error)
        if not line.endswith(end):
            self._late(line)
        return line

    def read_exactly(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        try:
            data: bytes = self._port.read(count)
        except self._failures as error:
            self._lost(error)
        if len(data) < count:
            self._late(data)
        return data

    def read_available(self, wait_s: float = 0.0) -> bytes:
        """Read what has arrived; wait at most `wait_s` for the first byte."""
        data = b""
        try:
            if wait_s > 0 and not self._port.in_waiting:
                self._port.timeout = wait_s
                data = self._port.read(1)
                self._port.timeout = self._timeout_s
            while waiting := self._port.in_waiting:
                data += self._port.read(waiting)
                if len(data) > 1 << 24:
                    break
        except self._failures as error:
            self._lost(error)
        return data

    def status_byte(self) -> int:
        """Refuse: a serial line has no serial poll."""
        raise CommunicationError("a serial line has no status byte", address=self.address)

    def clear(self) -> None:
        """Drop the input."""
        try:
            self._port.reset_input_buffer()
        except self._failures as error:
            self._lost(error)

    def trigger(self) -> None:
        """Refuse: a serial line has no trigger."""
        raise CommunicationError("a serial line has no trigger message", address=self.address)

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def _late(self, partial: bytes) -> NoReturn:
        raise ResponseTimeoutError(
            f"nothing complete within {self._timeout_s:g} s", partial=partial
        )

    def _lost(self, error: Exception) -> NoReturn:
        raise ConnectionLostError(f"the line broke: {error}") from None


def _pyserial_name(address: str) -> str:
    match = _VISA_NAME.match(address)
    if match is None:
        return address
    port = match["port"]
    return f"COM{port}" if port.isdigit() else port
