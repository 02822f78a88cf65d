"""A SCPI instrument with what IEEE 488.2 and SCPI require of every one."""

from __future__ import annotations

from typing import ClassVar

from drivers.simulated.device import Later
from drivers.simulated.scpi.commands import command, query
from drivers.simulated.scpi.engine import ScpiEngine
from drivers.simulated.scpi.errors import ERRORS
from drivers.simulated.scpi.numbers import Number
from drivers.simulated.scpi.replies import quoted

__all__ = ["ScpiDevice"]

_BYTE = Number(low=0, high=255, integer=True)


class ScpiDevice(ScpiEngine):
    """The base of all SCPI instruments on the bench.

    Attributes
    ----------
    maker, model : str
        First two fields of the identity; the others are the settings
        ``serial_number`` and ``firmware``.
    options : str
        Answer to ``*OPT?``.
    error_format : str
        How ``SYSTem:ERRor?`` writes `code` and the quoted `text`.
    version : str
        Answer to ``SYSTem:VERSion?``.
    """

    maker: ClassVar[str] = "qlab"
    model: ClassVar[str] = "simulated instrument"
    options: ClassVar[str] = "0"
    error_format: ClassVar[str] = "{code:+d},{text}"
    version: ClassVar[str] = "1999.0"
    default_settings = {"serial_number": "SIM00001", "firmware": "1.0"}

    @query("*IDN", indefinite=True)
    def identity(self) -> str:
        """Return the four fields of the identity."""
        settings = self.settings
        return f"{self.maker},{self.model},{settings['serial_number']},{settings['firmware']}"

    @query("*OPT", indefinite=True)
    def option_list(self) -> str:
        """Return the options."""
        return self.options

    @command("*RST")
    def _reset(self) -> None:
        self.reset()

    @command("*CLS")
    def _clear(self) -> None:
        self.clear_status()

    @command("*ESE", _BYTE)
    def _enable_events(self, mask: int) -> None:
        self.event_enable = mask

    @query("*ESE")
    def _enabled_events(self) -> int:
        return self.event_enable

    @query("*ESR")
    def _take_events(self) -> int:
        events = self.events(self.t_ns)
        self.event_status = 0
        return events

    @command("*SRE", _BYTE)
    def _enable_service(self, mask: int) -> None:
        self.service_mask = mask & ~0x40

    @query("*SRE")
    def _enabled_service(self) -> int:
        return self.service_mask

    @query("*STB")
    def _status_byte(self) -> int:
        # the answer itself is about to wait, but what is reported is the state before it
        return self.status_at(self.session, self.t_ns, answer_waits=False)

    @command("*OPC")
    def _flag_completion(self) -> None:
        self.arm_completion()

    @query("*OPC")
    def _await_completion(self) -> Later:
        return Later(max(self.t_ns, self.operation_ends_ns), lambda: "1")

    @command("*WAI")
    def _wait(self) -> None:
        self.t_ns = max(self.t_ns, self.operation_ends_ns)

    @command("*TRG")
    def _bus_trigger(self) -> None:
        self.trigger()

    @query("*TST")
    def self_test(self) -> int:
        """Return 0 for a passed self-test."""
        return 0

    @query("SYSTem:ERRor[:NEXT]")
    def next_error(self) -> str:
        """Return the oldest error and take it from the queue."""
        code, text = self.errors.popleft() if self.errors else (0, ERRORS[0])
        return self.error_format.format(code=code, text=quoted(text))

    @query("SYSTem:ERRor:COUNt")
    def error_count(self) -> int:
        """Return how many errors wait."""
        return len(self.errors)

    @query("SYSTem:VERSion")
    def scpi_version(self) -> str:
        """Return the SCPI version."""
        return self.version
