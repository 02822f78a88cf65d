r"""S-Fifteen TDC1 time tagger: commands, counters and the stream of stamps.

Commands and replies after pyS15 (``S15lib/instruments/usb_counter_fpga.py``)
and the maker's wiki page "TDC1 Documentation"; the dummy word 7920 ns behind
each roll-over after ``python/usbcount_class.py`` of Timestamp_TDC. Not
published, and chosen here: what is sent is packed every `packet_ms`; an edge
that comes while its line is still high lengthens the pulse; events that do not
fit into the buffer of 512 words, which drains at 10 million words/s, are lost
without a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.device import Later, SerialLine, Setting
from drivers.simulated.line import LineDevice, line
from drivers.simulated.port import Connector
from drivers.simulated.time import BenchTime

if TYPE_CHECKING:
    from drivers.simulated.terminals import EventSource, Oscillator

__all__ = ["SFifteenTDC1Device", "WordEncoder"]

_LINES = 4
_TICK_PS = 2000
_WRAP = 1 << 27
_DUMMY = 0x10
_DUMMY_TICK = 7920 // 2
_FIFO_WORDS = 512
_TICKS_PER_WORD = 50  # 10 million words/s
_PAIRS = ((1, 3), (1, 4), (2, 3), (2, 4))

_ModeNumbers = {"SINGLES": 0, "PAIRS": 1, "TIMESTAMP": 3}


class WordEncoder:
    """Turns edges into the words of a stream, piece by piece.

    Parameters
    ----------
    pulse_ps : int
        How long each pulse is high, at least 2 ns.
    """

    def __init__(self, pulse_ps: int) -> None:
        self._pulse_ps = max(pulse_ps, _TICK_PS)
        self._times = np.zeros(0, np.int64)  # of the pulses that may still be high
        self._masks = np.zeros(0, np.uint32)
        self._last_edge = np.full(_LINES + 1, -(1 << 62), np.int64)
        self._tick = 0
        self._free_tick = 0.0

    def events(
        self, times_ps: NDArray[np.int64], lines: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Return the ticks of the leading edges and the levels of all lines at each.

        Parameters
        ----------
        times_ps : int64 array
            Times since the start on the unit's own clock, ascending, not before
            those of the last call.
        lines : uint8 array
            Line numbers from 1.
        """
        times_ps, lines = self._leading(times_ps, lines)
        masks = np.uint32(1) << (lines.astype(np.uint32) - np.uint32(1))
        kept = self._times.size
        times = np.concatenate((self._times, times_ps))
        own = np.concatenate((self._masks, masks))
        levels = own.copy()
        for back in range(1, _LINES):
            high = times[back:] - times[:-back] < self._pulse_ps
            if not high.any():
                break
            levels[back:] |= np.where(high, own[:-back], np.uint32(0))
        ticks = times[kept:] // _TICK_PS
        levels = levels[kept:]
        if times.size:
            recent = slice(max(times.size - (_LINES - 1), 0), None)
            self._times, self._masks = times[recent], own[recent]
        if not ticks.size:
            return ticks, levels
        last = np.append(ticks[1:] != ticks[:-1], True)  # edges within one tick are one word
        return ticks[last], levels[last]

    def words(
        self, times_ps: NDArray[np.int64], lines: NDArray[np.uint8], until_ps: int
    ) -> NDArray[np.uint32]:
        """Return the words of all edges, and the dummies before `until_ps`."""
        ticks, levels = self.events(times_ps, lines)
        ticks, levels = self._through_fifo(ticks, levels)
        words = ((ticks % _WRAP) << 5).astype(np.uint32) | levels
        first = (self._tick - _DUMMY_TICK) // _WRAP + 1
        self._tick = max(until_ps // _TICK_PS, self._tick)
        dummies = np.arange(max(first, 1), (self._tick - _DUMMY_TICK) // _WRAP + 1) * _WRAP
        if dummies.size:
            places = np.searchsorted(ticks, dummies + _DUMMY_TICK)
            words = np.insert(words, places, np.uint32(_DUMMY_TICK << 5 | _DUMMY))
        return words

    def _leading(
        self, times_ps: NDArray[np.int64], lines: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Drop the edges of lines that are still high."""
        leads = np.ones(times_ps.size, np.bool_)
        for number in range(1, _LINES + 1):
            own = np.flatnonzero(lines == number)
            if own.size:
                gaps = np.diff(times_ps[own], prepend=self._last_edge[number])
                leads[own] = gaps >= self._pulse_ps + _TICK_PS
                self._last_edge[number] = times_ps[own[-1]]
        leads &= (lines >= 1) & (lines <= _LINES)
        return (times_ps, lines) if leads.all() else (times_ps[leads], lines[leads])

    def _through_fifo(
        self, ticks: NDArray[np.int64], levels: NDArray[np.uint32]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Lose what the buffer cannot hold."""
        if not ticks.size:
            return ticks, levels
        # Word i leaves at the earliest at d[i] = max(d[i-1], t[i]) + 50 ticks, so
        # d[i] - 50 i is a running maximum.
        index = np.arange(ticks.size, dtype=np.int64) * _TICKS_PER_WORD
        start = np.maximum.accumulate(np.maximum(ticks - index, self._free_tick))
        if int((start + index - ticks).max()) < _FIFO_WORDS * _TICKS_PER_WORD:
            self._free_tick = float(start[-1] + index[-1] + _TICKS_PER_WORD)
            return ticks, levels
        kept = np.zeros(ticks.size, np.bool_)
        free = self._free_tick
        for place, tick in enumerate(ticks.tolist()):
            if free - tick < _FIFO_WORDS * _TICKS_PER_WORD:
                kept[place] = True
                free = max(free, tick) + _TICKS_PER_WORD
        self._free_tick = free
        return ticks[kept], levels[kept]


class SFifteenTDC1Device(LineDevice):
    """A time tagger on the lines of the plant.

    Terminals
    ---------
    lines : EventSource
        The four inputs.
    clock : Oscillator
        External 10 MHz reference; left out, none is connected.
    own_clock : Oscillator
        The unit's own crystal; left out, it is exact.

    Settings
    --------
    identity : str
        What ``*IDN?`` answers.
    pulse_ns : float
        Length of the pulses on the lines.
    packet_ms : float
        How often stamps are sent.
    """

    connectors = ("serial",)
    #: A USB 2 virtual port: bytes come in transfers, fast enough for 10 million stamps/s.
    serial = SerialLine(baud=0, any_baud=True, reply_end=b"\r\n")
    bytes_per_s: ClassVar[Mapping[Connector, float]] = {"serial": 40e6}
    line_ends = b";\r\n"
    terminal_names = ("lines", "clock", "own_clock")
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "identity": "S-Fifteen Instruments TDC1, simulated",
        "pulse_ns": 10.0,
        "packet_ms": 10.0,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._running = 0  # counts acquisitions, so that an old one knows it is over
        self._reset()

    def _reset(self) -> None:
        self._mode = "SINGLES"
        self._time_ms = 1000
        self._level_v = -0.5
        self._reference = 0

    # ---- settings ----------------------------------------------------------------

    @line(r"\*IDN\?")
    def identity(self) -> str:
        """Answer the identity."""
        return str(self.settings["identity"])

    @line(r"\*RST")
    def reset(self) -> None:
        """Go back to the settings at power-on."""
        self._stop()
        self._reset()

    @line(r"TIME\s*(\d+)")
    def set_time(self, milliseconds: str) -> None:
        """Set the integration time; 0 is endless."""
        if int(milliseconds) <= 65535:
            self._time_ms = int(milliseconds)

    @line(r"TIME\?")
    def time_set(self) -> str:
        """Answer the integration time as a signed 16-bit number, as the unit does."""
        return str(self._time_ms - (1 << 16) if self._time_ms >= 1 << 15 else self._time_ms)

    @line("(SINGLES|PAIRS|TIMESTAMP)")
    def set_mode(self, mode: str) -> None:
        """Choose what is counted."""
        self._mode = mode.upper()

    @line(r"MODE\?")
    def mode(self) -> str:
        """Answer the mode's number."""
        return str(_ModeNumbers[self._mode])

    @line("(NIM|TTL)")
    def set_standard(self, standard: str) -> None:
        """Set the trigger level of a pulse standard."""
        self._level_v = -0.5 if standard.upper() == "NIM" else 1.0

    @line(r"(NEG|POS)\s*([+-]?\d+(?:\.\d*)?)")
    def set_level(self, polarity: str, volts: str) -> None:
        """Set a trigger level."""
        if abs(float(volts)) <= 3.3:
            self._level_v = float(volts)

    @line(r"LEVEL\?")
    def level(self) -> str:
        """Answer the trigger level."""
        return f"{self._level_v:.3f} V"

    @line(r"REFCLK\s*([012])")
    def set_reference(self, source: str) -> None:
        """Choose the clock: 0 automatic, 1 external, 2 internal."""
        self._reference = int(source)

    @line(r"REFCLK\?")
    def reference(self) -> str:
        """Answer the choice of clock."""
        return str(self._reference)

    @line(r"ECLOCK\?")
    def external_clock(self) -> str:
        """Answer whether an external clock is there."""
        return str(int("clock" in self.terminals))

    @line("INPKT")
    def binary(self) -> None:
        """Take the stream's binary form, the only one modelled."""

    # ---- acquisition -------------------------------------------------------------

    @line("ABORT")
    def abort(self) -> None:
        """Stop an acquisition."""
        self._stop()

    @line(r"COUNTS\?")
    def counts(self) -> Later | None:
        """Count for the integration time and answer, or start the stream of stamps."""
        self._stop()
        self._running += 1
        start_ns = self.t_ns
        source: EventSource | None = self.terminals.get("lines")
        if source is not None:
            source.listen(start_ns, _LINES)
        if self._mode == "TIMESTAMP":
            assert self.session is not None
            self.session.stream(self._stream(self._running, start_ns, self._time_ms))
            return None
        end_ns = start_ns + self._time_ms * 1_000_000
        pairs = self._mode == "PAIRS"
        return Later(end_ns, lambda: self._counted(start_ns, end_ns, pairs))

    def _stream(self, run: int, start_ns: int, time_ms: int) -> Iterator[Later]:
        encoder = WordEncoder(round(self.settings["pulse_ns"] * 1e3))
        packet_ns = max(round(self.settings["packet_ms"] * 1e6), 1)
        end_ns = start_ns + time_ms * 1_000_000 if time_ms else None
        to_unit_time = self._clock_from(start_ns)
        at_ns = start_ns
        while self._running == run and (end_ns is None or at_ns < end_ns):
            since_ns, at_ns = at_ns, at_ns + packet_ns
            if end_ns is not None and at_ns >= end_ns:
                at_ns = end_ns

            def packet(since_ns: int = since_ns, at_ns: int = at_ns) -> bytes:
                return self._packet(run, encoder, to_unit_time, since_ns, at_ns, end_ns)

            yield Later(at_ns, packet)

    def _packet(
        self,
        run: int,
        encoder: WordEncoder,
        to_unit_time: Callable[[NDArray[np.int64], int, int], NDArray[np.int64]],
        since_ns: int,
        at_ns: int,
        end_ns: int | None,
    ) -> bytes:
        if self._running != run:
            return b""
        times, lines = self._edges(at_ns)
        until = to_unit_time(np.array([at_ns * 1000], np.int64), since_ns, at_ns)
        words = encoder.words(to_unit_time(times, since_ns, at_ns), lines, int(until[0]))
        if at_ns == end_ns:
            self._stop_listening(at_ns)
        return words.astype("<u4").tobytes()

    def _counted(self, start_ns: int, end_ns: int, pairs: bool) -> bytes:
        times, lines = self._edges(end_ns)
        self._stop_listening(end_ns)
        encoder = WordEncoder(round(self.settings["pulse_ns"] * 1e3))
        _, levels = encoder.events(times - start_ns * 1000, lines)
        counts = np.bincount(lines, minlength=_LINES + 1)[1 : _LINES + 1].tolist()
        if pairs:
            counts += [
                int(np.count_nonzero(_rising((levels >> (a - 1)) & (levels >> (b - 1)) & 1 == 1)))
                for a, b in _PAIRS
            ]
        return " ".join(map(str, counts)).encode("ascii") + self.serial.reply_end

    def _edges(self, until_ns: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        source: EventSource | None = self.terminals.get("lines")
        if source is None:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8)
        return source.edges(until_ns)

    def _clock_from(
        self, start_ns: int
    ) -> Callable[[NDArray[np.int64], int, int], NDArray[np.int64]]:
        """Return what turns bench times in ps into times since the start on the unit's clock."""
        external = self._reference != 2 and "clock" in self.terminals
        clock: Oscillator | None = self.terminals.get("clock" if external else "own_clock")
        zero_s = clock.phase_s(start_ns) if clock is not None else 0.0

        def unit_time(times: NDArray[np.int64], since_ns: int, at_ns: int) -> NDArray[np.int64]:
            elapsed = times - start_ns * 1000
            if clock is None:
                return elapsed
            first, last = clock.phase_s(since_ns) - zero_s, clock.phase_s(at_ns) - zero_s
            share = (times - since_ns * 1000) / ((at_ns - since_ns) * 1000)
            ahead_ps = (first + (last - first) * share) * 1e12
            return elapsed + np.rint(ahead_ps).astype(np.int64)

        return unit_time

    def _stop(self) -> None:
        if self.session is not None:
            self.session.stop_stream()
        self._running += 1
        self._stop_listening(self.t_ns)

    def _stop_listening(self, t_ns: int) -> None:
        source: EventSource | None = self.terminals.get("lines")
        if source is not None:
            source.listen(t_ns, 0)


def _rising(high: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.diff(high.astype(np.int8), prepend=np.int8(0)) > 0
