"""The TDC1: its stream against a plain reading of it, its driver, its simulated unit."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from driver_bench import joined
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from drivers.core import (
    InstrumentFaultError,
    LineSettings,
    MisuseError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.simulated.devices.sfifteen_tdc1 import SFifteenTDC1Device, WordEncoder
from drivers.simulated.time import VirtualTime
from drivers.time_taggers.sfifteen_stamps import StampDecoder
from drivers.time_taggers.sfifteen_tdc1 import SFifteenTDC1

WRAP = 1 << 27
PULSE = 5  # ticks of 2 ns
DUMMY_TICK = 3960  # 7920 ns
SERIAL = "ASRL6::INSTR"
IDENTITY = "S-Fifteen Instruments TDC1, test"
WIDTHS = (20e-9, 20e-9, 20e-9, 20e-9)


# ---- a plain model: pulses, levels, words ---------------------------------------------


@st.composite
def edges(draw, most_gap=3 * WRAP):
    """Rising edges as (tick, line), as detectors give them: rare on each line."""
    near = st.integers(0, 30)
    far = st.one_of(st.integers(0, 10**6), st.integers(0, most_gap))
    steps = draw(st.lists(st.tuples(st.one_of(near, near, far), st.integers(1, 4)), max_size=40))
    tick, last, kept = 0, {}, []
    for step, line in steps:
        tick += step
        if tick - last.get(line, -(1 << 40)) >= 25:  # more than twice the 20 ns assumed
            last[line] = tick
            kept.append((tick, line))
    # With nothing but its first 7.9 us in the first period, nothing in the stream tells
    # that period from the next before the dummy that marks it.
    later = [tick for tick, _ in kept if tick >= WRAP]
    unmarked = later and later[0] - WRAP <= DUMMY_TICK
    assume(not unmarked or any(DUMMY_TICK < tick < WRAP for tick, _ in kept))
    return kept


def words_of(events, until, dummies=True):
    """What the unit sends: one word a tick with leading edges, with all levels."""
    sent = []
    for tick in sorted({tick for tick, _ in events}):
        levels = 0
        for other, line in events:
            if other <= tick < other + PULSE:
                levels |= 1 << (line - 1)
        sent.append((tick, 1, levels))
    if dummies:
        marks = range(WRAP, until - DUMMY_TICK + 1, WRAP)
        sent += [(mark + DUMMY_TICK, 0, 0x10) for mark in marks]
    return [(tick % WRAP) << 5 | levels for tick, _, levels in sorted(sent)]


def stream_of(words):
    return np.array(words, "<u4").tobytes()


def pieces(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def decoded(parts, decoder=None):
    decoder = decoder or StampDecoder(WIDTHS)
    blocks = [decoder.decode(part) for part in parts]
    ticks = np.concatenate([block.ticks for block in blocks])
    lines = np.concatenate([block.channels for block in blocks])
    assert ticks.dtype == np.int64
    assert lines.dtype == np.uint8
    return list(zip(ticks.tolist(), lines.tolist(), strict=True))


CUTS = st.lists(st.integers(0, 200), max_size=6)


@given(edges(), CUTS)
@example([(100, 1), (103, 2)], [])  # the first line is still high: no coincidence
@example([(100, 1), (100, 2)], [])  # two lines within one tick
@example([(WRAP - 1, 1), (WRAP, 1 + 1), (WRAP + 1, 3)], [5])
@example([(7, 1), (5 * WRAP, 2)], [])  # quiet for several roll-overs
@example([(DUMMY_TICK + WRAP + 10, 1)], [])
@example([(5000, 1), (4000 + 2 * WRAP, 1)], [])
@example([(WRAP + 5000, 1), (2 * WRAP + 100, 1)], [])  # quiet for nearly a period
def test_every_event_comes_out_once_however_the_stream_is_cut(events, cuts):
    until = events[-1][0] + 1 if events else 0
    stream = stream_of(words_of(events, until))
    assert decoded(pieces(stream, cuts)) == sorted(events)


@given(edges(most_gap=WRAP - WRAP // 8), CUTS)
def test_busy_lines_need_no_dummies(events, cuts):
    assume(not events or events[0][0] < WRAP)
    assume(all(b - a < WRAP - WRAP // 8 for (a, _), (b, _) in pairwise(events)))
    stream = stream_of(words_of(events, 0, dummies=False))
    assert decoded(pieces(stream, cuts)) == sorted(events)


@given(edges(), CUTS)
def test_the_simulated_unit_sends_the_plain_models_words(events, cuts):
    until = events[-1][0] + 1 if events else 0
    encoder = WordEncoder(PULSE * 2000)
    times = np.array([tick * 2000 + 3 for tick, _ in events], np.int64)
    lines = np.array([line for _, line in events], np.uint8)
    places = [0, *sorted({min(cut, len(events)) for cut in cuts}), len(events)]
    sent = []
    for start, stop in pairwise(places):
        upto = until if stop == len(events) else events[stop][0]
        # a unit can only send what is over: cut between two ticks
        if 0 < stop < len(events) and events[stop][0] == events[stop - 1][0]:
            assume(False)
        sent += encoder.words(times[start:stop], lines[start:stop], upto * 2000).tolist()
    assert sent == words_of(events, until)


def test_a_line_that_stays_high_is_one_event():
    decoder = StampDecoder((20e-9, 20e-9, 1e-3, 20e-9))
    words = [100 << 5 | 0b0100, 5000 << 5 | 0b0101, 9000 << 5 | 0b0101, 9002 << 5 | 0b0111]
    assert decoded([stream_of(words)], decoder) == [(100, 3), (5000, 1), (9000, 1), (9002, 2)]


def test_a_lone_line_has_risen_again_however_soon():
    words = [100 << 5 | 0b0010, 104 << 5 | 0b0010]
    assert decoded([stream_of(words)]) == [(100, 2), (104, 2)]


@pytest.mark.parametrize("back", [1, 1 << 20, (1 << 24) - 1])
def test_time_does_not_run_backwards(back):
    tick = 1 << 26
    words = [tick << 5 | 1, (tick - back) << 5 | 2]
    with pytest.raises(UnexpectedReplyError, match=f"run back by {2 * back} ns"):
        StampDecoder(WIDTHS).decode(stream_of(words))


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_garbage_gives_events_in_order_or_a_clear_error(parts):
    decoder = StampDecoder(WIDTHS)
    last = 0
    for part in parts:
        try:
            block = decoder.decode(part)
        except UnexpectedReplyError:
            return
        assert block.ticks.size == block.channels.size
        if block.ticks.size:
            assert block.ticks[0] >= last
            assert (np.diff(block.ticks) >= 0).all()
            assert ((block.channels >= 1) & (block.channels <= 4)).all()
            last = int(block.ticks[-1])


# ---- the driver against a stream -------------------------------------------------------


class Clock:
    """Time that a stream's reads move."""

    def __init__(self):
        self.ns = 0

    def now_ns(self):
        return self.ns

    def sleep(self, seconds):
        self.ns += round(seconds * 1e9)


class Stream:
    """A transport that answers the opening and then sends what is planned, in time."""

    def __init__(self, clock, plan):
        self.address, self.timeout_s = "STREAM", 1.0
        self.clock, self.plan, self.sent, self.replies = clock, plan, [], b""
        self.running = False

    def write(self, data):
        self.sent.append(data)
        if data == b"*IDN?\r\n":
            self.replies += IDENTITY.encode() + b"\r\n"
        self.running = data.startswith(b"INPKT")
        if self.running:
            self.start_ns = self.clock.ns

    def read_until(self, end):
        reply, self.replies = self.replies, b""
        return reply

    def read_available(self, wait_s=0.0):
        if not self.running:
            return b""
        until = self.clock.ns + round(wait_s * 1e9)
        next_ns = self.start_ns + self.plan[0][0] if self.plan else until + 1
        if next_ns > until:
            self.clock.ns = until
            return b""
        self.clock.ns = max(self.clock.ns, next_ns)
        return self.plan.pop(0)[1]

    def close(self):
        pass


@pytest.fixture
def streaming():
    def play(*plan, **more):
        clock = Clock()
        stream = Stream(clock, [(round(t * 1e9), data) for t, data in plan])
        unit = SFifteenTDC1("tagger", "STREAM", lambda address, line: stream).open()
        return unit, stream, clock

    return play


def collected(unit, clock):
    return [
        (int(tick), int(line))
        for block in unit.collect(clock)
        for tick, line in zip(block.ticks, block.channels, strict=True)
    ]


def test_an_acquisition_ends_with_its_time(streaming):
    unit, stream, clock = streaming(
        (0.1, stream_of([50 << 5 | 1])[:3]), (0.2, stream_of([50 << 5 | 1])[3:])
    )
    unit.start(0.5)
    assert stream.sent[-1] == b"INPKT;time 500;timestamp;counts?;\r\n"
    assert collected(unit, clock) == [(50, 1)]
    assert 0.52 <= clock.ns * 1e-9 < 0.75
    assert stream.sent[-1].startswith(b"INPKT")


def test_a_duration_is_rounded_up_to_milliseconds(streaming):
    unit, stream, _ = streaming()
    unit.start(0.0012)
    assert stream.sent[-1] == b"INPKT;time 2;timestamp;counts?;\r\n"
    unit.start(0.003)
    assert stream.sent[-1] == b"INPKT;time 3;timestamp;counts?;\r\n"
    unit.start(65.535)
    assert stream.sent[-1] == b"INPKT;time 65535;timestamp;counts?;\r\n"


def test_a_long_acquisition_runs_endlessly_and_is_cut(streaming):
    seconds = 500_000_000
    marks = [(0.5 * i, stream_of([DUMMY_TICK << 5 | 0x10] * 2)) for i in range(1, 200)]
    late = [(70.005, stream_of([(70 * seconds + 1) % WRAP << 5 | 1]))]
    unit, stream, clock = streaming(*sorted(marks + late))
    unit.start(70.0)
    assert stream.sent[-1] == b"INPKT;time 0;timestamp;counts?;\r\n"
    assert collected(unit, clock) == []
    assert stream.sent[-1] == b"abort\r\n"
    assert clock.ns * 1e-9 < 71


def test_a_dead_stream_is_noticed(streaming):
    unit, _, clock = streaming((0.1, stream_of([50 << 5 | 1])))
    unit.start(10)
    with pytest.raises(ResponseTimeoutError, match=r"no time stamps for 1\.\d s"):
        collected(unit, clock)
    assert clock.ns * 1e-9 < 1.5


def test_a_stream_that_runs_past_its_end_is_no_stream(streaming):
    words = [tick << 5 | 1 for tick in (WRAP // 2, 5)] * 3
    unit, stream, clock = streaming((0.1, stream_of(words)))
    unit.start(0.5)
    with pytest.raises(UnexpectedReplyError, match="past the end"):
        collected(unit, clock)
    assert stream.sent[-1] == b"abort\r\n"


def test_a_stream_that_does_not_end_is_given_up(streaming):
    unit, stream, clock = streaming(*((0.05 * i, stream_of([50 << 5])) for i in range(400)))
    unit.start(0.2)
    with pytest.raises(UnexpectedReplyError, match="does not end"):
        collected(unit, clock)
    assert stream.sent[-1] == b"abort\r\n"


def test_a_stream_that_ends_within_a_word_has_lost_bytes(streaming):
    unit, _, clock = streaming((0.1, stream_of([50 << 5 | 1, 60 << 5 | 1])[:-1]))
    unit.start(0.2)
    with pytest.raises(UnexpectedReplyError, match="within a word, after 3 bytes"):
        collected(unit, clock)


def test_leaving_early_stops_the_unit(streaming):
    unit, stream, clock = streaming(
        (0.1, stream_of([50 << 5 | 1])), (0.2, stream_of([90 << 5 | 1]))
    )
    unit.start(0.5)
    for _ in unit.collect(clock):
        break
    assert stream.sent[-1] == b"abort\r\n"


def test_a_quiet_unit_gives_way_to_others(streaming):
    unit, _, clock = streaming((0.9, stream_of([50 << 5 | 1])))
    unit.start(1.0)
    times, stamps = [clock.now_ns()], unit.collect(clock)
    for block in stamps:
        times.append(clock.now_ns())
        if block.ticks.size:
            break
    stamps.close()
    assert max(b - a for a, b in pairwise(times)) <= 110_000_000
    assert len(times) > 8


def test_what_was_not_started_cannot_be_collected(streaming):
    unit, _, clock = streaming()
    with pytest.raises(MisuseError, match="start"):
        list(unit.collect(clock))
    unit.start(0.1)
    unit.abort()
    with pytest.raises(MisuseError, match="start"):
        list(unit.collect(clock))


@pytest.mark.parametrize("duration", [0, -1, float("nan"), float("inf")])
def test_a_duration_is_positive_and_finite(streaming, duration):
    unit, stream, _ = streaming()
    with pytest.raises(ValueOutOfRangeError):
        unit.start(duration)
    assert not stream.sent[-1].startswith(b"INPKT")


# ---- the driver against a conversation --------------------------------------------------

OPENING = [("abort", ""), ("*IDN?", IDENTITY)]


@pytest.mark.parametrize(
    ("name", "value", "pairs"),
    [
        ("integration_time_s", 40.0, [("time 40000", ""), ("time?", "-25536")]),
        ("integration_time_s", 1e-3, [("time 1", ""), ("time?", "1")]),
        ("mode", "pairs", [("pairs", ""), ("mode?", "1")]),
        ("mode", "timestamp", [("timestamp", ""), ("mode?", "3")]),
        ("threshold_v", -0.5, [("NEG -0.5", ""), ("level?", "-0.503 V")]),
        ("threshold_v", 1.25, [("POS 1.25", ""), ("level?", "1.25")]),
        ("standard", "NIM", [("NIM", "")]),
        ("reference", "external", [("REFCLK 1", ""), ("REFCLK?", "1")]),
    ],
)
def test_setting(scripted, name, value, pairs):
    setattr(scripted(SFifteenTDC1, *OPENING, *pairs), name, value)


def test_a_setting_that_did_not_take_is_reported(scripted):
    unit = scripted(SFifteenTDC1, *OPENING, ("REFCLK 1", ""), ("REFCLK?", "0"))
    with pytest.raises(InstrumentFaultError, match="reads 'automatic' after 'REFCLK 1'"):
        unit.reference = "external"


def test_counts(scripted):
    unit = scripted(
        SFifteenTDC1,
        *OPENING,
        ("time?", "1000"),
        ("singles;counts?", "1 20 300 4000"),
        ("time?", "1000"),
        ("pairs;counts?", "1 2 3 4 5 6 7 8"),
    )
    assert unit.count_singles() == (1, 20, 300, 4000)
    assert unit.count_pairs() == (1, 2, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize("reply", ["1 2 3", "1 2 3 x", "1 2 3 -4", ""])
def test_counts_that_are_none(scripted, reply):
    unit = scripted(
        SFifteenTDC1, *OPENING, ("time?", "1000"), ("singles;counts?", (reply + "\n").encode())
    )
    with pytest.raises(UnexpectedReplyError, match="4 counts expected"):
        unit.count_singles()


# ---- the driver against the simulated unit ----------------------------------------------


class Lines:
    """Edges at bench times in ps, as a plant gives them."""

    def __init__(self, events=()):
        self.events = sorted(events)
        self.heard = []
        self.on = 0

    def listen(self, t_ns, channels):
        if channels != self.on:
            self.heard.append((t_ns, channels))
        self.on = channels

    def edges(self, until_ns):
        since_ps = self.heard[-1][0] * 1000
        now = [e for e in self.events if since_ps <= e[0] < until_ns * 1000 and e[1] <= self.on]
        self.events = [e for e in self.events if e[0] >= until_ns * 1000]
        return (
            np.array([ps for ps, _ in now], np.int64),
            np.array([line for _, line in now], np.uint8),
        )


class Skewed:
    """An oscillator with a constant frequency error."""

    def __init__(self, error):
        self.error = error

    def nominal_hz(self):
        return 10e6

    def phase_s(self, t_ns):
        return self.error * t_ns * 1e-9


class BenchClock:
    def __init__(self, time):
        self.time = time

    def now_ns(self):
        return self.time.now_ns()

    def sleep(self, seconds):
        self.time.wait_until(self.time.now_ns() + round(seconds * 1e9))


def tagger(lines=None, **more):
    terminals = {"lines": lines} if lines else {}
    terminals |= {k: more.pop(k) for k in ("clock", "own_clock") if k in more}
    return SFifteenTDC1Device("tagger", VirtualTime(), terminals, **more)


def acquired(device, lines, relative, duration_s, **attributes):
    """Return the start of an acquisition in ps and its events.

    `relative` are the edges' times in ps after the start.
    """
    with joined(SFifteenTDC1, device, SERIAL) as unit:
        for name, value in attributes.items():
            setattr(unit, name, value)
        unit.start(duration_s)
        start_ps = lines.heard[-1][0] * 1000
        lines.events = sorted((start_ps + ps, line) for ps, line in relative)
        return collected(unit, BenchClock(device.time))


@settings(max_examples=30, deadline=None)
@given(edges(most_gap=WRAP))
def test_what_the_lines_carry_is_what_is_collected(events):
    lines = Lines()
    device = tagger(lines)
    duration_ms = events[-1][0] // 500_000 + 1 if events else 5
    found = acquired(
        device, lines, [(tick * 2000 + 1999, line) for tick, line in events], duration_ms * 1e-3
    )
    assert found == sorted(events)
    start, stop = lines.heard[-2:]
    assert start[1] == 4
    assert stop == (start[0] + duration_ms * 1_000_000, 0)


def test_data_arrive_while_the_acquisition_runs():
    lines = Lines()
    device = tagger(lines)
    with joined(SFifteenTDC1, device, SERIAL) as unit:
        unit.start(1.0)
        start_ns = lines.heard[-1][0]
        lines.events = [(start_ns * 1000 + 30_000_000_000, 1)]
        stamps = unit.collect(BenchClock(device.time))
        first = next(block for block in stamps if block.ticks.size)
        assert first.ticks.tolist() == [15_000_000]
        assert device.time.now_ns() - start_ns < 50_000_000
        stamps.close()


@pytest.mark.parametrize(
    ("reference", "external", "error"),
    [
        ("automatic", True, 2e-6),
        ("external", True, 2e-6),
        ("internal", True, -30e-6),
        ("automatic", False, -30e-6),
    ],
)
def test_the_stamps_follow_the_chosen_clock(reference, external, error):
    lines = Lines()
    clocks = {"own_clock": Skewed(-30e-6)} | ({"clock": Skewed(2e-6)} if external else {})
    device = tagger(lines, **clocks)
    at_ps = 999_999_000_001
    ((tick, _),) = acquired(device, lines, [(at_ps, 2)], 1.1, reference=reference)
    assert tick == int(at_ps * (1 + Fraction(error))) // 2000


def test_bursts_beyond_the_buffer_are_lost():
    lines = Lines()
    spaced = [(1000 * 2000 + i * 4000, 1 + i % 4) for i in range(700)]  # one every 2 ticks
    found = acquired(tagger(lines, pulse_ns=2.0), lines, spaced, 0.01)
    # 512 fit, and one leaves every 50 ticks: 512 + 2 * 511 / 50 of the first ones
    assert 512 <= len(found) <= 512 + 700 * 2 // 50 + 1
    assert [line for _, line in found[:512]] == [line for _, line in spaced[:512]]
    slow = [(1000 * 2000 + i * 100_000, 1 + i % 4) for i in range(2000)]
    lines = Lines()
    assert len(acquired(tagger(lines), lines, slow, 0.01)) == 2000


def test_singles_and_pairs_are_counted():
    def counted(method):
        lines = Lines()
        device = tagger(lines)
        with joined(SFifteenTDC1, device, SERIAL) as unit:
            unit.integration_time_s = 0.1
            base = (device.time.now_ns() + 50_000_000) * 1000
            at = [(0, 1), (4000, 3), (100_000, 1), (200_000, 2), (209_000, 4), (300_000, 4)]
            lines.events = [(base + ps, line) for ps, line in at]
            return getattr(unit, method)()

    assert counted("count_singles") == (2, 1, 1, 2)
    assert counted("count_pairs") == (2, 1, 1, 2, 1, 0, 0, 1)


def test_an_external_clock_shows():
    with joined(SFifteenTDC1, tagger(clock=Skewed(0)), SERIAL) as unit:
        assert unit.external_clock
    with joined(SFifteenTDC1, tagger(), SERIAL) as unit:
        assert not unit.external_clock


@settings(max_examples=30, deadline=None)
@given(
    st.floats(1e-3, 65.535),
    st.floats(-3.3, 3.3).map(lambda volts: round(volts, 3)),
    st.sampled_from(["singles", "pairs", "timestamp"]),
    st.sampled_from(["automatic", "external", "internal"]),
)
def test_the_simulated_unit_keeps_its_settings(time_s, threshold_v, mode, reference):
    with joined(SFifteenTDC1, tagger(), SERIAL) as unit:
        unit.integration_time_s = time_s
        unit.threshold_v = threshold_v
        unit.mode = mode
        unit.reference = reference
        assert unit.integration_time_s == pytest.approx(time_s, abs=0.51e-3)
        assert unit.threshold_v == pytest.approx(threshold_v, abs=1e-3)
        assert (unit.mode, unit.reference) == (mode, reference)


def test_opening_ends_what_an_earlier_session_left_running():
    lines = Lines()
    device = tagger(lines)
    with joined(SFifteenTDC1, device, SERIAL) as unit:
        unit.start(60)
        unit.link.close()
        again = unit.open()
        assert again.mode == "timestamp"
        assert lines.on == 0


def test_garbage_on_the_line_is_an_error_not_a_result():
    lines = Lines()
    device = tagger(lines)
    with joined(SFifteenTDC1, device, SERIAL) as unit:
        device.faults.garbage(matching=r"time\?")
        with pytest.raises(UnexpectedReplyError):
            _ = unit.integration_time_s


def test_line_settings_are_those_of_a_virtual_port():
    assert isinstance(SFifteenTDC1.line, LineSettings)
    assert SFifteenTDC1.tick_s == Fraction(2, 10**9)
