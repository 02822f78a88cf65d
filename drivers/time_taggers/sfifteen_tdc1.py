r"""S-Fifteen Instruments TDC1: four lines stamped in steps of 2 ns.

Sources: pyS15, ``S15lib/instruments/usb_counter_fpga.py`` of
s-fifteen-instruments/pyS15 (below: pyS15); the maker's wiki page "TDC1
Documentation" (below: wiki); ``python/usbcount_class.py`` of
s-fifteen-instruments/Timestamp_TDC (below: Timestamp_TDC).

Stamps are a stream of words, whose time starts with the acquisition; what they
mean is in `drivers.time_taggers.sfifteen_stamps`. The stream has no end mark:
the unit stops by itself after the time that was set.
pyS15 reads until that time and 20 ms have passed, then sends ``abort``; times
above 65.535 s run endlessly until then. So does this driver.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from drivers.core import (
    Choice,
    Flag,
    Instrument,
    LineSettings,
    MisuseError,
    NoReporting,
    Number,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.core.reporting import ErrorReporting
from drivers.roles import StampBlock
from drivers.time_taggers.sfifteen_stamps import TICKS_PER_S, StampDecoder

if TYPE_CHECKING:
    from drivers.core.context import Clock

__all__ = ["SFifteenTDC1"]

_TICK_S = Fraction(1, TICKS_PER_S)
_LONGEST_MS = 65535
#: Stamps gather for this long between reads, unless they come as fast as this many
#: bytes a read: far less than an operating system buffers, far more than a packet.
_PACE_S = 5e-3
_BUSY_BYTES = 8192
_WAIT_S = 0.1
#: What the last words may take to arrive (pyS15 `_stream_response_into_buffer`).
_TAIL_NS = 20_000_000
#: Nothing for so long, though each roll-over (0.27 s) is marked: the stream is dead.
_SILENCE_NS = 1_000_000_000
#: The unit's time is set in whole milliseconds.
_OVERRUN_TICKS = TICKS_PER_S // 1000
#: After its end a stream has to dry up within this time.
_DRAIN_NS = 10_000_000_000


class _Milliseconds(Number):
    """A time in ms which the unit answers as a signed 16-bit number (pyS15 `int_time`)."""

    def parse(self, reply: str) -> float:
        """Undo the sign."""
        return int(reply) % (1 << 16) * self.scale


class _Threshold(Number):
    """A trigger level, positive or negative logic by its sign (pyS15 `threshold`)."""

    def parse(self, reply: str) -> float:
        """Take the first word, the rest is the unit."""
        return float(reply.split()[0]) if reply.split() else float(reply)

    def format(self, value: float) -> str:
        """Choose the command by the sign."""
        return f"{'NEG' if value < 0 else 'POS'} {value:g}"

    def agrees(self, wanted: float, actual: float) -> bool:
        """Agree within 10 mV: the converter's step is not documented."""
        return abs(wanted - actual) <= 0.01


class SFifteenTDC1(Instrument):
    """A four-channel counter and time tagger.

    Satisfies `drivers.roles.TimeTagger`. The lines are taken as low when an
    acquisition starts.

    Attributes
    ----------
    pulse_widths_s : tuple of four floats
        No pulse on lines 1 to 4 is longer than this, nor do two rise closer
        than twice this; see `StampDecoder`.
    """

    line = LineSettings(write_end=b"\r\n", read_end=b"\n", timeout_s=1.0, baud_rate=115200)
    reporting: ErrorReporting = NoReporting()
    identity_pattern = r".*TDC1.*"

    #: One tick of `collect` in seconds.
    tick_s: Fraction = _TICK_S
    pulse_widths_s: tuple[float, float, float, float] = (20e-9, 20e-9, 20e-9, 20e-9)

    integration_time_s = _Milliseconds(
        "time?",
        "time {value}",
        low=1e-3,
        high=65.535,
        step=1e-3,
        scale=1e-3,
        unit="s",
        doc="Time of one count.",
        page="wiki",
        read_back=True,
    )
    mode = Choice(
        "mode?",
        "{value}",
        choices={"singles": "singles", "pairs": "pairs", "timestamp": "timestamp"},
        replies={"0": "singles", "1": "pairs", "3": "timestamp"},
        doc="What is counted or stamped.",
        page="pyS15 mode",
        read_back=True,
    )
    threshold_v = _Threshold(
        "level?",
        "{value}",
        low=-3.3,
        high=3.3,
        unit="V",
        doc="Trigger level; negative for negative pulses.",
        page="pyS15 threshold, wiki",
        read_back=True,
    )
    standard = Choice(
        None,
        "{value}",
        choices={"NIM": "NIM", "TTL": "TTL"},
        doc="Trigger level of a pulse standard.",
        page="pyS15 level",
    )
    reference = Choice(
        "REFCLK?",
        "REFCLK {value}",
        choices={"automatic": "0", "external": "1", "internal": "2"},
        doc="Clock that the stamps follow.",
        page="pyS15 clock",
        read_back=True,
    )
    external_clock = Flag(
        "ECLOCK?", doc="Whether an external 10 MHz clock is there.", page="pyS15 eclock"
    )

    _duration_ticks = 0
    _endless = False

    def prepare(self) -> None:
        """Stop a stream that an earlier session left running."""
        self._halt()

    def count_singles(self) -> tuple[int, ...]:
        """Count the events of lines 1 to 4 for `integration_time_s`."""
        return self._counts("singles", 4)

    def count_pairs(self) -> tuple[int, ...]:
        """Count lines 1 to 4 and the coincidences 1-3, 1-4, 2-3 and 2-4."""
        return self._counts("pairs", 8)

    def start(self, duration_s: float) -> None:
        """Start to stamp all lines for `duration_s`, rounded up to whole milliseconds.

        Raises
        ------
        ValueOutOfRangeError
            If the duration is not positive and finite.
        """
        if not 0 < duration_s < math.inf:
            raise ValueOutOfRangeError(
                f"an acquisition of {duration_s:g} s", instrument=self.name, address=self.address
            )
        milliseconds = math.ceil(round(duration_s * 1e3, 6))
        self._duration_ticks = milliseconds * (TICKS_PER_S // 1000)
        self._endless = milliseconds > _LONGEST_MS
        time = 0 if self._endless else milliseconds
        with self.link.lock:
            self.link.read_available()
            self.link.write(f"INPKT;time {time};timestamp;counts?;".encode("ascii"))

    def collect(self, clock: Clock) -> Generator[StampBlock, None, None]:
        """Yield what is stamped until the time that `start` set is over.

        Call it right after `start`; blocks come as they arrive, and an empty one at
        least every 0.1 s, so that whoever listens to several can turn to the others.
        Left early, it aborts the acquisition.

        Raises
        ------
        MisuseError
            If nothing was started.
        ResponseTimeoutError
            If nothing comes for a second, not even the marks of the roll-overs.
        UnexpectedReplyError
            If the stream is no stream of stamps: its time runs backwards or past
            the end, or it does not stop.
        """
        if not self._duration_ticks:
            raise MisuseError(
                "nothing was started", instrument=self.name, remedy="call start() first"
            )
        try:
            yield from self._collect(clock)
        except GeneratorExit:
            self._halt()
            raise
        except UnexpectedReplyError as error:
            self._halt()
            raise error.located(self.name, self.address) from None
        finally:
            self._duration_ticks = 0

    def abort(self) -> None:
        """Stop an acquisition and drop what is left of it."""
        self._duration_ticks = 0
        self._halt()

    def _collect(self, clock: Clock) -> Iterator[StampBlock]:
        decoder = StampDecoder(self.pulse_widths_s)
        heard_ns = clock.now_ns()
        end_ns = heard_ns + self._duration_ticks * 2 + _TAIL_NS
        stopped = False
        while True:
            data = self.link.read_available(_WAIT_S)
            now_ns = clock.now_ns()
            block = self._within(decoder.decode(data))
            if data:
                heard_ns = now_ns
            elif now_ns >= end_ns and (stopped or not self._endless):
                break
            elif now_ns - heard_ns > _SILENCE_NS and not stopped:
                raise ResponseTimeoutError(
                    f"no time stamps for {(now_ns - heard_ns) * 1e-9:.1f} s, not even roll-overs",
                    instrument=self.name,
                    address=self.address,
                    remedy="check the USB cable and whether another program uses the unit",
                )
            if now_ns >= end_ns and not stopped and self._endless:
                self.link.write(b"abort")
                stopped = True
            if now_ns >= end_ns + _DRAIN_NS:
                raise UnexpectedReplyError("the stream of time stamps does not end")
            yield block
            if 0 < len(data) < _BUSY_BYTES:
                clock.sleep(_PACE_S)
        if decoder.unfinished and not stopped:
            raise UnexpectedReplyError(
                f"the stream of time stamps ended within a word, after {decoder.unfinished} bytes",
                remedy="bytes were lost: lower the count rate or free the USB bus",
            )

    def _within(self, block: StampBlock) -> StampBlock:
        """Cut off what an endless stream has stamped too long; fail if any other has."""
        if not block.ticks.size or block.ticks[-1] < self._duration_ticks:
            return block
        late = int(block.ticks[-1]) - self._duration_ticks
        if late > _OVERRUN_TICKS and not self._endless:
            raise UnexpectedReplyError(
                f"the time stamps run {late / TICKS_PER_S:.3f} s past the end",
                remedy="bytes were lost: lower the count rate or free the USB bus",
            )
        kept = block.ticks < self._duration_ticks
        return StampBlock(block.ticks[kept], block.channels[kept])

    def _halt(self) -> None:
        with self.link.lock:
            self.link.write(b"abort")
            for _ in range(100):
                if not self.link.read_available(_WAIT_S):
                    break

    def _counts(self, mode: str, fields: int) -> tuple[int, ...]:
        with self.link.patience(self.integration_time_s):
            reply = self.ask(f"{mode};counts?")
        try:
            counts = tuple(int(field) for field in reply.split())
            if len(counts) != fields or min(counts) < 0:
                raise ValueError(reply)
        except ValueError:
            raise UnexpectedReplyError(
                f"{fields} counts expected, got {reply[:60]!r}",
                instrument=self.name,
                address=self.address,
            ) from None
        return counts
