"""TAPR TICC: banner, time stamps, intervals and periods, all unasked.

After the firmware of 16 September 2025, ``TICC/TICC.ino`` of TAPR/TICC: the first
two results of a channel are thrown away, time stamps are printed in pairs, and an
interval whenever both channels have a new one. What its menu does is not simulated;
the mode is a setting. Its noise and what the banner says of the board are assumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from drivers.core.errors import MisuseError
from drivers.simulated.device import Device, Later, SerialLine, Session, Setting
from drivers.simulated.time import BenchTime

__all__ = ["TAPRTICCDevice"]

_SECOND_PS = 10**12
_SETTLE_NS = 1_500_000_000
_PROMPT_NS = 1_000_000_000
_SYNC_NS = 3_000_000_000
_PRINT_NS = 1_000_000
_ABSENT_NS = 100_000_000
_THROWN_AWAY = 2
_HEADERS = {
    "timestamp": "# timestamp (seconds with {places} decimal places)",
    "interval": "# time interval A->B (seconds with {places} decimal places)",
    "period": "# period (seconds with {places} decimal places)",
    "timelab": "# timestamp chA, chB; interval chA->B (seconds with {places} decimal places)",
}
_BANNER = """\
# \n# TAPR TICC Timestamping Counter
# Copyright 2016-2025 N8UR, K9TRV, NH6Z, WA8YWQ
# \n#####################
# TICC Configuration: \n# Software Version: {firmware}
# EEPROM Version: 12, Board Version: D
# Board Serial Number: {serial_number}
# Measurement Mode: {mode}
# Timestamp Wrap: 0
# Output Decimal Places: {places}
# Trigger Edge: R (ch0), R (ch1)
# SyncMode: M
# Channel Names: A/B
# Poll Character: none
# Clock Speed: 10.000000 MHz
# Coarse tick: 100.000000 usec
# Cal Periods: 20
#####################
# \n# Type any character for config menu
# ..."""


class TAPRTICCDevice(Device):
    """A timestamping counter.

    Terminals
    ---------
    input1, input2 : Oscillator
        What is at channels A and B: pulses of up to some hundred hertz.
    reference : Oscillator
        Its 10 MHz; left out, it is perfect.

    Settings
    --------
    mode : str
        ``timestamp``, ``interval``, ``period`` or ``timelab``.
    places : int
        Decimal places of a result.
    edge_noise_ps : float
        Standard deviation of a time stamp.
    serial_number, firmware : str
        Its identity.
    """

    connectors = ("serial",)
    serial = SerialLine(baud=115200)
    terminal_names = ("input1", "input2", "reference")
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "mode": "timestamp",
        "places": 11,
        "edge_noise_ps": 50.0,
        "serial_number": "5A3B0C1D2E3F4A5B",
        "firmware": "20250916.1 (BETA)",
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        if self.settings["mode"] not in _HEADERS:
            raise MisuseError(
                f"there is no mode {self.settings['mode']!r}",
                instrument=name,
                remedy=f"choose from {', '.join(_HEADERS)}",
            )
        self._random = np.random.default_rng(self.seed)
        self._inputs: list[Any] = [self.terminals.get(f"input{n}") for n in (1, 2)]
        self._restart(self.t_ns)

    # ---- the line ----------------------------------------------------------------

    def opened(self, session: Session) -> None:
        """Start anew, as the line that tells the host is there resets the board."""
        self._restart(self.time.now_ns())
        session.stream(self._pieces())

    def receive(self, session: Session, data: bytes, end: bool, arrival_ns: int) -> None:
        """Let faults act; what is typed leads to a menu that is not here."""
        self.exchange(session, data, arrival_ns)

    def obey(self, session: Session, message: bytes) -> None:
        """Do nothing."""

    def report_error(self, code: int, text: str = "") -> None:
        """Say that the reference is lost, and nothing more."""
        assert self.session is not None  # there is an exchange
        self.session.stop_stream()
        self.session.send(b"# 10 MHZ Reference lost!\r\n", self.t_ns)

    # ---- the stream --------------------------------------------------------------

    def _restart(self, t_ns: int) -> None:
        self._start_ns = t_ns + _SETTLE_NS + _PROMPT_NS + _SYNC_NS
        self._begun_ps = self._start_ns * 1000 + self._reference_ps(self._start_ns)
        self._counts = [0, 0]
        self._last: list[int | None] = [None, None]
        self._stamps: list[int | None] = [None, None]
        self._pair: list[tuple[int, int]] = []

    def _pieces(self) -> Iterator[Later]:
        """Yield the banner, then a piece for each edge of either channel."""
        settings = {**self.settings, "mode": str(self.settings["mode"]).capitalize()}
        banner = _lines(_BANNER.format(**settings).splitlines())
        banner_ns = self._start_ns - _SYNC_NS - _PROMPT_NS
        yield Later(banner_ns, lambda: banner)
        header = _HEADERS[str(self.settings["mode"])].format(places=self.settings["places"])
        yield Later(self._start_ns, lambda: _lines(["", "# ", header]))
        following = [self._index_after(number, self._start_ns) for number in (0, 1)]
        while True:
            due = [self._expected_ns(n, k) for n, k in enumerate(following) if k is not None]
            present = [n for n, k in enumerate(following) if k is not None]
            if not present:
                return
            number = present[due.index(min(due))]
            index = following[number]
            assert index is not None  # it is among those present
            following[number] = index + 1
            yield Later(min(due) + _PRINT_NS, lambda n=number, k=index: self._edge(n, k))  # type: ignore[misc]  # mypy cannot infer defaults

    def _edge(self, number: int, index: int) -> bytes:
        """Return what is printed when an edge comes, nothing if it does not."""
        stamp = self._stamp(number, index)
        if stamp is None:
            return b""
        self._counts[number] += 1
        last, self._last[number] = self._last[number], stamp
        if self._counts[number] <= _THROWN_AWAY:
            return b""
        if self.settings["mode"] == "period":
            return b"" if last is None else _lines([f"{self._text(stamp - last)} ch{'AB'[number]}"])
        if self.settings["mode"] == "timestamp":
            return self._paired(number, stamp)
        self._stamps[number] = stamp
        first, second = self._stamps
        if first is None or second is None:
            return b""
        self._stamps = [None, None]
        if self.settings["mode"] == "interval":
            return _lines([f"{self._text(second - first)} TI(A->B)"])
        synthetic = second // _SECOND_PS * _SECOND_PS + second - first
        return _lines(
            [
                f"{self._text(first)} chA",
                f"{self._text(second)} chB",
                f"{self._text(synthetic)} chC (int(B) + (B - A))",
            ]
        )

    def _paired(self, number: int, stamp: int) -> bytes:
        """Collect two time stamps, then print them, A first."""
        self._pair.append((number, stamp))
        if len(self._pair) < 2:
            return b""
        pair = sorted(self._pair)
        self._pair = []
        return _lines([f"{self._text(stamp)} ch{'AB'[number]}" for number, stamp in pair])

    # ---- edges -------------------------------------------------------------------

    def _period_ps(self, number: int) -> int:
        return round(_SECOND_PS / float(self._inputs[number].nominal_hz()))

    def _index_after(self, number: int, t_ns: int) -> int | None:
        source = self._inputs[number]
        if source is None:
            return None
        phase_s = source.phase_s(t_ns)
        shown_ps: int = t_ns * 1000 + (0 if math.isnan(phase_s) else round(phase_s * 1e12))
        return -(-shown_ps // self._period_ps(number))

    def _expected_ns(self, number: int, index: int) -> int:
        """Return when an edge will come, as far as can be told now."""
        shown_ps = index * self._period_ps(number)
        phase_s = self._inputs[number].phase_s(max(shown_ps // 1000, 0))
        return shown_ps // 1000 - (0 if math.isnan(phase_s) else round(phase_s * 1e9))

    def _stamp(self, number: int, index: int) -> int | None:
        """Return the time stamp of an edge in picoseconds; None if there is none."""
        shown_ps = index * self._period_ps(number)
        phase_s = self._inputs[number].phase_s(self._expected_ns(number, index))
        if math.isnan(phase_s):
            return None
        edge_ps: int = shown_ps - round(phase_s * 1e12)
        noise_ps = float(self.settings["edge_noise_ps"]) * float(self._random.standard_normal())
        return edge_ps + self._reference_ps(edge_ps // 1000) - self._begun_ps + round(noise_ps)

    def _reference_ps(self, t_ns: int) -> int:
        reference = self.terminals.get("reference")
        phase_s = 0.0 if reference is None else float(reference.phase_s(t_ns))
        return 0 if math.isnan(phase_s) else round(phase_s * 1e12)

    def _text(self, picoseconds: int) -> str:
        """Write a time as the firmware does, its digits cut off."""
        whole, part = divmod(abs(picoseconds), _SECOND_PS)
        places = int(self.settings["places"])
        digits = f"{part:012d}"[:places]
        return f"{'-' if picoseconds < 0 else ''}{whole}.{digits}"


def _lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\r\n" for text in texts).encode("ascii")
